/** Main's side of a worker: the pump, without the worker's thread. */

import { MessageChannel } from 'node:worker_threads';
import { equal, is, ok } from 'uvu/assert';
import { Shard } from '../../../src/main/media/shard.ts';
import { SENT_HEADER_BYTES } from '../../../src/rtp/packet.ts';
import { Bell } from '../../../src/workers/bell.ts';
import { BurstWriter } from '../../../src/workers/burst.ts';
import { milliseconds, toStamp } from '../../../src/workers/clock.ts';
import { BEAT_WORD, type Command, Drop, EGRESS_BELL, layoutShard } from '../../../src/workers/protocol.ts';
import { RingReader, RingWriter } from '../../../src/workers/ring.ts';
import { scenarios } from '../../support/scenario.ts';
import { NO_EVENTS } from '../../support/served.ts';

const test = scenarios('shard');
const MAX_DELAY_MS = 200;

class Listener {
  readonly id: number;
  readonly got: number[] = [];
  answer = true;
  constructor(id: number) {
    this.id = id;
  }
  send(packet: Uint8Array): boolean {
    this.got.push(packet[SENT_HEADER_BYTES]!);
    return this.answer;
  }
}

function setUp(maxDelay = MAX_DELAY_MS) {
  const memory = layoutShard(1 << 16, 1 << 20);
  const { port1, port2 } = new MessageChannel();
  const listeners = [new Listener(0), new Listener(1), new Listener(2)];
  const shard = new Shard(memory, port1, listeners, maxDelay, NO_EVENTS);
  const egress = new RingWriter(memory.egress);
  const now = (): number => toStamp(milliseconds());
  const bursts = new BurstWriter(egress);
  /** A payload of three bytes, of which the first is looked at. */
  const write = (id: number, byte: number, age = 0): boolean => {
    const source = memory.scratch + 1000;
    egress.bytes[source] = byte;
    if (!bursts.begin(source, 3, 1)) return false;
    bursts.add(id, 0, 111, byte, 0, 1);
    bursts.end(1, (now() - age * 1000) | 0);
    egress.publish();
    return true;
  };
  const ring = (): void => port2.postMessage(EGRESS_BELL);
  /** Lets the event loop turn until a condition holds. */
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  };
  const end = (): void => shard.close();
  return { memory, port2, listeners, shard, egress, write, ring, until, end };
}

test('packets go to their receivers in order', async () => {
  const { listeners, shard, write, ring, until, end } = setUp();
  for (let i = 0; i < 90; i++) write(i % 3, i);
  ring();
  await until(() => shard.egress.counts.sent === 90);
  for (const [k, { got }] of listeners.entries())
    equal(
      got,
      Array.from({ length: 30 }, (_, i) => 3 * i + k),
    );
  end();
});

test('packets for a connection that ended, or whose index another one has now, are not delivered', async () => {
  const { listeners, shard, write, ring, until, end } = setUp();
  write(1 | (1 << 16), 1);
  write(40, 2);
  write(1, 3);
  ring();
  await until(() => shard.egress.counts.sent === 1);
  is(shard.egress.counts.stale, 2);
  equal(listeners[1]!.got, [3]);
  end();
});

test('what has gathered goes to one receiver after the other, and to each in order', async () => {
  const { listeners, shard, write, ring, until, end } = setUp();
  const served: string[] = [];
  for (const [k, listener] of listeners.entries()) {
    listener.send = (packet) => {
      served.push(`${k}:${packet[SENT_HEADER_BYTES]}`);
      return true;
    };
  }
  for (let i = 0; i < 3; i++) for (const to of [2, 0, 1]) write(to, i);
  ring();
  await until(() => shard.egress.counts.sent === 9);
  equal(served, ['2:0', '2:1', '2:2', '0:0', '0:1', '0:2', '1:0', '1:1', '1:2']);
  end();
});

