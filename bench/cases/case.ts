/** One measured piece of the packet path. The table, the guard and a profile run the same code. */
export interface Case {
  readonly name: string;
  /** What one operation is: `packet`, `outgoing packet`. */
  readonly unit: string;
  /** Operations in one call of {@link run}; enough to take far longer than the timer's resolution. */
  readonly operations: number;
  run(): void;
}

/** Fails a benchmark that did not do its work: a case must never be fast because it is broken. */
export function assertWork(done: boolean, what: string): void {
  if (!done) throw new Error(`the benchmark is broken: ${what}`);
}
