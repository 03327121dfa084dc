/** The rests between two turns of the event loop. */
import { Worker } from 'node:worker_threads';
import { equal, is, ok } from 'uvu/assert';
import { idleMs } from '../../../src/main/event-loop.ts';
import { Rest } from '../../../src/main/media/rest.ts';
import { BELL_BYTES } from '../../../src/workers/bell.ts';
import { scenarios } from '../../support/scenario.ts';
import { pause } from '../../support/waiting.ts';

const test = scenarios('rest');

/** The clock goes a hundred times slower than real time, so that a rest of 2 ms lasts 200 ms. */
const slow = (): number => performance.now() / 100;

/** A shard whose worker has written this many packets. */
class FakeShard {
  pumping = false;
  waiting = 0;
  flushed = 0;
  /** When it was flushed last, milliseconds of the slow clock. */
  flushedAt = 0;
  held = false;
  wasHeld = false;
  /** A pump that has more to do than it does at once. */
  endless = false;

  get ready(): boolean {
    return this.waiting > 0;
  }

  hold(): void {
    this.held = true;
  }

  flush(): void {
    if (this.pumping) return;
    this.wasHeld ||= this.held;
    this.held = false;
    if (!this.ready) return;
    this.flushed++;
    this.flushedAt = slow();
    this.pumping = this.endless;
    if (!this.endless) this.waiting = 0;
  }
}

/** @param connections 1,000 make the longest rest. */
function setUp(connections = 1000) {
  const shards = [new FakeShard(), new FakeShard()];
  const bell = new SharedArrayBuffer(BELL_BYTES);
  const rest = new Rest({ bell, shards, connections: () => connections, now: slow });
  /** Lets the event loop turn once. @returns how long that took, milliseconds of the slow clock. */
  const turn = async (): Promise<number> => {
    const begun = slow();
    await new Promise((resolve) => setImmediate(resolve));
    return slow() - begun;
  };
  /** A turn that brings packets. */
  const packets = (): Promise<number> => {
    rest.note();
    rest.note();
    return turn();
  };
  return { shards, bell, rest, turn, packets };
}

test('main rests after a turn with packets that follows another one soon', async () => {
  const { turn, packets, shards } = setUp();
  ok((await packets()) < 1, 'the first one');
  const idle = idleMs();
  ok((await packets()) >= 1.9);
  ok(idleMs() - idle >= 1.5, 'which is no work');
  ok((await turn()) < 1, 'one rest for all of them');
  ok((await packets()) >= 1.9);
  await pause(300);
  ok((await packets()) < 1, 'another one would not have come within a rest');
  equal(
    shards.map(({ held }) => held),
    [false, false],
    'workers may wake the event loop',
  );
});

test('the fewer connections, the shorter the rest', async () => {
  const { packets } = setUp(500);
  await packets();
  const took = await packets();
  ok(took >= 0.9 && took < 1.5, `${took}`);
  const { packets: few } = setUp(0);
  await few();
  ok((await few()) < 1);
});

test('with few connections packets cause no turn of their own', () => {
  for (const [connections, turns] of [
    [49, 0],
    [50, 1],
  ] as const) {
    const { rest } = setUp(connections);
    const { setImmediate: real } = globalThis;
    let asked = 0;
    globalThis.setImmediate = ((callback: () => void) => {
      asked++;
      return real(callback);
    }) as typeof setImmediate;
    try {
      rest.note();
    } finally {
      globalThis.setImmediate = real;
    }
    is(asked, turns);
  }
});

test('what was ready before is sent first, and the rest goes on', async () => {
  const { packets, shards } = setUp();
  await packets();
  shards[1]!.waiting = 3;
  const begun = slow();
  ok((await packets()) >= 1.9);
  ok(shards[1]!.flushedAt - begun < 1);
  equal(
    shards.map(({ flushed }) => flushed),
    [0, 1],
  );
});

test('a shard that goes on in the next turn gets it at once', async () => {
  const { packets, shards } = setUp();
  await packets();
  shards[0]!.endless = true;
  shards[0]!.waiting = 1;
  ok((await packets()) < 1);
  is(shards[0]!.flushed, 1);
  ok((await packets()) < 1, 'nor does main rest while it has more to send');
  is(shards[0]!.flushed, 1);
});

test('a worker wakes main for what is to be sent', async () => {
  const { packets: brings, shards, bell } = setUp();
  const packets = new Int32Array(new SharedArrayBuffer(4));
  // It does what a worker does, once main is asleep.
  const worker = new Worker(
    `const { workerData: { words, packets } } = require('node:worker_threads');
    while (Atomics.load(words, 0) === 0) Atomics.wait(packets, 0, 0, 1);
    Atomics.store(packets, 0, 1);
    if (Atomics.exchange(words, 0, 0) === 1) Atomics.notify(words, 0, 1);`,
    { eval: true, workerData: { words: new Int32Array(bell), packets } },
  );
  await new Promise((resolve) => worker.once('online', resolve));
  Object.defineProperty(shards[0], 'ready', { get: () => Atomics.load(packets, 0) > 0 });
  shards[0]!.endless = true;
  await brings();
  const took = await brings();
  ok(took < 1.9, `it took ${took} ms`);
  equal([shards[0]!.flushed, shards[0]!.wasHeld], [1, true]);
  await worker.terminate();
});

test.run();
