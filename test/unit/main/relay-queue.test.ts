/** The queue in front of NATS: what goes together, what waits, and what is dropped. */
import { equal, is, ok } from 'uvu/assert';
import type { QueuedConversation } from '../../../src/main/cluster/relay/chunk.ts';
import { RelayCounts } from '../../../src/main/cluster/relay/counts.ts';
import { RelayQueue } from '../../../src/main/cluster/relay/relay-queue.ts';
import { Kind, MessageReader, messageHead } from '../../../src/main/cluster/relay/wire.ts';
import { RecordingBus } from '../../support/recording-bus.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('relay queue');
const MS = 1000;
const MAX_DELAY = 500;
/** Of unconfirmed bytes. */
const WINDOW = 256 * 1024;

function setUp() {
  const bus = new RecordingBus();
  const counts = new RelayCounts();
  const clock = { now: -2000 * MS };
  const turns: (() => void)[] = [];
  const queue = new RelayQueue({
    ...{ bus, counts, maxDelay: MAX_DELAY, head: messageHead(Kind.Packets, '0123456789ab') },
    ...{ clock: () => clock.now, soon: (act: () => void) => turns.push(act) },
  });
  const room = (name: string): QueuedConversation => ({ mediaSubject: name, chunk: null });
  const turn = (): void => {
    for (const act of turns.splice(0)) act();
  };
  const push = (to: QueuedConversation, source: number, length = 100): void =>
    queue.push(to, source, clock.now, 3, new Uint8Array(length).fill(source));
  /** What was sent since: subject and sources of each message. */
  const sent = (): [string, ...number[]][] =>
    bus.sent.splice(0).map(({ subject, data }) => [subject, ...sources(data)]);
  const pass = (ms: number): void => {
    clock.now = (clock.now + ms * MS) | 0;
  };
  /** Lets so much time pass that NATS is asked. */
  const ask = (): void => {
    pass(251);
    queue.tick();
  };
  return { bus, counts, clock, queue, room, turn, turns, push, sent, pass, ask };
}

function sources(data: Buffer): number[] {
  const reader = new MessageReader();
  const found: number[] = [];
  ok(reader.begin(data));
  while (!reader.done) {
    ok(reader.next());
    const { source, offset, length } = reader;
    ok(data.subarray(offset, offset + length).every((byte) => byte === (source & 0xff)));
    found.push(source);
  }
  return found;
}

test('the packets of a turn go out together after it, one message for each conversation', () => {
  const { push, room, turn, turns, sent, counts } = setUp();
  const [kitchen, garden] = [room('kitchen'), room('garden')];
  push(kitchen, 1);
  push(garden, 2);
  push(kitchen, 3);
  is(turns.length, 1);
  equal(sent(), []);
  turn();
  equal(sent(), [
    ['kitchen', 1, 3],
    ['garden', 2],
  ]);
  push(kitchen, 4);
  turn();
  equal(sent(), [['kitchen', 4]]);
  equal([counts.out.packets, counts.out.bytes, counts.messagesOut], [4, 400, 3]);
});

test('a message that is full is followed by another', () => {
  const { push, room, turn, sent } = setUp();
  const kitchen = room('kitchen');
  for (let i = 0; i < 4; i++) push(kitchen, i, 1500);
  for (let i = 4; i < 40; i++) push(kitchen, i);
  turn();
  const messages = sent();
  equal(
    messages.flatMap(([, ...numbers]) => numbers),
    [...Array(40).keys()],
  );
  equal(messages.slice(0, 3), [
    ['kitchen', 0],
    ['kitchen', 1],
    ['kitchen', 2],
  ]);
  ok(messages.length < 8, `${messages.length}`);
});

test('beyond the window packets wait until NATS confirms, in their order', async () => {
  const { push, room, turn, sent, queue, bus } = setUp();
  const kitchen = room('kitchen');
  for (let i = 0; i < 300; i++) push(kitchen, i, 1500);
  turn();
  const first = sent().length;
  ok(first * 1519 >= WINDOW && first * 1519 < WINDOW + 1519, `${first}`);
  is(bus.flushes.length, 1, 'NATS was asked');
  queue.tick();
  equal(sent(), [], 'it has not answered');
  await bus.confirm();
  turn();
  const more = sent();
  equal(more[0], ['kitchen', first], 'it has answered for the first messages');
  ok(more.length > 5 && more.length < 20, `${more.length}`);
  for (let i = 0; i < 20; i++) {
    await bus.confirm();
    turn();
  }
  is(first + more.length + sent().length, 300);
});

