/** The report of a soak: lines as things happen, and violations. */
export class Report {
  readonly violations: string[] = [];
  /** Numbers of occurrences, by name. */
  readonly counts = new Map<string, number>();
  private readonly begun = performance.now();
  private readonly quiet: boolean;

  /** @param quiet whether to print violations only. */
  constructor(quiet = false) {
    this.quiet = quiet;
  }

  /** Minutes since the beginning. */
  get minutes(): number {
    return (performance.now() - this.begun) / 60_000;
  }

  tell(text: string): void {
    if (!this.quiet) this.print(text);
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  violated(text: string): void {
    this.violations.push(text);
    this.print(`VIOLATED: ${text}`);
  }

  /** Returns all counts whose names begin with the prefix, in one line. */
  summary(prefix: string): string {
    return [...this.counts]
      .filter(([name]) => name.startsWith(prefix))
      .sort()
      .map(([name, times]) => `${name.slice(prefix.length)} ${times}`)
      .join(', ');
  }

  private print(text: string): void {
    console.log(`${this.minutes.toFixed(1).padStart(5)} min  ${text}`);
  }
}