test('each packet has the payload and the fields of its own burst', async () => {
  const { memory, shard, listeners, egress, ring, until, end } = setUp();
  const packets: string[] = [];
  for (const listener of listeners) {
    listener.send = (packet) => {
      packets.push(Buffer.from(packet).toString('hex'));
      return true;
    };
  }
  const bursts = new BurstWriter(egress);
  for (const [csrc, payload] of [
    [0x0a, [1, 2, 3, 4, 5]],
    [0x0b, [9]],
  ] as const) {
    egress.bytes.set(payload, memory.scratch + 1000);
    bursts.begin(memory.scratch + 1000, payload.length, 2);
    bursts.add(0, 1, 111, 0x1234, 0x01020304, 0x11111111);
    bursts.add(1, 0, 96, 0x4321, -1, -2);
    bursts.end(csrc, toStamp(milliseconds()));
  }
  egress.publish();
  ring();
  await until(() => shard.egress.counts.sent === 4);
  equal(packets, [
    '81ef12340102030411111111' + '0000000a' + '0102030405',
    '81ef12340102030411111111' + '0000000b' + '09',
    '81604321fffffffffffffffe' + '0000000a' + '0102030405',
    '81604321fffffffffffffffe' + '0000000b' + '09',
  ]);
  end();
});

test('what the library does not take is counted', async () => {
  const { listeners, shard, write, ring, until, end } = setUp();
  listeners[0]!.answer = false;
  write(0, 1);
  write(1, 2);
  ring();
  await until(() => shard.egress.counts.sent === 1);
  is(shard.egress.counts.failed, 1);
  end();
});

test('packets that waited for too long are dropped, fresh ones behind them are sent', async () => {
  const { listeners, shard, write, ring, until, end } = setUp();
  write(0, 1, MAX_DELAY_MS + 50);
  write(0, 2, MAX_DELAY_MS / 2);
  write(0, 3);
  ring();
  await until(() => shard.egress.counts.sent === 2);
  is(shard.egress.counts.late, 1);
  equal(listeners[0]!.got, [2, 3]);
  end();
});

/** More bursts, and more packets, than are brought into order at a time. */
for (const [bursts, receivers] of [
  [2000, 1],
  [300, 32],
] as const) {
  test(`${bursts} bursts for ${receivers} each are sent in several turns of the event loop, whole and in order`, async () => {
    // However slow the machine is.
    const { memory, listeners, shard, egress, ring, until, end } = setUp(60_000);
    const total = bursts * receivers;
    const got = listeners.map((): string[] => []);
    for (const [k, listener] of listeners.entries()) {
      listener.send = (packet) => {
        got[k]!.push(
          Buffer.from(packet.subarray(2, 4)).toString('hex') + Buffer.from(packet.subarray(-4)).toString('hex'),
        );
        return true;
      };
    }
    const expected = listeners.map((): string[] => []);
    const writer = new BurstWriter(egress);
    const payload = Buffer.alloc(4);
    for (let i = 0; i < bursts; i++) {
      payload.writeUInt32BE((i * 2_654_435_761) >>> 0);
      egress.bytes.set(payload, memory.scratch + 1000);
      ok(writer.begin(memory.scratch + 1000, payload.length, receivers));
      for (let k = 0; k < receivers; k++) {
        const to = k % listeners.length;
        const sequence = (i * receivers + k) & 0xffff;
        writer.add(to, 0, 111, sequence, 0, 1);
        expected[to]!.push(sequence.toString(16).padStart(4, '0') + payload.toString('hex'));
      }
      writer.end(1, toStamp(milliseconds()));
    }
    egress.publish();
    const turns = new Set<number>();
    ring();
    await until(() => {
      turns.add(shard.egress.counts.sent);
      return shard.egress.counts.sent === total;
    });
    ok(turns.size >= total / 256, `${turns.size} turns`);
    equal(got, expected);
    end();
  });
}

test('one bell is enough for packets that are written while the pump runs', async () => {
  const { listeners, shard, write, ring, until, end } = setUp();
  const send = listeners[0]!.send.bind(listeners[0]);
  listeners[0]!.send = (packet) => {
    if (packet[SENT_HEADER_BYTES]! < 5) write(0, packet[SENT_HEADER_BYTES]! + 1);
    return send(packet);
  };
  write(0, 1);
  ring();
  await until(() => shard.egress.counts.sent === 5);
  equal(listeners[0]!.got, [1, 2, 3, 4, 5]);
  end();
});

test('a connection has left once all that was written for it before has been sent', async () => {
  const { listeners, shard, port2, egress, write, until, end } = setUp();
  const commands: Command[] = [];
  port2.on('message', (command: Command) => commands.push(command));
  let left = -1;
  shard.leave(0, () => {
    left = listeners[0]!.got.length;
  });
  await until(() => commands.length === 1);
  equal(commands, [{ type: 'leave', connection: 0, position: 0 }]);
  for (let i = 0; i < 600; i++) write(0, i);
  port2.postMessage({ type: 'left', connection: 0, position: egress.position });
  await until(() => left >= 0);
  is(left, 600);
  end();
});

