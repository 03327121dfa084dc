/** A token bucket: so many at once, so many a second in the long run. */
export class TokenBucket {
  private readonly burst: number;
  private readonly perSecond: number;
  private tokens: number;
  private last: number;

  /** @param now milliseconds, on the caller's clock. */
  constructor(burst: number, perSecond: number, now: number) {
    this.burst = burst;
    this.perSecond = perSecond;
    this.tokens = burst;
    this.last = now;
  }

  /**
   * Takes one, or as many as something costs: that may be more than there are, and the next one waits for longer.
   *
   * @returns false if there is none.
   */
  take(now: number, cost = 1): boolean {
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.last) * this.perSecond) / 1000);
    this.last = now;
    if (this.tokens < 1) return false;
    this.tokens -= cost;
    return true;
  }
}
