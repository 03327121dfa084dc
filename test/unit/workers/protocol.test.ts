/** What threads share: ids of connections, and where things lie in a worker's memory. */
import { equal, is, ok } from 'uvu/assert';
import { BELL_BYTES } from '../../../src/workers/bell.ts';
import { SILENCE_FRAME } from '../../../src/workers/fades.ts';
import {
  COUNTER_WORDS,
  connectionId,
  connectionIndex,
  layoutShard,
  SCRATCH_BYTES,
  SCRATCHES,
} from '../../../src/workers/protocol.ts';
import { ringBytes } from '../../../src/workers/ring.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('protocol');

test('nothing in the memory of a worker overlaps anything else, and each part begins on a cache line of its own', () => {
  const shard = layoutShard(4096, 8192);
  const parts: [start: number, bytes: number][] = [
    [shard.workerBell, BELL_BYTES],
    [shard.mainBell, BELL_BYTES],
    [shard.commands, 4],
    [shard.counters, COUNTER_WORDS * 4],
    [shard.scratch, SCRATCHES * SCRATCH_BYTES],
    [shard.silence, SILENCE_FRAME.length],
    [shard.ingress.base, ringBytes(4096)],
    [shard.egress.base, ringBytes(8192)],
  ];
  parts.sort(([a], [b]) => a - b);
  for (const [i, [start, bytes]] of parts.entries()) {
    is(start % 64, 0);
    ok(start + bytes <= (parts[i + 1]?.[0] ?? shard.memory.byteLength), `part ${i}`);
  }
});

test('an id has its index, is never negative, and repeats after 2^15 generations', () => {
  equal([connectionId(5, 0), connectionId(5, 1), connectionId(0xffff, 0x7fff)], [5, 65_541, 2 ** 31 - 1]);
  is(connectionId(5, 0x8000), connectionId(5, 0));
  is(connectionIndex(connectionId(0xfffe, 77)), 0xfffe);
});

test.run();
