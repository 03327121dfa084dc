import { equal, is, match, ok, unreachable } from 'uvu/assert';
import { Departed } from '../../../src/main/cluster/departed.ts';
import { makeIdentity } from '../../../src/main/cluster/identity.ts';
import { writeMessage } from '../../../src/main/cluster/messages/read.ts';
import { conversationHash, Subjects } from '../../../src/main/cluster/subjects.ts';
import { FakeNet } from '../../support/fake-bus.ts';
import { type FakeInstance, fakeInstance, passTogether, SUBJECTS } from '../../support/fake-instances.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('instances');

/** Starts instances a, b, c… one after the other. */
async function started(many: number, clocks: readonly number[] = []): Promise<{ net: FakeNet; all: FakeInstance[] }> {
  const net = new FakeNet();
  const all: FakeInstance[] = [];
  for (let i = 0; i < many; i++) {
    const one = fakeInstance(net, 'abcdef'[i]!, String(i + 1), clocks[i]);
    await one.instances.start();
    all.push(one);
  }
  return { net, all };
}

/** Starts an instance that must not start. */
async function refusal({ instances }: FakeInstance): Promise<string> {
  return instances.start().then(
    () => unreachable('it started') as never,
    ({ message }: Error) => message,
  );
}

const ids = ({ instances }: FakeInstance): string[] => instances.all().map(({ id }) => id);

test('instances know each other within a tenth of a second, with what they tell of themselves', async () => {
  const { all } = await started(3);
  const [a, b, c] = all as [FakeInstance, FakeInstance, FakeInstance];
  Object.assign(b.figures, {
    draining: true,
    connections: 5,
    conversations: 2,
    relayedIn: 7,
    relayedOut: 8,
    dropped: 9,
  });
  passTogether(all, 100);
  equal(
    [ids(a), ids(b), ids(c)],
    [
      ['b', 'c'],
      ['a', 'c'],
      ['a', 'b'],
    ],
  );
  const { silentMs, rttMs, ...known } = a.instances.all()[0]!;
  const figures = { draining: true, connections: 5, conversations: 2, relayedIn: 7, relayedOut: 8, dropped: 9 };
  equal(known, { id: 'b', incarnation: '000000000002', version: '1.0.0', host: 'h-b', ...figures });
  equal(a.seen, ['+b', '+c']);
});

test('a herd of newcomers is welcomed by one heartbeat of each, not by one for each', async () => {
  const { net, all } = await started(1);
  for (let i = 1; i <= 20; i++) {
    const one = fakeInstance(net, `n${i}`, `1${i}`);
    await one.instances.start();
    all.push(one);
  }
  const before = net.sent.filter(({ from }) => from === all[0]!.bus).length;
  passTogether(all, 100);
  is(net.sent.filter(({ from }) => from === all[0]!.bus).length - before, 1);
});

test('an instance that falls silent is dead after 3.5 to 4 s, and not before', async () => {
  const { all } = await started(2);
  const [a, b] = all as [FakeInstance, FakeInstance];
  passTogether(all, 10_000);
  b.bus.connected = false;
  passTogether([a], 2500);
  equal(ids(a), ['b']);
  ok(a.instances.isAlive('000000000002'));
  ok(a.instances.all()[0]!.silentMs >= 2500);
  passTogether([a], 1500);
  equal(ids(a), []);
  is(a.instances.isAlive('000000000002'), false);
  equal(a.seen.at(-1), '-b silent');
  equal(a.log.lines.at(-1)!['why'], 'silent');
});

test('an instance that says goodbye is gone at once, and its late heartbeats do not bring it back', async () => {
  const { net, all } = await started(2);
  const [a, b] = all as [FakeInstance, FakeInstance];
  passTogether(all, 100);
  const late = net.sent.findLast(({ from }) => from === b.bus)!.data;
  const closing = b.instances.close();
  equal([ids(a), a.seen.at(-1)], [[], '-b bye']);
  await closing;
  equal(b.bus.subjects, []);
  a.bus.take(SUBJECTS.beat, late);
  equal(ids(a), []);
  is(a.instances.isAlive('000000000002'), false);
  const sent = net.sent.length;
  passTogether([b], 5000);
  is(net.sent.length, sent);
});

