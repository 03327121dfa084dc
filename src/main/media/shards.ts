/** The worker pool: one piscina thread and one endless task for each shard. The only file that talks to piscina. */
import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { SLOT_WORDS } from '../../rtp/rewriter.ts';
import { layoutShard, SOURCE_WORDS, type WorkerTask } from '../../workers/protocol.ts';
import type { Config } from '../config.ts';
import type { Receiver } from './egress.ts';
import { Shard } from './shard.ts';

const WORKER = new URL('../../workers/worker.js', import.meta.url).href;

type PoolConfig = Pick<
  Config,
  'WORKERS' | 'MAX_CONNECTIONS' | 'MAX_SLOTS' | 'INGRESS_RING_BYTES' | 'EGRESS_RING_BYTES' | 'MAX_DELAY_MS'
>;

export class Shards {
  /** The slot table: `MAX_SLOTS` rows for each connection index. Shared by all workers; see `src/rtp/rewriter.ts`. */
  readonly slots: Int32Array;
  readonly slotsPerConnection: number;
  /** A row of `SourceWord`s for each connection index. Shared by all workers. */
  readonly sources: Int32Array;
  readonly all: readonly Shard[];
  private readonly pool: Piscina;
  private readonly tasks: Promise<unknown>[] = [];

  /**
   * @param receivers by connection index; looked into for every packet.
   * @param failed told if a worker ends by itself, which only a bug can cause.
   */
  constructor(config: PoolConfig, receivers: readonly (Receiver | undefined)[], failed: (error: unknown) => void) {
    this.slotsPerConnection = config.MAX_SLOTS;
    const rows = config.MAX_CONNECTIONS * config.MAX_SLOTS;
    this.slots = new Int32Array(new SharedArrayBuffer(rows * SLOT_WORDS * Int32Array.BYTES_PER_ELEMENT));
    this.sources = new Int32Array(
      new SharedArrayBuffer(config.MAX_CONNECTIONS * SOURCE_WORDS * Int32Array.BYTES_PER_ELEMENT),
    );
    this.pool = new Piscina({
      filename: WORKER,
      minThreads: config.WORKERS,
      maxThreads: config.WORKERS,
      idleTimeout: Number.POSITIVE_INFINITY,
      recordTiming: false,
      atomics: 'disabled',
    });
    this.all = Array.from({ length: config.WORKERS }, () => {
      const memory = layoutShard(config.INGRESS_RING_BYTES, config.EGRESS_RING_BYTES);
      const { port1, port2 } = new MessageChannel();
      const task: WorkerTask = {
        shard: memory,
        slots: this.slots.buffer as SharedArrayBuffer,
        slotsPerConnection: this.slotsPerConnection,
        sources: this.sources.buffer as SharedArrayBuffer,
        port: port2,
      };
      const done: Promise<unknown> = this.pool.run(task, { transferList: [port2] });
      done.catch(failed);
      this.tasks.push(done);
      return new Shard(memory, port1, receivers, config.MAX_DELAY_MS);
    });
  }

  /** Resolves once every worker runs. */
  async whenReady(): Promise<void> {
    await Promise.all(this.all.map((shard) => shard.whenReady()));
  }

  /** Where the next conversation goes. */
  leastLoaded(): Shard {
    return this.all.reduce((least, shard) => (shard.load < least.load ? shard : least));
  }

  /** Ends the workers; what is in their rings is forwarded first. */
  async stop(): Promise<void> {
    for (const shard of this.all) shard.stop();
    await Promise.allSettled(this.tasks);
    for (const shard of this.all) shard.close();
    await this.pool.destroy();
  }
}
