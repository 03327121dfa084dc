/** The slots that carry a source: a list of their rows in the slot table, which every packet walks. */
export class Targets {
  rows = new Int32Array(4);
  count = 0;

  add(row: number): void {
    if (this.count === this.rows.length) {
      const grown = new Int32Array(this.rows.length * 2);
      grown.set(this.rows);
      this.rows = grown;
    }
    this.rows[this.count++] = row;
  }

  /** Removes a row if it is in the list. The order of the others may change. */
  remove(row: number): void {
    const at = this.rows.subarray(0, this.count).indexOf(row);
    if (at >= 0) this.rows[at] = this.rows[--this.count]!;
  }

  clear(): void {
    this.count = 0;
  }
}
