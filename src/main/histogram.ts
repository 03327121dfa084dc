/** Values by bucket, as a Prometheus histogram has them. */

export class Histogram {
  /** Upper bounds, inclusive, ascending, in the base unit; what is above the last one is counted, too. */
  readonly bounds: readonly number[];
  private readonly perUnit: number;
  private readonly limits: Float64Array;
  /** One for each bound and one for what is above. */
  private readonly counts: Float64Array;
  private readonly total = new Float64Array(1);

  /** @param perUnit how many of what {@link add} is given make one of the base unit: 1e6 for microseconds. */
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

  /** Values up to each bound, and all of them: as the exposition format wants them. */
  cumulative(): number[] {
    let sum = 0;
    return Array.from(this.counts, (count) => (sum += count));
  }

  /** Sum of the values in the base unit. */
  get sum(): number {
    return this.total[0]! / this.perUnit;
  }
}
