/**
 * The time of the main thread's event loop. Node takes the rests of `media/rest.ts` for work, because the thread does
 * not return to its loop for them; here they count as idle time.
 */
import { performance } from 'node:perf_hooks';

let rested = 0;

/** Counts a rest. @param milliseconds how long the thread slept. */
export function addRest(milliseconds: number): void {
  rested += milliseconds;
}

/** Returns the time that the event loop was busy since the start, milliseconds. */
export function busyMs(): number {
  return performance.eventLoopUtilization().active - rested;
}

/** Returns the time that it waited for something to happen, milliseconds. */
export function idleMs(): number {
  return performance.eventLoopUtilization().idle + rested;
}

/** Measures from call to call. */
export class LoopUse {
  private busy = busyMs();
  private idle = idleMs();

  /** Returns the share of time since the previous call in which the event loop was busy, 0 … 1. */
  look(): number {
    const [busy, idle] = [busyMs(), idleMs()];
    const [worked, waited] = [busy - this.busy, idle - this.idle];
    this.busy = busy;
    this.idle = idle;
    return worked + waited > 0 ? Math.min(1, Math.max(0, worked / (worked + waited))) : 0;
  }
}
