/**
 * Turns the counts of workers and their egress into totals that only grow. Words of shared memory wrap at 2^32, and a
 * shard that takes the place of another begins at 0. So the differences between two readings are added up. Read often
 * enough that no word can wrap twice; once a minute is plenty.
 */
import { COUNTER_WORDS } from '../../../workers/protocol.ts';
import type { Histogram } from '../../histogram.ts';
import { type EgressCounts, FORWARD_BOUNDS } from '../../media/egress.ts';
import type { Traffic } from '../../media/traffic.ts';

/** The counts of a worker. */
export interface CountingShard {
  /** Returns a counter modulo 2^32. @param index of `Drop` or `Count`. */
  counter(index: number): number;
  readonly corrupt: number;
  readonly egress: {
    readonly counts: Readonly<EgressCounts>;
    readonly traffic: Pick<Traffic, 'bytes'>;
    readonly forwardBuckets: Pick<Histogram, 'cumulative' | 'sum'>;
  };
}

/** Indexes of further totals, after those of `Drop` and `Count`. */
export const Total = {
  Sent: COUNTER_WORDS,
  Stale: COUNTER_WORDS + 1,
  Failed: COUNTER_WORDS + 2,
  Late: COUNTER_WORDS + 3,
  Bytes: COUNTER_WORDS + 4,
  Corrupt: COUNTER_WORDS + 5,
  ForwardSum: COUNTER_WORDS + 6,
  /** The first of the cumulative buckets. */
  Forward: COUNTER_WORDS + 7,
} as const;
const TOTALS = Total.Forward + FORWARD_BOUNDS.length + 1;

interface Account {
  shard: CountingShard;
  readonly last: Float64Array;
  readonly totals: Float64Array;
}

export class WorkerTotals {
  private readonly accounts: Account[] = [];
  private readonly now = new Float64Array(TOTALS);

  /** Reads the counts. @param shards by worker. A shard that is another object than before began at 0. */
  look(shards: readonly CountingShard[]): void {
    shards.forEach((shard, worker) => void this.lookAt(worker, shard));
  }

  /** Returns a total of one worker. */
  of(worker: number, index: number): number {
    return this.accounts[worker]?.totals[index] ?? 0;
  }

  /** Returns a total of all workers. */
  sum(index: number): number {
    return this.accounts.reduce((sum, { totals }) => sum + totals[index]!, 0);
  }

  private lookAt(worker: number, shard: CountingShard): void {
    let account = this.accounts[worker];
    if (account === undefined) {
      account = { shard, last: new Float64Array(TOTALS), totals: new Float64Array(TOTALS) };
      this.accounts[worker] = account;
    }
    if (account.shard !== shard) {
      // The old one's counts since the previous reading are still in its memory.
      this.add(account);
      account.last.fill(0);
      account.shard = shard;
    }
    this.add(account);
  }

  private add({ shard, last, totals }: Account): void {
    const { now } = this;
    read(shard, now);
    for (let i = 0; i < TOTALS; i++) {
      const difference = now[i]! - last[i]!;
      totals[i]! += i < COUNTER_WORDS ? difference >>> 0 : difference;
      last[i] = now[i]!;
    }
  }
}

function read(shard: CountingShard, into: Float64Array): void {
  const { counts, traffic, forwardBuckets } = shard.egress;
  for (let i = 0; i < COUNTER_WORDS; i++) into[i] = shard.counter(i);
  into[Total.Sent] = counts.sent;
  into[Total.Stale] = counts.stale;
  into[Total.Failed] = counts.failed;
  into[Total.Late] = counts.late;
  into[Total.Bytes] = traffic.bytes;
  into[Total.Corrupt] = shard.corrupt;
  into[Total.ForwardSum] = forwardBuckets.sum;
  into.set(forwardBuckets.cumulative(), Total.Forward);
}
