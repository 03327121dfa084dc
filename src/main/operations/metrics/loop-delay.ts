/** Measures how late the event loop runs its timers. */
import { performance } from 'node:perf_hooks';
import { Histogram } from '../../histogram.ts';

/** How often the delay is measured, milliseconds. */
const INTERVAL_MS = 20;
const BOUNDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5];

export class LoopDelay {
  readonly buckets = new Histogram(BOUNDS, 1000);
  private readonly timer: NodeJS.Timeout;
  private due = performance.now() + INTERVAL_MS;

  constructor() {
    this.timer = setInterval(() => this.look(), INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const now = performance.now();
    this.buckets.add(Math.max(0, now - this.due));
    this.due = now + INTERVAL_MS;
  }
}
