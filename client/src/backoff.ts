/** Pauses between attempts: doubled each time, up to a bound, each with jitter, so that clients do not come back in step. */
export class Backoff {
  private readonly first: number;
  private readonly most: number;
  private readonly random: () => number;
  private attempts = 0;

  /** @param first @param most milliseconds. @param random from 0 to below 1. */
  constructor(first: number, most: number, random: () => number = Math.random) {
    this.first = first;
    this.most = most;
    this.random = random;
  }

  /** Attempts that failed in a row. */
  get failures(): number {
    return this.attempts;
  }

  /**
   * An attempt failed.
   *
   * @param atLeast what the server asked for, milliseconds. @returns the pause, milliseconds: half of it is fixed, half random.
   */
  next(atLeast = 0): number {
    const whole = Math.min(this.most, this.first * 2 ** Math.min(this.attempts++, 30));
    return Math.round(Math.max(atLeast, whole / 2) + (this.random() * whole) / 2);
  }

  /** An attempt succeeded, or there is reason to hope anew. */
  reset(): void {
    this.attempts = 0;
  }
}
