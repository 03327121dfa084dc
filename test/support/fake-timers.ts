/** Time that passes when a test says so. */
import type { Cancel, Timers } from '../../src/main/timers.ts';

interface Pending {
  at: number;
  readonly interval: number | null;
  readonly act: () => void;
}

export class FakeTimers implements Timers {
  private time = 0;
  private readonly pending = new Set<Pending>();

  /** Timers that wait. */
  get waiting(): number {
    return this.pending.size;
  }

  now(): number {
    return this.time;
  }

  every(interval: number, act: () => void): Cancel {
    return this.add({ at: this.time + interval, interval, act });
  }

  after(delay: number, act: () => void): Cancel {
    return this.add({ at: this.time + delay, interval: null, act });
  }

  /** Lets time pass, and whatever is due happen in time. */
  pass(duration: number): void {
    const end = this.time + duration;
    for (let next = this.next(end); next !== undefined; next = this.next(end)) {
      this.time = Math.max(this.time, next.at);
      this.run(next, next.at);
    }
    this.time = end;
  }

  /** Lets time pass in which the event loop stands still, as it still does afterwards. */
  standStill(duration: number): void {
    this.time += duration;
  }

  /** Lets time pass in which the event loop stands still; then everything that is due happens once. */
  stall(duration: number): void {
    this.time += duration;
    for (const one of [...this.pending]) if (one.at <= this.time) this.run(one, this.time);
  }

  private add(one: Pending): Cancel {
    this.pending.add(one);
    return () => this.pending.delete(one);
  }

  private next(end: number): Pending | undefined {
    return [...this.pending].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
  }

  private run(one: Pending, at: number): void {
    if (one.interval === null) this.pending.delete(one);
    else one.at = at + one.interval;
    one.act();
  }
}
