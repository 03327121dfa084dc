/** Computes pauses between attempts: they double up to a bound, with jitter, so that clients do not retry in step. */
export class Backoff {
  readonly #first: number;
  readonly #most: number;
  readonly #random: () => number;
  #attempts = 0;

  /** @param first @param most in milliseconds. @param random returns a number from 0 up to, but not including, 1. */
  constructor(first: number, most: number, random: () => number = Math.random) {
    this.#first = first;
    this.#most = most;
    this.#random = random;
  }

  /** Consecutive failed attempts. */
  get failures(): number {
    return this.#attempts;
  }

  /**
   * Records a failed attempt.
   *
   * @param atLeast the pause that the server asked for, milliseconds.
   * @returns the pause before the next attempt, milliseconds: half of it is fixed, half random. If the server asked for
   *   more, half as much again is random, because it asked others for the same.
   */
  next(atLeast = 0): number {
    const whole = Math.min(this.#most, this.#first * 2 ** Math.min(this.#attempts++, 30));
    return Math.round(Math.max(atLeast, whole / 2) + (this.#random() * Math.max(atLeast, whole)) / 2);
  }

  /** Starts over with the shortest pause, after a success or when the next attempt is likely to succeed. */
  reset(): void {
    this.#attempts = 0;
  }
}