test('a publisher’s packet reaches the ring with its time', () => {
  const { memory, shard, end } = setUp();
  const reader = new RingReader(memory.ingress);
  const before = toStamp(milliseconds());
  ok(shard.push(7, Uint8Array.of(1, 2, 3)));
  reader.next();
  equal([reader.id, reader.length], [7, 3]);
  ok(reader.stamp >= before && reader.stamp - before < 1_000_000);
  end();
});

test('a worker’s end: what it published is sent, whoever was leaving has left, its packets are gone, its last words are void', async () => {
  const { memory, listeners, shard, port2, egress, write, until, end } = setUp();
  const left: string[] = [];
  shard.leave(1, () => left.push(`1 after ${listeners[0]!.got.length}`));
  shard.leave(2, () => left.push(`2 after ${listeners[0]!.got.length}`));
  for (let i = 0; i < 400; i++) write(0, i);
  port2.postMessage({ type: 'left', connection: 1, position: egress.position });
  for (let i = 0; i < 400; i++) write(0, i);
  // Written, and never handed over.
  const bursts = new BurstWriter(egress);
  bursts.begin(memory.scratch + 1000, 3, 1);
  bursts.add(0, 0, 111, 1, 0, 1);
  bursts.end(1, toStamp(milliseconds()));
  for (let i = 0; i < 7; i++) shard.push(0, Uint8Array.of(i));
  port2.postMessage({ type: 'left', connection: 1, position: 0 });
  // Its last act was to take the bell.
  new Bell(memory.memory, memory.mainBell).claim();

  const fresh = new MessageChannel();
  is(shard.replaceWorker(fresh.port1), 7);
  equal(left, [], 'nobody is let go of while the new worker is being told');
  shard.push(0, Uint8Array.of(9));
  const reader = new RingReader(memory.ingress);
  is(memory.ingress.memory, memory.memory);
  is(reader.bytes[reader.next()], 9);
  is(shard.counter(Drop.WorkerEnded), 7);
  await until(() => left.length === 2);
  equal(left, ['1 after 800', '2 after 800']);
  is(shard.egress.counts.sent, 800);

  const commands: Command[] = [];
  fresh.port2.on('message', (command: Command) => commands.push(command));
  shard.leave(1, () => left.push('1 again'));
  await until(() => commands.length === 1);
  const next = new RingWriter(memory.egress);
  is(next.position, shard.egress.position);
  const again = new BurstWriter(next);
  next.bytes[memory.scratch + 1000] = 77;
  again.begin(memory.scratch + 1000, 3, 1);
  again.add(0, 0, 111, 1, 0, 1);
  again.end(1, toStamp(milliseconds()));
  next.publish();
  if (new Bell(memory.memory, memory.mainBell).claim()) fresh.port2.postMessage(EGRESS_BELL);
  await until(() => shard.egress.counts.sent === 801);
  is(listeners[0]!.got.at(-1), 77);
  equal(left.length, 2);
  fresh.port2.postMessage({ type: 'left', connection: 1, position: next.position });
  await until(() => left.length === 3);
  fresh.port2.close();
  end();
});

test('a packet that is written while main arms its bell is sent without the bell', async () => {
  const { listeners, write, ring, until, end } = setUp();
  const { arm } = Bell.prototype;
  Bell.prototype.arm = function (this: Bell) {
    arm.call(this);
    Bell.prototype.arm = arm;
    // The worker published it just after main's last look, and rang before main was about to sleep.
    write(0, 2);
  };
  write(0, 1);
  ring();
  await until(() => listeners[0]!.got.length === 2);
  equal(listeners[0]!.got, [1, 2]);
  end();
});

test('bells during a pump start no second pump', async () => {
  const { memory, listeners, shard, egress, write, ring, until, end } = setUp(60_000);
  // More than one turn's worth.
  for (let i = 0; i < 700; i++) write(0, i);
  const counts: number[] = [];
  for (let i = 0; i < 20; i++) ring();
  await until(() => {
    if (counts.at(-1) !== shard.egress.counts.sent) counts.push(shard.egress.counts.sent);
    return shard.egress.counts.sent === 700;
  });
  ok(counts.includes(256) && counts.includes(512), `${counts}`);
  is(listeners[0]!.got.length, 700);
  is(new RingReader(memory.egress).empty, true);
  is(egress.fill, 0);
  end();
});

