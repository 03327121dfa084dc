/** What fuzzing broke once, done again from `test/data/crashers`. */

import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { equal, ok } from 'uvu/assert';
import { Egress } from '../../../src/main/media/egress.ts';
import { Shard } from '../../../src/main/media/shard.ts';
import { BELL_BYTES } from '../../../src/workers/bell.ts';
import { BurstWriter } from '../../../src/workers/burst.ts';
import { milliseconds, toStamp } from '../../../src/workers/clock.ts';
import { layoutShard, type ShardMemory } from '../../../src/workers/protocol.ts';
import { NONE, RingReader, RingWriter } from '../../../src/workers/ring.ts';
import { scenarios } from '../../support/scenario.ts';
import { NO_EVENTS } from '../../support/served.ts';

const test = scenarios('crashers');
const DIRECTORY = new URL('../../../../test/data/crashers/', import.meta.url);
const RECORD_HEADER_BYTES = 16;
const BUDGET = 1000;

type Step =
  | readonly ['push', packets: number, bytes: number]
  /** Bursts, honest in all but how many listeners they are for. */
  | readonly ['scribble', bursts: number, payload: number, deliveries: number]
  /** Writes a word of the ring: `src/workers/ring.ts` says which is which. */
  | readonly ['spoil', word: number, value: number]
  | readonly ['read']
  | readonly ['read', 'in order']
  | readonly ['send'];

interface Crasher {
  readonly about: string;
  readonly ring: 'packets' | 'bursts';
  readonly capacity: number;
  readonly steps: readonly Step[];
}

/** One end of a ring of each kind, and the neighbour. */
class Scene {
  private readonly memory: ShardMemory;
  private readonly words: Int32Array;
  private readonly writer: RingWriter;
  private readonly reader: RingReader;
  private readonly egress: Egress;
  private readonly bursts: BurstWriter;
  private readonly sent: number[] = [];
  private pushed = 0;

  constructor({ capacity }: Crasher) {
    this.memory = layoutShard(4096, capacity);
    const location = this.memory.egress;
    this.words = new Int32Array(location.memory, location.base);
    this.writer = new RingWriter(location);
    this.reader = new RingReader(location);
    this.bursts = new BurstWriter(this.writer);
    const receivers = Array.from({ length: 4 }, (_, id) => ({ id, send: () => this.sent.push(id) > 0 }));
    this.egress = new Egress(this.memory, receivers, 60_000);
  }

  take(step: Step): void {
    switch (step[0]) {
      case 'push':
        for (let i = 0; i < step[1]; i++) if (this.writer.push(this.pushed, new Uint8Array(step[2]))) this.pushed++;
        return;
      case 'scribble': {
        const [, bursts, payload, deliveries] = step;
        const record = new Int32Array(1 + ((payload + 3) >> 2) + deliveries * 4);
        record[0] = (deliveries << 16) | payload;
        for (let i = 0; i < bursts; i++)
          ok(this.writer.push(1, new Uint8Array(record.buffer), toStamp(milliseconds())));
        return;
      }
      case 'spoil':
        this.words[step[1]] = step[2];
        return;
      case 'read': {
        const ids = this.read();
        if (step[1] === 'in order')
          equal(
            ids,
            Array.from({ length: this.pushed }, (_, i) => i),
          );
        return;
      }
      case 'send':
        return this.send();
      default:
        step satisfies never;
    }
  }

  /** Two rounds of writing later a ring is as good as new. */
  heals(ring: Crasher['ring']): void {
    for (let round = 0; round < 2; round++) {
      this.writer.push(7, new Uint8Array(8));
      if (ring === 'packets') this.read();
      else this.send();
    }
    if (ring === 'packets') {
      ok(this.writer.push(8, new Uint8Array(8)));
      equal(this.read(), [8]);
      return;
    }
    this.sent.length = 0;
    ok(this.bursts.begin(this.memory.silence, 3, 1));
    this.bursts.add(2, 0, 111, 1, 1, 1);
    this.bursts.end(1, toStamp(milliseconds()));
    this.writer.publish();
    this.send();
    equal(this.sent, [2]);
  }

  private read(): number[] {
    const ids: number[] = [];
    const most = this.memory.egress.capacity / RECORD_HEADER_BYTES;
    while (this.reader.next() !== NONE) {
      ids.push(this.reader.id);
      ok(ids.length <= most, 'the reader comes to an end');
    }
    this.reader.release();
    return ids;
  }

  private send(): void {
    for (let sends = 0; this.egress.send(BUDGET); sends++) ok(sends < 100, 'the way out comes to an end');
  }
}

for (const file of readdirSync(DIRECTORY).sort()) {
  const crasher = JSON.parse(readFileSync(new URL(file, DIRECTORY), 'utf8')) as Crasher;
  test(`${file} breaks nothing any more`, () => {
    const scene = new Scene(crasher);
    for (const step of crasher.steps) scene.take(step);
    scene.heals(crasher.ring);
  });
}

/** The worker's endless task in a thread of its own, whose memory the test can write into. */
const THREAD = `
const { workerData } = require('node:worker_threads');
import(workerData.module).then(({ default: run }) => run(workerData.task));
`;

test('a connection leaves though a neighbour wrote over the head of the ring that it sent through', async () => {
  const memory = layoutShard(4096, 4096);
  const { port1, port2 } = new MessageChannel();
  const table = new SharedArrayBuffer(4096);
  const task = {
    shard: memory,
    slots: table,
    slotsPerConnection: 1,
    sources: table,
    restBell: new SharedArrayBuffer(BELL_BYTES),
    port: port2,
  };
  const module = new URL('../../../src/workers/worker.js', import.meta.url).href;
  let begun: () => void = () => undefined;
  const started = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const shard = new Shard(memory, port1 as never, [], 1000, { ...NO_EVENTS, started: () => begun() });
  const thread = new Worker(THREAD, { eval: true, workerData: { module, task }, transferList: [port2] });
  await started;
  const words = new Int32Array(memory.memory, memory.ingress.base);
  shard.push(1, new Uint8Array(200));
  while (words[16] !== words[0]) await new Promise((resolve) => setTimeout(resolve, 5));
  Atomics.store(words, 0, words[0]! - 64);
  // It looks at the ring after a command.
  shard.mute(1, true);
  while (shard.corrupt === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise<void>((resolve) => shard.leave(1, resolve));
  shard.stop();
  await new Promise((resolve) => thread.once('exit', resolve));
  shard.close();
});

test('a connection has left once the ring out is empty, wherever a neighbour said that it ends', async () => {
  const { port1, port2 } = new MessageChannel();
  const shard = new Shard(layoutShard(4096, 4096), port1 as never, [], 1000, NO_EVENTS);
  const left = new Promise<void>((resolve) => shard.leave(5, resolve));
  port2.postMessage({ type: 'left', connection: 5, position: 4000 });
  await left;
  shard.close();
});

test.run();
