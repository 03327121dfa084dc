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

/** Node's timers. */
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