test('a burst that waited too long counts with all its packets', async () => {
  const { memory, shard, egress, ring, write, until, end } = setUp();
  const bursts = new BurstWriter(egress);
  bursts.begin(memory.scratch + 1000, 3, 3);
  for (const to of [0, 1, 2]) bursts.add(to, 0, 111, 1, 0, 1);
  bursts.end(1, (toStamp(milliseconds()) - (MAX_DELAY_MS + 50) * 1000) | 0);
  egress.publish();
  write(0, 1);
  ring();
  await until(() => shard.egress.counts.sent === 1);
  is(shard.egress.counts.late, 3);
  end();
});

test('the worker is told of each command by its count and its bell', () => {
  const { memory, shard, end } = setUp();
  const commands = new Int32Array(memory.memory, memory.commands, 1);
  const bell = new Bell(memory.memory, memory.workerBell);
  bell.arm();
  shard.mute(1, true);
  is(commands[0], 1);
  is(bell.claim(), false, 'it was rung');
  shard.mute(1, false);
  is(commands[0], 2);
  end();
});

test('a packet that may wait wakes the worker only if it was not woken within 40 ms', () => {
  const { memory, shard, end } = setUp();
  const bell = new Bell(memory.memory, memory.workerBell);
  const packet = new Uint8Array(40);
  /** Whether a packet wakes the worker. */
  const rings = (stamp: number, wakes: boolean): boolean => {
    bell.arm();
    ok(shard.push(1, packet, stamp, wakes));
    return !bell.claim();
  };
  const begin = 0x7fff_ff00;
  ok(rings(begin, true));
  equal([rings(begin + 100, false), rings((begin + 39_998) | 0, false)], [false, false]);
  ok(rings((begin + 40_000) | 0, false));
  is(rings((begin + 79_998) | 0, false), false);
  ok(rings((begin + 79_998) | 0, true));
  is(rings((begin + 119_997) | 0, false), false);
  ok(rings((begin + 2 ** 31 + 100_000) | 0, false), 'after more than half of what stamps tell apart, 36 minutes');
  end();
});

test('while it is held the worker does not wake the event loop, and what it wrote is sent by a flush', () => {
  const { memory, listeners, shard, write, end } = setUp();
  const bell = new Bell(memory.memory, memory.mainBell);
  shard.hold();
  write(1, 5);
  equal([bell.claim(), shard.ready], [false, true]);
  shard.flush();
  equal([listeners[1]!.got, shard.ready, shard.pumping], [[5], false, false]);
  ok(bell.claim(), 'it may wake the event loop again');
  end();
});

test('a worker’s age is that of its latest beat, and never less than nothing', () => {
  const { memory, shard, end } = setUp();
  const beat = new Int32Array(memory.memory, memory.counters)[BEAT_WORD]!;
  is(shard.beat, beat);
  is(shard.beatAge(beat + 5000), 5000);
  is(shard.beatAge(beat - 1000), 0);
  end();
});

test('a packet for the first index that no connection can have is not delivered', async () => {
  const { listeners, shard, write, ring, until, end } = setUp();
  write(listeners.length, 1);
  write(listeners.length - 1, 2);
  ring();
  await until(() => shard.egress.counts.sent === 1);
  is(shard.egress.counts.stale, 1);
  end();
});

test('one packet in sixteen is timed', async () => {
  const { shard, write, ring, until, end } = setUp(60_000);
  for (let i = 0; i < 40; i++) write(i % 3, i);
  ring();
  await until(() => shard.egress.counts.sent === 40);
  is(shard.egress.forwardTime.count, 2);
  is(shard.egress.forwardBuckets.cumulative().at(-1), 2);
  end();
});

test('a leave is finished once, however often workers report it or end', async () => {
  const { shard, port2, until, end } = setUp();
  const left: number[] = [];
  for (const connection of [0, 1, 2]) shard.leave(connection, () => left.push(connection));
  for (const connection of [0, 0, 1]) port2.postMessage({ type: 'left', connection, position: 0 });
  await until(() => left.length === 2);
  const fresh = [new MessageChannel(), new MessageChannel()];
  for (const { port1 } of fresh) shard.replaceWorker(port1);
  await until(() => left.length >= 3);
  // Another round of the pump, in which anything that is left would be finished.
  fresh[1]!.port2.postMessage(EGRESS_BELL);
  shard.leave(1, () => left.push(9));
  fresh[1]!.port2.postMessage({ type: 'left', connection: 1, position: 0 });
  await until(() => left.includes(9));
  equal(left, [0, 1, 2, 9]);
  for (const { port2: port } of fresh) port.close();
  end();
});

test.run();
