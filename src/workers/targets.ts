/** The slots that carry a source: a list of their rows in the slot table, walked with every packet. */
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

  clear(): void {
    this.count = 0;
  }
}
