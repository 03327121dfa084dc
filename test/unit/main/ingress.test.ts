/** What becomes of packets before they reach a worker, and who else reads them. */
import { equal, is, ok } from 'uvu/assert';
import { Throttle, ThrottleLimits } from '../../../src/main/limits/throttle.ts';
import { Ingress, type IngressOptions, type PacketTap, type Publisher } from '../../../src/main/media/ingress.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('ingress');

/** A tap that notes down what it gets. */
class Recorder implements PacketTap {
  readonly got: [id: number, text: string, stamp: number][] = [];

  packet({ id }: Publisher, bytes: Uint8Array, stamp: number): void {
    this.got.push([id, Buffer.from(bytes).toString(), stamp]);
  }
}

function setUp(options: IngressOptions = {}, limits = new ThrottleLimits(1000, 100_000)) {
  const clock = { now: 500 };
  const pushed: [id: number, text: string, stamp: number | undefined][] = [];
  const woken: (boolean | undefined)[] = [];
  const worker = { full: false };
  const shard = {
    push: (id: number, bytes: Uint8Array, stamp?: number, wakes?: boolean): boolean => {
      woken.push(wakes);
      if (!worker.full) pushed.push([id, Buffer.from(bytes).toString(), stamp]);
      return !worker.full;
    },
  };
  const seat: { number: number; shard: typeof shard | null; current: null } = { number: 1, shard, current: null };
  const claim = { userid: 'ann', clientid: 'phone' };
  const is = { id: 7, claim, isClient: true, muted: false, publication: null };
  const publisher = { ...is, packetsReceived: 0, throttle: new Throttle(limits), seat };
  const ingress = new Ingress({ clock: () => clock.now, ...options });
  const take = (text: string): void => ingress.take(publisher, Buffer.from(text));
  return { ingress, take, pushed, woken, worker, seat, publisher, clock };
}

/** The drops that are not 0. */
function dropped({ drops }: Ingress): Record<string, number> {
  return Object.fromEntries(Object.entries(drops).filter(([, count]) => count > 0));
}

test('a packet goes to its worker with the stamp of its arrival, and to each tap with the same', () => {
  const taps = [new Recorder(), new Recorder()];
  const { ingress, take, pushed, clock, publisher } = setUp({ taps });
  take('one');
  clock.now = 600;
  take('two');
  const both = [
    [7, 'one', 500],
    [7, 'two', 600],
  ];
  equal(pushed, both);
  for (const { got } of taps) equal(got, both);
  is(publisher.packetsReceived, 2);
  equal([ingress.traffic.packets, ingress.traffic.bytes], [2, 6]);
  equal(dropped(ingress), {});
});

test('the gate tells which packets wake their worker', () => {
  const asked: [number, unknown, string][] = [];
  const gate = {
    wakes: (id: number, publication: unknown, packet: Uint8Array): boolean => {
      const text = Buffer.from(packet).toString();
      asked.push([id, publication, text]);
      return text === 'loud';
    },
  };
  const { take, woken } = setUp({ gate });
  take('loud');
  take('soft');
  equal(asked, [
    [7, null, 'loud'],
    [7, null, 'soft'],
  ]);
  equal(woken, [true, false]);
});

test('what no worker takes is counted by its reason, and no tap gets it', () => {
  const tap = new Recorder();
  const stall = { late: false };
  const { ingress, take, pushed, worker, seat } = setUp({ taps: [tap], stall, maxBytes: 4 });
  const { shard } = seat;
  seat.shard = null;
  take('a');
  equal(dropped(ingress), { notJoined: 1 });
  seat.shard = shard;
  take('five.');
  equal(dropped(ingress), { notJoined: 1, tooLong: 1 });
  stall.late = true;
  take('b');
  equal(dropped(ingress), { notJoined: 1, tooLong: 1, late: 1 });
  stall.late = false;
  worker.full = true;
  take('c');
  equal(dropped(ingress), { notJoined: 1, tooLong: 1, late: 1, ingressFull: 1 });
  equal([pushed, tap.got], [[], []]);
  worker.full = false;
  take('four');
  equal([pushed.length, tap.got.length], [1, 1], 'as many bytes as are allowed');
});

test('packets beyond the bounds of their publisher are counted, and neither worker nor tap gets them', () => {
  for (const [limits, reason] of [
    [new ThrottleLimits(10, 1e6), 'tooMany'],
    [new ThrottleLimits(1e6, 1), 'tooMuch'],
  ] as const) {
    const tap = new Recorder();
    const { ingress, take, pushed } = setUp({ taps: [tap] }, limits);
    for (let i = 0; i < 100; i++) take('some bytes'.repeat(10));
    const over = dropped(ingress)[reason] ?? 0;
    ok(over > 50, `${over}`);
    equal(dropped(ingress), { [reason]: over });
    equal([pushed.length, tap.got.length], [100 - over, 100 - over]);
  }
});

test('a tap that throws is told of once and gets nothing more; worker and other taps get every packet', () => {
  const broken = {
    calls: 0,
    packet(): void {
      this.calls++;
      throw new Error('disk full');
    },
  };
  const [before, after] = [new Recorder(), new Recorder()];
  const errors: unknown[] = [];
  const { ingress, take, pushed } = setUp({
    taps: [before, broken, after],
    tapFailed: (error) => errors.push(error),
  });
  for (const text of ['one', 'two', 'three']) take(text);
  const texts = (list: readonly (readonly [number, string, unknown])[]): string[] => list.map(([, text]) => text);
  for (const list of [pushed, before.got, after.got]) equal(texts(list), ['one', 'two', 'three']);
  is(broken.calls, 1);
  equal(
    errors.map((error) => (error as Error).message),
    ['disk full'],
  );
  equal(dropped(ingress), {});
});

test('taps that throw at the same packet are each told of, and the list that was given stays as it is', () => {
  const fail = (): never => {
    throw new Error('no');
  };
  const taps = [{ packet: fail }, { packet: fail }];
  let errors = 0;
  const { take, pushed } = setUp({ taps, tapFailed: () => errors++ });
  take('one');
  take('two');
  equal([errors, taps.length, pushed.length], [2, 2, 2]);
});

test.run();
