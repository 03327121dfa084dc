/** Whether the process does its work, and whether it wants more of it. */
import { performance } from 'node:perf_hooks';
import { milliseconds } from '../../workers/clock.ts';

/** How often the event loop is asked for a turn, milliseconds. */
const LOOP_INTERVAL_MS = 500;
/** How far back a stall counts, in such turns. */
const LOOP_MEMORY = 20;
/** Longest stall of the event loop that passes for work, milliseconds: an honest burst is far below. */
const MAX_STALL_MS = 3000;
/** Longest silence of a worker, which beats once a second even when it has nothing to do, milliseconds. */
const MAX_BEAT_AGE_MS = 5000;

/** A worker, as far as its health goes. */
export interface Beating {
  /** Since its last turn, milliseconds. @param now of the clock that workers share. */
  beatAge(now: number): number;
}

/** What `/healthz` tells. */
export interface Health {
  readonly healthy: boolean;
  /** Longest that the event loop was kept waiting within the last ten seconds, milliseconds. */
  readonly eventLoopStallMs: number;
  /** Since each worker's last turn, milliseconds. */
  readonly workersBeatMs: readonly number[];
  /** What is wrong, and what to look at; empty if nothing is. */
  readonly problems: readonly string[];
}

export class HealthCheck {
  private readonly workers: readonly Beating[];
  private readonly stalls = new Float64Array(LOOP_MEMORY);
  private turn = 0;
  private due: number;
  private readonly timer: NodeJS.Timeout;
  private readonly now: () => number;

  /** @param now milliseconds. */
  constructor(workers: readonly Beating[], now = () => performance.now()) {
    this.workers = workers;
    this.now = now;
    this.due = now() + LOOP_INTERVAL_MS;
    this.timer = setInterval(() => this.look(), LOOP_INTERVAL_MS).unref();
  }

  check(): Health {
    const eventLoopStallMs = Math.round(Math.max(...this.stalls, this.now() - this.due, 0));
    const now = milliseconds();
    const workersBeatMs = this.workers.map((worker) => Math.round(worker.beatAge(now)));
    const problems: string[] = [];
    if (eventLoopStallMs > MAX_STALL_MS) {
      problems.push(
        `the event loop stood still for ${eventLoopStallMs} ms: the machine is overloaded or was suspended`,
      );
    }
    workersBeatMs.forEach((age, i) => {
      if (age > MAX_BEAT_AGE_MS) problems.push(`worker ${i} has not moved for ${age} ms: its conversations are silent`);
    });
    return { healthy: problems.length === 0, eventLoopStallMs, workersBeatMs, problems };
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Takes note of a turn of the event loop; due every {@link LOOP_INTERVAL_MS}, which its own timer sees to. */
  look(): void {
    const now = this.now();
    this.stalls[this.turn++ % LOOP_MEMORY] = Math.max(0, now - this.due);
    this.due = now + LOOP_INTERVAL_MS;
  }
}
