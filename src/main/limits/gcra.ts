/**
 * The generic cell rate algorithm (ITU-T I.371, annex A), which all rates here rest on. It is a token bucket whose only
 * state is a time, and it allocates nothing.
 *
 * Times may come from any clock that never goes back, in any unit. Costs are in the same unit.
 */
export class Gcra {
  private readonly tolerance: number;
  /** When everything taken so far would have arrived at the rate. */
  private until = Number.NEGATIVE_INFINITY;

  /** @param tolerance how far {@link until} may be ahead of now when something is taken. */
  constructor(tolerance: number) {
    this.tolerance = tolerance;
  }

  /** Whether something may be taken now, whatever it costs. */
  admits(now: number): boolean {
    return !(this.until - now > this.tolerance);
  }

  /** Charges for what was admitted. @param cost the time that it takes to arrive at the rate. */
  charge(now: number, cost: number): void {
    this.until = Math.max(this.until, now) + cost;
  }

  /** Admits and charges. @returns false if it exceeds the rate; then nothing is charged. */
  take(now: number, cost: number): boolean {
    if (!this.admits(now)) return false;
    this.charge(now, cost);
    return true;
  }
}
