/** Clock and timers as an argument, so that tests can replace them. */
import { milliseconds } from '../workers/clock.ts';

/** Cancels a timer. Has no effect once the timer is over. */
export type Cancel = () => void;

export interface Timers {
  /** Returns the time of the clock that all threads share, milliseconds with fractions. */
  now(): number;
  /** Calls `act` at each interval, milliseconds. Does not keep the process alive. */
  every(interval: number, act: () => void): Cancel;
  /** Calls `act` once after a delay, milliseconds. */
  after(delay: number, act: () => void): Cancel;
}

/**
 * Calls a function at an interval that it may change.
 *
 * @param first the first interval, milliseconds. @param act returns the interval from then on, milliseconds.
 */
export function repeat(time: Pick<Timers, 'every'>, first: number, act: () => number): void {
  let interval = first;
  const look = (): void => {
    const wanted = act();
    if (wanted === interval) return;
    stop();
    interval = wanted;
    stop = time.every(interval, look);
  };
  let stop = time.every(interval, look);
}

/** Returns the first multiple of an interval after `now`. */
export function nextMultiple(now: number, interval: number): number {
  return (Math.floor(now / interval) + 1) * interval;
}

/**
 * Node's timers. Whatever is due at intervals is due at their multiples, so that it wakes the process together: to wake
 * a process costs far more than what most timers do.
 */
export const timers: Timers = {
  now: milliseconds,
  every(interval, act) {
    let due = nextMultiple(milliseconds(), interval);
    const wait = (): NodeJS.Timeout => setTimeout(turn, Math.max(1, Math.ceil(due - milliseconds()))).unref();
    const turn = (): void => {
      // Node's clock may be a little behind, so the time of this turn need not have come yet.
      due = Math.max(due + interval, nextMultiple(milliseconds(), interval));
      timer = wait();
      act();
    };
    let timer = wait();
    return () => clearTimeout(timer);
  },
  after(delay, act) {
    const timer = setTimeout(act, delay);
    return () => clearTimeout(timer);
  },
};