test('an instance that goes on sending heartbeats has not said the goodbye that came in its name', async () => {
  const { net, all } = await started(2);
  const [a] = all as [FakeInstance, FakeInstance];
  passTogether(all, 1000);
  const bye = { v: 1, type: 'bye', incarnation: '000000000002' };
  net.join().publish(SUBJECTS.beat, Buffer.from(JSON.stringify(bye)));
  equal(ids(a), []);
  passTogether(all, 3000);
  equal(ids(a), []);
  passTogether(all, 3000);
  equal(ids(a), ['b']);
});

test('an event loop that stood still does not take its own silence for that of others', async () => {
  const { all } = await started(2);
  const [a, b] = all as [FakeInstance, FakeInstance];
  passTogether(all, 1000);
  a.time.stall(10_000);
  equal(ids(a), ['b']);
  passTogether([a], 3000);
  equal(ids(a), ['b']);
  passTogether([a], 2000);
  equal(ids(a), []);
  b.time.pass(10_000);
});

test('the round trip is measured although clocks differ by minutes', async () => {
  const { all } = await started(2, [0, 300_000]);
  const [a, b] = all as [FakeInstance, FakeInstance];
  passTogether(all, 5000, 0.5);
  for (const one of [a, b]) {
    const { rttMs } = one.instances.all()[0]!;
    ok(rttMs !== null && rttMs >= 0 && rttMs <= 10, `${rttMs} ms`);
  }
});

test('a round trip that cannot be is not believed', async () => {
  const { all } = await started(1);
  const [a] = all as [FakeInstance];
  a.time.pass(70_100);
  const beat = (seen: unknown) => ({
    ...{ type: 'beat', id: 'x', incarnation: 'ffffffffffff', version: '9', host: 'h', pid: 1, sentAt: 1 },
    ...{ draining: false, connections: 0, conversations: 0, relayedIn: 0, relayedOut: 0, dropped: 0, seen },
  });
  const tell = (sentAt: number, held: number) =>
    a.bus.take(SUBJECTS.beat, writeMessage(beat([['000000000001', sentAt, held]])));
  for (const [sentAt, held, rtt] of [
    [80_000, 0, null],
    [0, 80_000, null],
    [10_000, 0, null],
    [70_090, 4, 6],
    [70_090, 10.5, 0],
    [70_050, 100, 0],
    [70_050, 40, 10],
    [10_100, 0, 60_000],
  ] as const) {
    tell(sentAt, held);
    is(a.instances.all()[0]!.rttMs, rtt, `${sentAt} ${held}`);
  }
});

test('a second instance with an id that is in use is refused, with both named', async () => {
  const net = new FakeNet();
  const one = fakeInstance(net, 'a', '1');
  await one.instances.start();
  const other = fakeInstance(net, 'a', '2');
  const message = await refusal(other);
  match(message, 'two instances have one INSTANCE_ID: a (process 7 on h-a, incarnation 000000000001) and this one');
  match(message, 'incarnation 000000000002');
  await other.instances.close();
  equal(other.bus.subjects, []);
  passTogether([one, other], 1000);
  equal(one.instances.duplicate, null);
});

test('an instance that is refused tells the others neither that it came nor that it went', async () => {
  const { net, all } = await started(2);
  passTogether(all, 1000);
  const other = fakeInstance(net, 'a', '9');
  const claim = other.instances.start().catch(() => undefined);
  // Others are heard while it still claims its id.
  passTogether([...all, other], 1100);
  await claim;
  await other.instances.close();
  passTogether([other], 5000);
  equal(
    net.sent.filter(({ from, subject }) => from === other.bus && subject === SUBJECTS.beat),
    [],
  );
});

