/** Which instance of a cluster sends webhooks, and how far it looks back when it begins. */
import { equal, is, ok } from 'uvu/assert';
import { ClusterSpokesman } from '../../../src/main/cluster/spokesman.ts';
import { FakeNet } from '../../support/fake-bus.ts';
import { type FakeInstance, fakeInstance, passTogether } from '../../support/fake-instances.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('spokesman');
const SETTLED = 5000;

interface Speaking extends FakeInstance {
  readonly spokesman: ClusterSpokesman;
  readonly records: { available: boolean; latest: string };
  /** How far it looked back each time that it began, milliseconds. */
  readonly began: number[];
}

async function join(net: FakeNet, number: number, clock = 0): Promise<Speaking> {
  const one = fakeInstance(net, 'abcdef'[number]!, String(number + 1), clock);
  const { figures, instances, time: timers } = one;
  const records = { available: true, latest: 'x.1' };
  const draining = (): boolean => figures.draining;
  const spokesman = new ClusterSpokesman({ source: 'sfu', instances, records, draining, timers });
  Object.defineProperty(figures, 'speaks', { get: () => spokesman.ready, enumerable: true });
  const began: number[] = [];
  spokesman.watch((back) => began.push(back));
  await instances.start();
  spokesman.start();
  return { ...one, spokesman, records, began };
}

async function cluster(many: number): Promise<{ net: FakeNet; all: [Speaking, Speaking, Speaking] }> {
  const net = new FakeNet();
  const all: Speaking[] = [];
  for (let i = 0; i < many; i++) all.push(await join(net, i));
  passTogether(all, SETTLED);
  return { net, all: all as [Speaking, Speaking, Speaking] };
}
const speaks = (all: readonly Speaking[]): boolean[] => all.map(({ spokesman }) => spokesman.speaks);

test('nobody speaks before everybody is known, and then the lowest does, having looked back as far as it can', async () => {
  const net = new FakeNet();
  const all = [await join(net, 0), await join(net, 1)];
  passTogether(all, 3000);
  equal(speaks(all), [false, false]);
  passTogether(all, 2000);
  equal(speaks(all), [true, false]);
  ok(all[0]!.began.includes(Number.POSITIVE_INFINITY));
});

test('a lower one that comes takes over when it is ready, and never do two speak after its heartbeat', async () => {
  const { net, all } = await cluster(3);
  const [a] = all;
  a.spokesman.close();
  const rest = all.slice(1);
  await a.instances.close();
  passTogether(rest, 500);
  equal(speaks(rest), [true, false]);
  const now = rest[0]!.time.now();
  const again = await join(net, 0, now);
  passTogether([again, ...rest], 3000);
  equal(speaks([again, ...rest]), [false, true, false]);
  passTogether([again, ...rest], 1500);
  equal(speaks([again, ...rest]), [true, false, false]);
  equal(again.began, [1000], 'another one spoke before it');
});

test('if the one that speaks falls silent, the next one looks back to ten seconds before', async () => {
  const { all } = await cluster(3);
  const rest = all.slice(1);
  for (const one of rest) one.began.length = 0;
  all[0].bus.connected = false;
  passTogether(rest, SETTLED);
  equal(speaks(rest), [true, false]);
  const [back] = rest[0]!.began;
  ok(back! >= 13_000 && back! <= 15_000, String(back));
});

test('one that drains leaves it to another one at once, but speaks on where there is none', async () => {
  const { all } = await cluster(2);
  const [a, b] = all;
  a.figures.draining = true;
  a.spokesman.drain();
  a.instances.announce();
  equal(speaks([a, b]), [false, false], 'it looks back before it speaks');
  passTogether(all.slice(0, 2), 260);
  equal(speaks([a, b]), [false, true]);
  b.figures.draining = true;
  b.spokesman.drain();
  b.instances.announce();
  passTogether(all.slice(0, 2), 260);
  equal(speaks([a, b]), [true, false]);
});

test('one that does not follow the records leaves it to another one', async () => {
  const { all } = await cluster(2);
  const [a, b] = all;
  a.records.available = false;
  passTogether(all.slice(0, 2), 600);
  equal(speaks([a, b]), [false, true]);
  a.records.available = true;
  passTogether(all.slice(0, 2), 600);
  equal(speaks([a, b]), [true, false]);
  is(a.spokesman.change, 'x.1');
  is(a.spokesman.source, 'sfu');
});

test.run();
