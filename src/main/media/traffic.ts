/** Counts packets and bytes without allocating. The numbers outgrow 32 bits within minutes. */
export class Traffic {
  private readonly figures = new Float64Array(2);

  /** Counts a packet. @param bytes its size. */
  count(bytes: number): void {
    this.figures[0]!++;
    this.figures[1]! += bytes;
  }

  get packets(): number {
    return this.figures[0]!;
  }

  get bytes(): number {
    return this.figures[1]!;
  }
}