test('an answer for another id, or a malformed one, refuses nobody', async () => {
  const net = new FakeNet();
  const odd = net.join();
  let answer = writeMessage({ ...makeIdentity('b') });
  odd.subscribe(SUBJECTS.id('a'), (_, reply) => odd.publish(reply!, answer));
  await fakeInstance(net, 'a', '1').instances.start();
  answer = new Uint8Array(1);
  const one = fakeInstance(net, 'a', '1');
  await one.instances.start();
  is(one.counts.malformed, 1);
});

test('who said goodbye is remembered for five minutes, and only the latest 500', () => {
  const departed = new Departed();
  for (let i = 0; i < 501; i++) departed.add(`${i}`, i);
  departed.add('1', 501);
  equal(
    [0, 1, 2, 500].map((i) => departed.has(`${i}`)),
    [false, true, true, true],
  );
  departed.forget(300_002);
  ok(departed.has('2'));
  departed.forget(300_003);
  equal(
    [1, 2, 3].map((i) => departed.has(`${i}`)),
    [true, false, true],
  );
});

test('of two that claim one id at once, one gets it', async () => {
  const net = new FakeNet();
  const all = [fakeInstance(net, 'a', '2'), fakeInstance(net, 'a', '1')];
  const results = await Promise.allSettled(all.map(({ instances }) => instances.start()));
  equal(
    results.map(({ status }) => status),
    ['rejected', 'fulfilled'],
  );
});

test('two with one id that meet later both say so, until one is gone', async () => {
  const net = new FakeNet();
  const all = [fakeInstance(net, 'a', '1'), fakeInstance(net, 'a', '2')] as const;
  all[0].bus.connected = true;
  await all[0].instances.start();
  all[0].bus.connected = false;
  await all[1].instances.start();
  all[0].bus.connected = true;
  passTogether(all, 1000);
  for (const [one, other] of [all, [...all].reverse() as [FakeInstance, FakeInstance]]) {
    const { duplicate, self } = one.instances;
    match(duplicate!, `a (process 7 on h-a, incarnation ${other.instances.self.incarnation}) and this one`);
    match(duplicate!, self.incarnation);
    equal(
      one.log.lines.filter(({ level }) => level === 50).map(({ msg }) => msg),
      [duplicate],
    );
  }
  await all[1].instances.close();
  is(all[0].instances.duplicate, null);
});

test('an id that nobody answers for in time is free, and one is not started without NATS', async () => {
  const net = new FakeNet();
  const hung = net.join();
  hung.subscribe(SUBJECTS.id('a'), () => undefined);
  const one = fakeInstance(net, 'a', '1');
  await one.instances.start();
  const other = fakeInstance(net, 'b', '2');
  other.bus.connected = false;
  is(await refusal(other), 'cut off');
});

test('an instance whose subscriptions NATS forbids does not start', async () => {
  const one = fakeInstance(new FakeNet(), 'a', '1');
  one.bus.refused.push('sfu.beat');
  is(await refusal(one), 'NATS does not permit this user to subscribe to sfu.beat: it needs sfu.>');
});

test('who was not heard yet may live until everybody has had the time to be heard', async () => {
  const { all } = await started(1);
  const [a] = all as [FakeInstance];
  const unknown = 'ffffffffffff';
  ok(a.instances.isAlive('000000000001'));
  ok(a.instances.isAlive(unknown));
  is(a.instances.settled, false);
  is(a.instances.leads, false);
  a.time.pass(3400);
  ok(a.instances.isAlive(unknown));
  a.time.pass(350);
  is(a.instances.isAlive(unknown), false);
  ok(a.instances.leads);
  equal(a.seen, ['settled']);
  a.bus.connected = false;
  is(a.instances.settled, false);
  a.time.pass(10_000);
  a.bus.connected = true;
  ok(a.instances.isAlive(unknown));
  a.time.pass(3750);
  is(a.instances.isAlive(unknown), false);
  equal(a.seen, ['settled', 'settled']);
});

