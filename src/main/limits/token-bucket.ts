/** So many at once, so many a second in the long run. */
import { Gcra } from './gcra.ts';

/** A token that has come but for this is there, milliseconds: sums of fractions are not exact. */
const ROUNDING_MS = 1e-3;

export class TokenBucket {
  private readonly gcra: Gcra;
  private readonly msPerToken: number;

  constructor(burst: number, perSecond: number) {
    this.msPerToken = 1000 / perSecond;
    this.gcra = new Gcra((burst - 1) * this.msPerToken + ROUNDING_MS);
  }

  /**
   * Takes one token, or as many as something costs. That may be more than there are, and the next one waits longer.
   *
   * @param now milliseconds of a clock that never goes back.
   * @returns false if there is none.
   */
  take(now: number, cost = 1): boolean {
    return this.gcra.take(now, cost * this.msPerToken);
  }
}
