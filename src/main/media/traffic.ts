/** Counts packets and bytes without allocating. The numbers outgrow 32 bits within minutes. */
export class Traffic {
  private readonly figures = new Float64Array(2);

  /** Counts packets, one by default. @param bytes the size of all of them. */
  count(bytes: number, packets = 1): void {
    this.figures[0]! += packets;
    this.figures[1]! += bytes;
  }

  get packets(): number {
    return this.figures[0]!;
  }

  get bytes(): number {
    return this.figures[1]!;
  }
}
