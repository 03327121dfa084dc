/**
 * Packets that waited in front of a main thread that stood still. The library receives on threads of its own, so what
 * clients send meanwhile gathers there, and then comes at once, without a sign of its age. Forwarded, it would be heard as
 * seconds of delay that receivers take long to get rid of; so it is late as a whole.
 */
import { performance } from 'node:perf_hooks';

/** How often main is asked for a turn, milliseconds. */
const INTERVAL_MS = 100;
/** After a stall the library may still be working its own way through what the kernel has kept; milliseconds. */
const GRACE_MS = 100;

export class StallWatch {
  private readonly limit: number;
  private readonly clock: () => number;
  private lastTurn: number;
  private lateUntil = Number.NEGATIVE_INFINITY;

  /** @param maxDelay how long packets may wait, milliseconds. @param clock milliseconds. */
  constructor(maxDelay: number, clock: () => number = () => performance.now()) {
    // A turn may come a whole interval after the last, and be a little late.
    this.limit = maxDelay + 2 * INTERVAL_MS;
    this.clock = clock;
    this.lastTurn = clock();
  }

  /** Begins to watch, for as long as the process lives. */
  start(): void {
    setInterval(() => this.turn(), INTERVAL_MS).unref();
  }

  /** Whether what comes in now has waited for too long. */
  get late(): boolean {
    const now = this.clock();
    return now < this.lateUntil || this.stalled(now);
  }

  /** Main has a turn. */
  turn(): void {
    const now = this.clock();
    if (this.stalled(now)) this.lateUntil = now + GRACE_MS;
    this.lastTurn = now;
  }

  private stalled(now: number): boolean {
    return now - this.lastTurn > this.limit;
  }
}