test('one instance leads: the one with the lowest incarnation', async () => {
  const { all } = await started(3);
  passTogether(all, 4000);
  equal(
    all.map(({ instances }) => instances.leads),
    [true, false, false],
  );
  await all[0]!.instances.close();
  equal(all.map(({ instances }) => instances.leads).slice(1), [true, false]);
});

test('an instance that was cut off is heard again as soon as it is back', async () => {
  const { all } = await started(2);
  const [a, b] = all as [FakeInstance, FakeInstance];
  passTogether(all, 1000);
  b.bus.connected = false;
  passTogether(all, 5000);
  equal([ids(a), ids(b)], [[], []]);
  b.bus.connected = true;
  equal(ids(a), ['b']);
  passTogether(all, 100);
  equal(ids(b), ['a']);
});

test('heartbeats of other versions, with more members or malformed, do no harm and are counted', async () => {
  const { net, all } = await started(2);
  const [a, b] = all as [FakeInstance, FakeInstance];
  passTogether(all, 100);
  const good = JSON.parse(new TextDecoder().decode(net.sent.findLast(({ from }) => from === b.bus)!.data));
  const tell = (change: object): void => {
    a.bus.take(SUBJECTS.beat, new TextEncoder().encode(JSON.stringify({ ...good, ...change })));
  };
  tell({ id: 'newer', incarnation: 'aaaaaaaaaaaa', version: '99.0.0', later: { x: [1] } });
  tell({ id: 'other', incarnation: 'bbbbbbbbbbbb', v: 2 });
  tell({ type: 'later', incarnation: 'bbbbbbbbbbbb' });
  tell({ connections: -1 });
  tell({ incarnation: a.instances.self.incarnation });
  a.bus.take(SUBJECTS.beat, new Uint8Array(3));
  a.bus.take(SUBJECTS.id('a'), new Uint8Array(3), 'inbox');
  a.bus.take(SUBJECTS.id('a'), writeMessage(b.instances.self));
  equal(ids(a), ['b', 'newer']);
  equal(a.counts, { malformed: 3, otherVersion: 1, tooLarge: 0, unknownType: 1, tooMany: 0 });
});

test('a flood of instances is bounded', async () => {
  const { net, all } = await started(2);
  const [a, b] = all as [FakeInstance, FakeInstance];
  const good = JSON.parse(new TextDecoder().decode(net.sent.findLast(({ from }) => from === b.bus)!.data));
  for (let i = 0; i < 600; i++) {
    const incarnation = `f${String(i).padStart(11, '0')}`;
    a.bus.take(SUBJECTS.beat, writeMessage({ ...good, incarnation }));
    a.bus.take(SUBJECTS.beat, writeMessage({ type: 'bye', incarnation: `e${incarnation.slice(1)}` }));
  }
  is(a.instances.all().length, 500);
  is(a.counts.tooMany, 101);
});

test('an instance without an id is named after its host, with four random digits', () => {
  const one = makeIdentity('', 'voice 1.example.org');
  match(one.id, /^voice-1\.example\.org-[\da-f]{4}$/);
  match(one.incarnation, /^[\da-f]{12}$/);
  is(one.pid, process.pid);
  ok(one.id !== makeIdentity('', 'voice 1.example.org').id);
  is(makeIdentity('', 'h'.repeat(300)).id.length, 64);
  is(makeIdentity('eu-1').id, 'eu-1');
  match(one.version, /^\d+\.\d+\.\d+/);
});

test('subjects are made of the prefix and of what has no special characters', () => {
  const subjects = new Subjects('C');
  equal(
    [
      subjects.beat,
      subjects.all,
      subjects.id('a.b'),
      subjects.instance('ab'),
      subjects.conversation('h'),
      subjects.media('h'),
    ],
    ['C.beat', 'C.>', 'C.id.YS5i', 'C.instance.ab', 'C.conversation.h', 'C.media.h'],
  );
  match(conversationHash('a b.*>'), /^[\w-]{22}$/);
  is(conversationHash('a'), conversationHash('a'));
  ok(conversationHash('a') !== conversationHash('b'));
});

