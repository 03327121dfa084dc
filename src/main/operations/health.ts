/** Whether the process does its work, and whether it wants more of it. */
import type { Cancel, Timers } from '../timers.ts';

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
  private readonly timers: Timers;
  readonly stop: Cancel;

  constructor(workers: readonly Beating[], timers: Timers) {
    this.workers = workers;
    this.timers = timers;
    this.due = timers.now() + LOOP_INTERVAL_MS;
    this.stop = timers.every(LOOP_INTERVAL_MS, () => this.turned());
  }

  check(): Health {
    const now = this.timers.now();
    const eventLoopStallMs = Math.round(Math.max(...this.stalls, now - this.due, 0));
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

  /** Notes a turn of the event loop. */
  private turned(): void {
    const now = this.timers.now();
    this.stalls[this.turn++ % LOOP_MEMORY] = Math.max(0, now - this.due);
    this.due = now + LOOP_INTERVAL_MS;
  }
}
