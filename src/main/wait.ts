/** Waits for states that cause no event. */
import { setTimeout as sleep } from 'node:timers/promises';
import { milliseconds } from '../workers/clock.ts';

/** How often the state is checked, milliseconds. */
const POLL_MS = 2;

/** The time for a wait; tests replace it. */
export interface Clock {
  /** Returns milliseconds since any moment. Never goes back. */
  now(): number;
  /** Resolves after `duration` milliseconds, or later if the event loop is busy. */
  sleep(duration: number): Promise<unknown>;
}

const CLOCK: Clock = { now: milliseconds, sleep };

/**
 * Waits until a condition holds. It reads the clock after each step, because a step of 2 ms may last 50 ms on a busy
 * event loop.
 *
 * @param timeout longest wait, milliseconds. One turn of the event loop may come on top.
 * @returns whether the condition holds.
 */
export async function until(condition: () => boolean, timeout: number, clock: Clock = CLOCK): Promise<boolean> {
  const deadline = clock.now() + timeout;
  for (;;) {
    // Before the clock is read: the condition may have come true while the event loop was busy.
    if (condition()) return true;
    const left = deadline - clock.now();
    if (!(left > 0)) return false;
    await clock.sleep(Math.min(POLL_MS, left));
  }
}
