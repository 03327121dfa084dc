/** Waiting for what nothing announces. */
import { setTimeout as sleep } from 'node:timers/promises';
import { milliseconds } from '../workers/clock.ts';

/** Steps in which such a state is looked at, milliseconds. */
const POLL_MS = 2;

/** What time is for whoever waits; tests bring their own. */
export interface Clock {
  /** Milliseconds since whenever; never goes back. */
  now(): number;
  /** Resolves after `duration` milliseconds, or as much later as the event loop is busy. */
  sleep(duration: number): Promise<unknown>;
}

const CLOCK: Clock = { now: milliseconds, sleep };

/**
 * Waits until a condition holds. The time is taken from the clock, for on a busy event loop a step of 2 ms may last 50.
 *
 * @param timeout longest wait, milliseconds; one turn of the event loop is added to it.
 * @returns whether the condition holds.
 */
export async function until(condition: () => boolean, timeout: number, clock: Clock = CLOCK): Promise<boolean> {
  const deadline = clock.now() + timeout;
  for (;;) {
    // Before the clock: what came true while the event loop was busy counts.
    if (condition()) return true;
    const left = deadline - clock.now();
    if (!(left > 0)) return false;
    await clock.sleep(Math.min(POLL_MS, left));
  }
}
