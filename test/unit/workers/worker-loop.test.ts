/**
 * A worker's loop in the test's own thread, which comes to an end: what it is told, and when it sleeps, is up to the test.
 */
import { MessageChannel } from 'node:worker_threads';
import { equal, is, ok } from 'uvu/assert';
import { openSlot, SLOT_WORDS } from '../../../src/rtp/rewriter.ts';
import { BELL_BYTES, Bell } from '../../../src/workers/bell.ts';
import { BurstReader } from '../../../src/workers/burst.ts';
import { milliseconds } from '../../../src/workers/clock.ts';
import {
  BEAT_WORD,
  COUNTER_WORDS,
  type Command,
  Count,
  EGRESS_BELL,
  layoutShard,
  type Report,
  SOURCE_WORDS,
} from '../../../src/workers/protocol.ts';
import { RingReader, RingWriter } from '../../../src/workers/ring.ts';
import run from '../../../src/workers/worker.ts';
import { rtp } from '../../support/packets.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('worker loop');
const SPEAKER = 0;
const LISTENER = 1;
/** Turns after which a loop that was not told to stop is. */
const MAX_SLEEPS = 50;

/** A speaker and a listener in one conversation, and their worker. */
class Loop {
  readonly shard = layoutShard(1 << 16, 1 << 16);
  readonly counters = new Int32Array(this.shard.memory, this.shard.counters, COUNTER_WORDS);
  readonly ingress = new RingWriter(this.shard.ingress);
  readonly egress = new RingReader(this.shard.egress);
  /** What the worker said, and up to where the egress ring was published then. */
  readonly reports: { readonly report: Report; readonly published: number }[] = [];
  /** How long it slept each time, milliseconds. */
  readonly sleeps: number[] = [];
  readonly restBell = new SharedArrayBuffer(BELL_BYTES);
  private readonly channel = new MessageChannel();
  private readonly slots = new SharedArrayBuffer(2 * SLOT_WORDS * 4);
  private readonly commands = new Int32Array(this.shard.memory, this.shard.commands, 1);
  private sequence = 0;

  constructor() {
    openSlot(new Int32Array(this.slots), LISTENER * SLOT_WORDS, 1, 111, LISTENER, 0, 0);
    const publication = { payloadType: 111, redPayloadType: 0, levelExtension: 0, ssrcs: [] };
    const both = { type: 'join', conversation: 1, muted: false, deafened: false } as const;
    this.tell({ ...both, connection: SPEAKER, user: 1, number: 1, publication, slots: 0 });
    this.tell({ ...both, connection: LISTENER, user: 2, number: 2, publication: null, slots: 1 });
  }

  /** Sends a command without ringing the bell, as one that rings too early does. */
  tell(command: Command): void {
    this.channel.port1.postMessage(command);
    Atomics.add(this.commands, 0, 1);
  }

  /** Puts packets into the ring, without ringing either. */
  speak(packets: number): void {
    for (let i = 0; i < packets; i++) {
      const sequence = this.sequence++;
      ok(this.ingress.push(SPEAKER, rtp({ sequence, timestamp: sequence * 960, ssrc: 5 })));
    }
  }

  /**
   * Runs the worker until it stops.
   *
   * @param arms called each time that it is about to sleep. @param sleeps called each time that it sleeps; it wakes after it.
   */
  run(arms: (time: number) => void, sleeps: (time: number, milliseconds: number) => void = () => undefined): void {
    const { port2 } = this.channel;
    port2.postMessage = (report: Report) => this.reports.push({ report, published: this.egress.published });
    const { arm, sleep } = Bell.prototype;
    let armed = 0;
    Bell.prototype.arm = function (this: Bell) {
      arm.call(this);
      arms(++armed);
    };
    Bell.prototype.sleep = (milliseconds) => {
      this.sleeps.push(milliseconds);
      if (this.sleeps.length === MAX_SLEEPS) this.tell({ type: 'stop' });
      sleeps(this.sleeps.length, milliseconds);
    };
    const { shard, slots } = this;
    const sources = new SharedArrayBuffer(2 * SOURCE_WORDS * 4);
    try {
      run({ shard, slots, slotsPerConnection: 1, sources, restBell: this.restBell, port: port2 });
    } finally {
      Object.assign(Bell.prototype, { arm, sleep });
      this.channel.port1.close();
    }
  }

  /** Bursts that main can read. */
  get bursts(): number {
    const reader = new BurstReader(this.egress);
    let count = 0;
    while (reader.next()) count++;
    return count;
  }
}

test('a command that comes between the last look and the sleep is obeyed at once', () => {
  const loop = new Loop();
  loop.run(() => loop.tell({ type: 'stop' }));
  equal(loop.sleeps, []);
});

test('a packet that comes between the last look and the sleep is forwarded at once', () => {
  const loop = new Loop();
  const forwarded: number[] = [];
  loop.run(
    (time) => {
      if (time === 1) loop.speak(1);
    },
    () => {
      forwarded.push(loop.counters[Count.PacketsOut]!);
      loop.tell({ type: 'stop' });
    },
  );
  equal(forwarded, [1]);
});

/** Runs until the speaker, muted at the first sleep, has been ended by silence. @param slept called after each sleep. */
function runMuted(loop: Loop, slept: () => void = () => undefined): void {
  const wait = new Int32Array(new SharedArrayBuffer(4));
  loop.run(
    () => undefined,
    (time, milliseconds) => {
      if (time === 1) loop.tell({ type: 'mute', connection: SPEAKER, muted: true });
      else if (milliseconds === 1000) loop.tell({ type: 'stop' });
      else Atomics.wait(wait, 0, 0, milliseconds);
      slept();
    },
  );
}