test('what waits for too long is dropped and counted, and what comes later is sent', async () => {
  const { push, room, turn, sent, queue, bus, pass, counts, ask } = setUp();
  const kitchen = room('kitchen');
  push(kitchen, 1);
  turn();
  ask();
  equal(sent(), [['kitchen', 1]]);
  pass(151);
  for (let i = 0; i < 10; i++) {
    push(kitchen, 10 + i);
    turn();
    pass(60);
  }
  equal(sent(), [], 'NATS owes an answer for longer than it may');
  is(counts.drops.late, 1);
  queue.tick();
  is(counts.drops.late, 2, 'time alone drops, too');
  await bus.confirm();
  turn();
  equal(
    sent().map(([, source]) => source),
    [12, 13, 14, 15, 16, 17, 18, 19],
  );
});

test('a message holds the packets of a few frames, so that fresh ones are not dropped with old ones', () => {
  const { push, room, turn, sent, bus, pass, ask } = setUp();
  const kitchen = room('kitchen');
  push(kitchen, 1);
  turn();
  ask();
  pass(200);
  for (let i = 0; i < 6; i++) {
    push(kitchen, i);
    pass(20);
  }
  sent();
  bus.flushes[0]!.reject(new Error('time-out'));
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    turn();
    equal(sent(), [
      ['kitchen', 0, 1, 2],
      ['kitchen', 3, 4, 5],
    ]);
  });
});

test('as long as one packet of a message is fresh, it is sent', async () => {
  const { push, room, turn, sent, bus, pass, counts, ask } = setUp();
  const kitchen = room('kitchen');
  push(kitchen, 1);
  turn();
  ask();
  pass(200);
  push(kitchen, 2);
  pass(30);
  push(kitchen, 3);
  sent();
  pass(MAX_DELAY - 10);
  await bus.confirm();
  turn();
  equal([sent(), counts.drops.late], [[['kitchen', 2, 3]], 0]);
});

test('a question that is not answered confirms nothing', async () => {
  const { push, room, turn, queue, bus, ask } = setUp();
  push(room('kitchen'), 1);
  turn();
  ask();
  const { held } = queue;
  bus.flushes[0]!.reject(new Error('time-out'));
  await new Promise((resolve) => setImmediate(resolve));
  is(queue.held, held);
  queue.tick();
  is(bus.flushes.length, 2, 'it is asked again');
});

test('without a connection everything is dropped, and none of it is sent later', () => {
  const { push, room, turn, sent, bus, counts } = setUp();
  const kitchen = room('kitchen');
  push(kitchen, 1);
  bus.link(false);
  push(kitchen, 2);
  turn();
  is(counts.drops.disconnected, 2);
  bus.link(true);
  push(kitchen, 3);
  turn();
  equal(sent(), [['kitchen', 3]]);
});

test('a connection that is back owes nothing, and an answer from before counts for nothing', async () => {
  const { push, room, turn, sent, queue, bus } = setUp();
  const kitchen = room('kitchen');
  for (let i = 0; i < 300; i++) push(kitchen, i, 1500);
  turn();
  const before = sent().length;
  ok(before < 300);
  queue.reconnected();
  queue.tick();
  is(sent().length, Math.min(300 - before, before));
  is(bus.flushes.length, 2);
  const { held } = queue;
  bus.flushes[0]!.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  is(queue.held, held);
});

test('it holds a bounded number of bytes, whatever comes, and drops the oldest', async () => {
  const { push, room, turn, queue, bus, counts, sent, ask } = setUp();
  const kitchen = room('kitchen');
  for (let i = 0; i < 20_000; i++) push(kitchen, i % 256, 1500);
  ok(queue.held <= 2.5 * 1024 * 1024, `${queue.held}`);
  is(counts.drops.queue, 20_000 - 1024);
  turn();
  is(sent()[0]![1], (20_000 - 1024) % 256);
  for (let i = 0; i < 20; i++) {
    queue.tick();
    await bus.confirm();
    turn();
  }
  ask();
  await bus.confirm();
  is(queue.held, 0);
  is(counts.out.packets, 1024);
});

test('the memory of messages is used again once NATS has them, and not before', async () => {
  const { push, room, turn, bus, ask } = setUp();
  const kitchen = room('kitchen');
  const buffers = new Set<ArrayBufferLike>();
  const publish = bus.publish.bind(bus);
  bus.publish = (subject, data) => {
    buffers.add(data.buffer);
    return publish(subject, data);
  };
  for (let i = 0; i < 10; i++) {
    push(kitchen, i);
    turn();
  }
  is(buffers.size, 10);
  ask();
  await bus.confirm();
  for (let i = 0; i < 10; i++) {
    push(kitchen, i);
    turn();
  }
  is(buffers.size, 10);
});

test('a few packets are not confirmed at once, but within a moment', () => {
  const { push, room, turn, queue, bus, pass } = setUp();
  push(room('kitchen'), 1);
  turn();
  pass(250);
  queue.tick();
  is(bus.flushes.length, 0);
  pass(1);
  queue.tick();
  is(bus.flushes.length, 1);
});

test.run();
