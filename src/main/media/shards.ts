/** The worker pool: each shard has one thread of piscina, with one endless task. Only this file uses piscina. */
import { Piscina } from 'piscina';
import { SLOT_WORDS } from '../../rtp/rewriter.ts';
import { BELL_BYTES } from '../../workers/bell.ts';
import { layoutShard, SOURCE_WORDS } from '../../workers/protocol.ts';
import type { Config } from '../config.ts';
import type { Log } from '../log/log.ts';
import { timers } from '../timers.ts';
import type { Receiver } from './egress.ts';
import type { Shard } from './shard.ts';
import { type Served, type Threads, WorkerSupervisor } from './worker-supervisor.ts';

const WORKER = new URL('../../workers/worker.js', import.meta.url).href;

type PoolConfig = Pick<
  Config,
  'WORKERS' | 'MAX_CONNECTIONS' | 'MAX_SLOTS' | 'INGRESS_RING_BYTES' | 'EGRESS_RING_BYTES' | 'MAX_DELAY_MS'
>;

export class Shards {
  /** The slot table: `MAX_SLOTS` rows for each connection index. Shared by all workers; see `src/rtp/rewriter.ts`. */
  readonly slots: Int32Array;
  readonly slotsPerConnection: number;
  /** A row of `SourceWord`s for each index of a participant. Shared by all workers. */
  readonly sources: Int32Array;
  /** One shard for each worker. A shard and its counters go on when its worker is replaced. */
  readonly all: readonly Shard[];
  /** The bell on which main rests between two turns of its event loop. */
  readonly restBell = new SharedArrayBuffer(BELL_BYTES);
  private readonly pool: Piscina;
  private readonly supervisors: readonly WorkerSupervisor[];

  /**
   * @param receivers by connection index. Read for each packet.
   * @param failed called if workers end as soon as they begin, do not start, or cannot be ended.
   * @param sourceRows indexes of participants in all; those from `MAX_CONNECTIONS` on have no slots.
   */
  constructor(
    config: PoolConfig,
    receivers: readonly (Receiver | undefined)[],
    served: Served,
    log: Log,
    failed: (error: Error) => void,
    sourceRows = config.MAX_CONNECTIONS,
  ) {
    this.slotsPerConnection = config.MAX_SLOTS;
    const rows = config.MAX_CONNECTIONS * config.MAX_SLOTS;
    this.slots = new Int32Array(new SharedArrayBuffer(rows * SLOT_WORDS * Int32Array.BYTES_PER_ELEMENT));
    this.sources = new Int32Array(new SharedArrayBuffer(sourceRows * SOURCE_WORDS * Int32Array.BYTES_PER_ELEMENT));
    this.pool = new Piscina({
      filename: WORKER,
      // One spare thread, on which the successor of a worker begins at once. A new thread would take time to start.
      minThreads: config.WORKERS + 1,
      maxThreads: config.WORKERS + 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
      atomics: 'disabled',
    });
    // It has no task at that moment, and the pool starts another one.
    this.pool.on('error', (err) => log.error({ err }, 'an idle worker thread failed'));
    const tables = {
      slots: this.slots.buffer as SharedArrayBuffer,
      slotsPerConnection: this.slotsPerConnection,
      sources: this.sources.buffer as SharedArrayBuffer,
      restBell: this.restBell,
    };
    const threads: Threads = {
      run: (task) => this.pool.run(task, { transferList: [task.port] }),
      find: (id) => this.pool.threads.find(({ threadId }) => threadId === id),
    };
    this.supervisors = Array.from({ length: config.WORKERS }, (_, index) => {
      const task = { shard: layoutShard(config.INGRESS_RING_BYTES, config.EGRESS_RING_BYTES), ...tables };
      const maxDelay = config.MAX_DELAY_MS;
      return new WorkerSupervisor({ index, threads, task, receivers, maxDelay, served, failed, log, timers });
    });
    this.all = this.supervisors.map(({ shard }) => shard);
  }

  /** Number of workers that ended by themselves, or hung, and were replaced. */
  get restarts(): number {
    return this.supervisors.reduce((sum, { restarts }) => sum + restarts, 0);
  }

  /** Resolves once every worker runs. */
  async whenReady(): Promise<void> {
    await Promise.all(this.supervisors.map((supervisor) => supervisor.whenReady()));
  }

  /** Returns the shard for the next conversation. */
  leastLoaded(): Shard {
    return this.all.reduce((least, shard) => (shard.load < least.load ? shard : least));
  }

  /** Ends the workers, which forward the packets in their rings first. */
  async stop(): Promise<void> {
    await Promise.all(this.supervisors.map((supervisor) => supervisor.stop()));
    await this.pool.destroy();
  }
}