test('an idle worker sleeps for a second; while a voice is ended by silence, for 20 ms between two frames', () => {
  const loop = new Loop();
  loop.speak(1);
  runMuted(loop);
  equal([loop.sleeps[0], loop.sleeps.at(-1)], [1000, 1000]);
  ok(loop.sleeps.length >= 7 && loop.sleeps.slice(1, -1).every((one) => one === 20), `${loop.sleeps}`);
  is(loop.counters[Count.Silence], 5);
  is(loop.bursts, 6, 'each frame was published at once');
});

test('main is woken by frames of silence as by packets', () => {
  const loop = new Loop();
  loop.speak(1);
  const asleep = new Int32Array(loop.shard.memory, loop.shard.mainBell, 1);
  runMuted(loop, () => {
    asleep[0] = 1;
  });
  is(loop.reports.filter(({ report }) => report === EGRESS_BELL).length, 5);
});

test('a packet that nobody hears wakes main neither by a message nor out of a rest', () => {
  const loop = new Loop();
  loop.tell({ type: 'leave', connection: LISTENER, position: loop.ingress.position });
  loop.speak(3);
  const asleep = new Int32Array(loop.shard.memory, loop.shard.mainBell, 1);
  const resting = new Int32Array(loop.restBell, 0, 1);
  asleep[0] = 1;
  resting[0] = 1;
  loop.run(
    () => undefined,
    () => loop.tell({ type: 'stop' }),
  );
  is(loop.counters[Count.PacketsIn], 3);
  equal([asleep[0], resting[0]], [1, 1]);
  is(loop.reports.filter(({ report }) => report === EGRESS_BELL).length, 0);
});

test('main is woken out of a rest instead of by a message, and once', () => {
  const loop = new Loop();
  loop.speak(3);
  const asleep = new Int32Array(loop.shard.memory, loop.shard.mainBell, 1);
  const resting = new Int32Array(loop.restBell, 0, 1);
  const bells: number[][] = [];
  const messages = (): number => loop.reports.filter(({ report }) => report === EGRESS_BELL).length;
  asleep[0] = 1;
  resting[0] = 1;
  loop.run(
    (time) => {
      if (time === 2) loop.speak(1);
    },
    (time) => {
      bells.push([resting[0]!, asleep[0]!, messages()]);
      if (time === 1) resting[0] = 1;
      else loop.tell({ type: 'stop' });
    },
  );
  equal(bells, [
    [0, 0, 1],
    [0, 0, 1],
  ]);
});

test('everything written for a listener is published before the worker reports that it left', () => {
  const loop = new Loop();
  loop.speak(1);
  loop.run((time) => {
    if (time === 1) loop.tell({ type: 'leave', connection: LISTENER, position: loop.ingress.position });
    else loop.tell({ type: 'stop' });
  });
  const left = loop.reports.flatMap(({ report, published }) =>
    typeof report === 'object' && report.type === 'left' ? [{ ...report, published }] : [],
  );
  is(left.length, 1);
  is(left[0]!.position, left[0]!.published);
  is(loop.bursts, 2, 'the packet and the frame of silence that ends it');
});

test('a leave takes effect after the packets that its connection sent before, and later commands wait for it', () => {
  const loop = new Loop();
  loop.speak(200);
  loop.tell({ type: 'leave', connection: SPEAKER, position: loop.ingress.position });
  loop.tell({ type: 'stop' });
  loop.run(() => undefined);
  is(loop.counters[Count.PacketsOut], 200);
});

test('commands other than a leave wait for no packet', () => {
  const loop = new Loop();
  loop.speak(200);
  loop.tell({ type: 'mute', connection: SPEAKER, muted: true });
  loop.tell({ type: 'stop' });
  loop.run(() => undefined);
  is(loop.counters[Count.PacketsOut], 0);
});

test('a leave whose position the ring has lost does not wait for ever', () => {
  const loop = new Loop();
  loop.tell({ type: 'leave', connection: SPEAKER, position: 1000 });
  loop.tell({ type: 'stop' });
  loop.run(() => undefined);
  ok(loop.reports.some(({ report }) => typeof report === 'object' && report.type === 'left'));
});

test('the room of packets that were forwarded is given back', () => {
  const loop = new Loop();
  loop.speak(200);
  loop.tell({ type: 'stop' });
  loop.run(() => undefined);
  is(loop.ingress.fill, 0);
});

test('a worker that wakes without work beats, and counts its time awake without its time asleep', () => {
  const loop = new Loop();
  loop.speak(500);
  const wait = new Int32Array(new SharedArrayBuffer(4));
  let busy = 0;
  let woken = 0;
  loop.run(
    () => undefined,
    (time) => {
      if (time === 2) {
        ok(loop.counters[BEAT_WORD] !== -1);
        const counted = (loop.counters[Count.BusyMicros]! - busy) / 1000;
        const awake = milliseconds() - woken;
        ok(counted <= awake + 1, `${counted} of ${awake} ms`);
        loop.tell({ type: 'stop' });
        return;
      }
      busy = loop.counters[Count.BusyMicros]!;
      loop.counters[BEAT_WORD] = -1;
      Atomics.wait(wait, 0, 0, 200);
      woken = milliseconds();
    },
  );
  ok(busy > 0);
});

test('a worker that never sleeps counts its time awake, too', () => {
  const loop = new Loop();
  loop.speak(500);
  loop.tell({ type: 'stop' });
  loop.run(() => undefined);
  equal(loop.sleeps, []);
  ok(loop.counters[Count.BusyMicros]! > 0);
});

test.run();
