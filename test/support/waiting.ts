/** How tests wait, and how they allow for a machine that is busy with other things. */
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Pauses for some milliseconds. Use it only where nothing is to happen, or where the protocol promises the time;
 * wait for everything else with {@link until}.
 */
export { pause };

/** Longest that a test waits for an event that is sure to come, milliseconds: it finds what hangs, not what is slow. */
export const HANG_MS = 120_000;

/** How long {@link until} waits, milliseconds: less than the shortest deadline of a scenario, whose error says less. */
const UNTIL_MS = 100_000;
/** How often it looks, milliseconds. */
const LOOK_MS = 20;

/**
 * Waits until a condition holds, looking at it again and again. Where there is an event to wait for, wait for that.
 *
 * @param what the condition in words, for the error.
 * @param condition returns a falsy value as long as it does not hold.
 * @returns what the condition returned.
 * @throws Error if it does not hold in time.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  { timeout = UNTIL_MS, interval = LOOK_MS }: { timeout?: number; interval?: number } = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeout;
  for (;;) {
    const held = await condition();
    if (held) return held;
    if (performance.now() > deadline) throw new Error(`not within ${timeout / 1000} s: ${what}`);
    await pause(interval);
  }
}

/**
 * Measures a time until it is short enough, a few times at most. A busy machine adds to the time now and then; what the
 * server itself takes, it takes every time.
 *
 * @param limit milliseconds. @returns the shortest time, which is at or above the limit if none was below it.
 */
export async function shortestOf(limit: number, measure: () => Promise<number> | number, tries = 8): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries && shortest >= limit; i++) shortest = Math.min(shortest, await measure());
  return shortest;
}
