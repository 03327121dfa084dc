/**
 * Recognizes packets that waited while the main thread stood still. The library receives on its own threads, so that
 * these packets gather there and then arrive at once, without a sign of their age. Forwarded, they would cause seconds
 * of delay that receivers are slow to remove. So all of them count as late.
 */
import { performance } from 'node:perf_hooks';
import { timers } from '../timers.ts';

/** How often the main thread's turn is checked, milliseconds. */
const INTERVAL_MS = 100;
/** How long the library may take after a stall to read what the kernel has kept, milliseconds. */
const GRACE_MS = 100;

export class StallWatch {
  private readonly limit: number;
  private readonly clock: () => number;
  private lastTurn: number;
  private lateUntil = Number.NEGATIVE_INFINITY;

  /** @param maxDelay how long packets may wait, milliseconds. @param clock returns milliseconds. */
  constructor(maxDelay: number, clock: () => number = () => performance.now()) {
    // A turn may come a whole interval after the last, and be a little late.
    this.limit = maxDelay + 2 * INTERVAL_MS;
    this.clock = clock;
    this.lastTurn = clock();
  }

  /** Watches for as long as the process lives. */
  start(): void {
    timers.every(INTERVAL_MS, () => this.turn());
  }

  /** Whether packets that arrive now have waited too long. */
  get late(): boolean {
    const now = this.clock();
    return now < this.lateUntil || this.stalled(now);
  }

  /** Notes a turn of the main thread. */
  turn(): void {
    const now = this.clock();
    if (this.stalled(now)) this.lateUntil = now + GRACE_MS;
    this.lastTurn = now;
  }

  private stalled(now: number): boolean {
    return now - this.lastTurn > this.limit;
  }
}
