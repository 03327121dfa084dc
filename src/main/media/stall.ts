/**
 * Recognizes packets that waited while the main thread stood still. The library receives on its own threads, so that
 * these packets gather there and then arrive at once, without a sign of their age. Forwarded, they would cause seconds
 * of delay that receivers are slow to remove. So all of them count as late.
 */
import { performance } from 'node:perf_hooks';
import { repeat, type Timers, timers } from '../timers.ts';

/** How often the main thread's turn is checked, and how often while nobody is connected; milliseconds. */
const INTERVAL_MS = 100;
const IDLE_MS = 500;
/**
 * How long the library may take after a stall to read what the kernel has kept: at least this, milliseconds, and a share
 * of the stall, because what stalls for seconds is busy afterwards, and its other threads get their turns later than main.
 */
const GRACE_MS = 100;
const GRACE_SHARE = 0.05;
const LONGEST_GRACE_MS = 400;

export class StallWatch {
  private readonly maxDelay: number;
  private interval = INTERVAL_MS;
  private readonly clock: () => number;
  private lastTurn: number;
  private lateUntil = Number.NEGATIVE_INFINITY;

  /** @param maxDelay how long packets may wait, milliseconds. @param clock returns milliseconds. */
  constructor(maxDelay: number, clock: () => number = () => performance.now()) {
    this.maxDelay = maxDelay;
    this.clock = clock;
    this.lastTurn = clock();
  }

  /** Watches for as long as the process lives. @param connected whether anybody is connected. */
  start(connected: () => boolean, time: Pick<Timers, 'every'> = timers): void {
    repeat(time, this.interval, () => {
      this.turn();
      this.interval = connected() ? INTERVAL_MS : IDLE_MS;
      return this.interval;
    });
  }

  /** Whether packets that arrive now have waited too long. */
  get late(): boolean {
    const now = this.clock();
    return now < this.lateUntil || this.stalled(now);
  }

  /** Notes a turn of the main thread. */
  turn(): void {
    const now = this.clock();
    if (this.stalled(now)) {
      this.lateUntil = now + Math.min(LONGEST_GRACE_MS, GRACE_MS + (now - this.lastTurn) * GRACE_SHARE);
    }
    this.lastTurn = now;
  }

  private stalled(now: number): boolean {
    // A turn may come a whole interval after the last, and be a little late.
    return now - this.lastTurn > this.maxDelay + 2 * this.interval;
  }
}
