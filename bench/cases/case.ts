/** One measured piece of the packet path; the table, the guard and a profile run the same code. */
export interface Case {
  readonly name: string;
  /** What one operation is: `packet`, `outgoing packet`. */
  readonly unit: string;
  /** Operations of one call of {@link run}; enough to stand far above the timer's resolution. */
  readonly operations: number;
  run(): void;
}

/** Fails a benchmark whose work was not done: a case must never be fast because it is broken. */
export function assertWork(done: boolean, what: string): void {
  if (!done) throw new Error(`the benchmark is broken: ${what}`);
}
