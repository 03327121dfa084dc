/** Bounds bursts, and the rate in the long run. */
import { Gcra } from './gcra.ts';

/** A token counts as available this much early, milliseconds, because sums of fractions are inexact. */
const ROUNDING_MS = 1e-3;

export class TokenBucket {
  private readonly gcra: Gcra;
  private readonly msPerToken: number;

  constructor(burst: number, perSecond: number) {
    this.msPerToken = 1000 / perSecond;
    this.gcra = new Gcra((burst - 1) * this.msPerToken + ROUNDING_MS);
  }

  /**
   * Takes one token, or as many as something costs. If that is more than are available, the next one waits longer.
   *
   * @param now milliseconds of a clock that never goes back.
   * @returns false if no token is available.
   */
  take(now: number, cost = 1): boolean {
    return this.gcra.take(now, cost * this.msPerToken);
  }
}
