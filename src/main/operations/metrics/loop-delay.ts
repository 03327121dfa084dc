/** Measures how late the event loop runs its timers. */
import { Histogram } from '../../histogram.ts';
import { type Cancel, nextMultiple, timers } from '../../timers.ts';

/** How often the delay is measured, milliseconds. */
const INTERVAL_MS = 250;
const BOUNDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5];

export class LoopDelay {
  readonly buckets = new Histogram(BOUNDS, 1000);
  readonly stop: Cancel;

  constructor() {
    let due = nextMultiple(timers.now(), INTERVAL_MS);
    this.stop = timers.every(INTERVAL_MS, () => {
      const now = timers.now();
      this.buckets.add(Math.max(0, now - due));
      due = nextMultiple(Math.max(now, due), INTERVAL_MS);
    });
  }
}