test('an instance of another version is named, in the log too, for as long as it is there', async () => {
  const { net, all } = await started(1);
  const [a] = all as [FakeInstance];
  const stranger = net.join();
  const tell = (message: object): boolean => stranger.publish(SUBJECTS.beat, Buffer.from(JSON.stringify(message)));
  const next = { v: 2, type: 'beat', id: 'next', incarnation: 'aaaaaaaaaaaa', version: '99.0.0', host: 'h-next' };
  tell(next);
  tell({ ...next, later: true });
  const [warning, ...more] = a.instances.warnings;
  equal(more, []);
  match(
    warning!,
    /next \(version 99\.0\.0 on h-next\) sends messages of version 2, this one, .*\(version 1\.0\.0\), of version 1/,
  );
  equal(
    a.log.lines.filter(({ level }) => level === 50).map(({ msg, instance, version }) => [msg, instance, version]),
    [[warning, 'next', '99.0.0']],
  );
  equal([ids(a), a.counts.otherVersion, a.instances.duplicate], [[], 2, null]);
  passTogether([a], 9000);
  tell(next);
  passTogether([a], 9000);
  is(a.instances.warnings.length, 1);
  passTogether([a], 2000);
  equal(a.instances.warnings, []);
  is(a.log.lines.at(-1)!.msg, 'an instance of another version is gone');
});

test('whatever another version says of itself, what is unreadable is left out, and not too many are named', async () => {
  const { net, all } = await started(1);
  const [a] = all as [FakeInstance];
  const stranger = net.join();
  for (const more of [{}, { id: 7, version: {}, host: [] }, { id: 'x y', version: 'x'.repeat(256) }, null]) {
    stranger.publish(SUBJECTS.beat, Buffer.from(JSON.stringify({ v: 3, ...more })));
  }
  is(a.instances.warnings.length, 1);
  match(
    a.instances.warnings[0]!,
    /^an instance without a readable name \(version unknown\) sends messages of version 3/,
  );
  for (const v of ['2', 1.5, null, 2 ** 53]) stranger.publish(SUBJECTS.beat, Buffer.from(JSON.stringify({ v })));
  is(a.instances.warnings.length, 1);
  for (let i = 0; i < 100; i++) stranger.publish(SUBJECTS.beat, Buffer.from(JSON.stringify({ v: 2, id: `x${i}` })));
  is(a.instances.warnings.length, 16);
});

test('a flood of invented instances fills neither the log nor the memory', async () => {
  const { net, all } = await started(1);
  const [a] = all as [FakeInstance];
  const liar = net.join();
  const seen = Array.from({ length: 400 }, (_, i) => [i.toString(16).padStart(12, 'e'), i, 1]);
  const truth = JSON.parse(Buffer.from(net.sent.find(({ subject }) => subject === SUBJECTS.beat)!.data).toString());
  for (let i = 0; i < 5000; i++) {
    const incarnation = i.toString(16).padStart(12, 'f');
    liar.publish(SUBJECTS.beat, Buffer.from(JSON.stringify({ ...truth, id: 'x', incarnation, seen })));
    if (i % 400 === 0) passTogether([a], 4000);
  }
  const { lines } = a.log;
  ok(lines.length < 1500, `${lines.length} lines`);
  passTogether([a], 10_000);
  const omitted = lines.reduce((sum, line) => sum + Number(line['omitted'] ?? 0), 0);
  ok(omitted > 5000 && omitted + lines.length <= 10_000, `${omitted} omitted`);
  liar.publish(SUBJECTS.beat, Buffer.from(JSON.stringify({ ...truth, incarnation: 'ffffffffffff', seen })));
  const peers = [...(Reflect.get(a.instances, 'peers') as Map<string, object>).values()];
  is(peers.length, 1);
  ok(peers.every((peer) => JSON.stringify(peer).length < 1000));
});

test.run();
