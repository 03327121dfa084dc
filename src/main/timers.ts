/** Time as an argument, so that tests can bring their own. */
import { milliseconds } from '../workers/clock.ts';

/** Ends a timer; without effect on one that is over. */
export type Cancel = () => void;

export interface Timers {
  /** Milliseconds of the clock that all threads share, with fractions. */
  now(): number;
  /** Acts every so many milliseconds. Does not keep the process alive. */
  every(interval: number, act: () => void): Cancel;
  /** Acts once after so many milliseconds. */
  after(delay: number, act: () => void): Cancel;
}

/** The real ones. */
export const timers: Timers = {
  now: milliseconds,
  every(interval, act) {
    const timer = setInterval(act, interval).unref();
    return () => clearInterval(timer);
  },
  after(delay, act) {
    const timer = setTimeout(act, delay);
    return () => clearTimeout(timer);
  },
};
