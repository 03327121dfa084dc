/**
 * The one mechanism behind every rate here: the generic cell rate algorithm (ITU-T I.371, annex A), a token bucket that
 * keeps nothing but a time. It allocates nothing.
 *
 * Times are numbers of any clock that never goes back, in any unit; the costs are in the same.
 */
export class Gcra {
  private readonly tolerance: number;
  /** When everything that was taken would have come at the rate. */
  private until = Number.NEGATIVE_INFINITY;

  /** @param tolerance how far {@link until} may lie ahead of the time for one more to be taken. */
  constructor(tolerance: number) {
    this.tolerance = tolerance;
  }

  /** Whether one more would be taken, whatever it costs. */
  admits(now: number): boolean {
    return !(this.until - now > this.tolerance);
  }

  /** Takes into account what was admitted. @param cost the time in which as much would come at the rate. */
  charge(now: number, cost: number): void {
    this.until = Math.max(this.until, now) + cost;
  }

  /** Takes one more. @returns false if it is one too many, which costs nothing. */
  take(now: number, cost: number): boolean {
    if (!this.admits(now)) return false;
    this.charge(now, cost);
    return true;
  }
}
