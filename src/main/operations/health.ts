/** Checks whether the event loop and the workers keep up. */
import type { Cancel, Timers } from '../timers.ts';

/** How often the event loop's turn is checked, milliseconds. */
const LOOP_INTERVAL_MS = 500;
/** Number of past turns whose delay counts. */
const LOOP_MEMORY = 20;
/** Longest stall of the event loop that is no problem, milliseconds. Bursts of work stay far below. */
const MAX_STALL_MS = 3000;
/** Oldest beat of a worker that is no problem, milliseconds. Even an idle worker beats once a second. */
const MAX_BEAT_AGE_MS = 5000;

/** The part of a worker that shows its health. */
export interface Beating {
  /** Returns the time since its latest turn, milliseconds. @param now time of the clock that all threads share. */
  beatAge(now: number): number;
}

/** The body of `/healthz`. */
export interface Health {
  readonly healthy: boolean;
  /** Longest stall of the event loop within the last ten seconds, milliseconds. */
  readonly eventLoopStallMs: number;
  /** Time since each worker's latest turn, milliseconds. */
  readonly workersBeatMs: readonly number[];
  /** What is wrong, and where to look; empty if nothing is. */
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
