/** Counts values in buckets, as a Prometheus histogram does. */

export class Histogram {
  /** Upper bounds, inclusive and ascending, in the base unit. Values above the last one are counted, too. */
  readonly bounds: readonly number[];
  private readonly perUnit: number;
  private readonly limits: Float64Array;
  /** One for each bound, and one for values above the last. */
  private readonly counts: Float64Array;
  private readonly total = new Float64Array(1);

  /** @param perUnit how many units of {@link add} make one base unit: 1e6 for microseconds. */
  constructor(bounds: readonly number[], perUnit: number) {
    this.bounds = bounds;
    this.perUnit = perUnit;
    this.limits = Float64Array.from(bounds, (bound) => bound * perUnit);
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Counts a value. Allocates nothing. */
  add(value: number): void {
    const { limits } = this;
    let bucket = 0;
    while (bucket < limits.length && value > limits[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.total[0]! += value;
  }

  /** Returns the number of values up to each bound, then the number of all, as the exposition format has them. */
  cumulative(): number[] {
    let sum = 0;
    return Array.from(this.counts, (count) => (sum += count));
  }

  /** The sum of the values in the base unit. */
  get sum(): number {
    return this.total[0]! / this.perUnit;
  }
}
