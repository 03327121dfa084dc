/** Medians and percentiles of measured values. */

/** Returns a percentile of values in any order; 0 if there are none. @param share 0 … 1. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** One row of the benchmark's table. */
export interface Row {
  readonly what: string;
  readonly figure: string;
  /** What it should be; empty if it is only told. */
  readonly goal: string;
  /** Whether the goal is met; null without one. */
  readonly met: boolean | null;
}

/** Prints rows as a table in Markdown. */
export function printRows(title: string, rows: readonly Row[]): void {
  console.log(`\n${title}\n\n| What | Figure | Goal | |\n| --- | --- | --- | --- |`);
  for (const { what, figure, goal, met } of rows) {
    console.log(`| ${what} | ${figure} | ${goal} | ${met === null ? '' : met ? 'met' : '**missed**'} |`);
  }
}

/** Returns a row that tells a figure, and compares it with the most that it should be. */
export function row(what: string, value: number, unit: string, most: number | null = null, digits = 1): Row {
  const figure = `${value.toFixed(digits)}${unit}`;
  return { what, figure, goal: most === null ? '' : `≤ ${most}${unit}`, met: most === null ? null : value <= most };
}

/** Returns a row that only tells something. */
export function told(what: string, ...values: readonly (number | string)[]): Row {
  const figures = values.map((value) => (typeof value === 'string' ? value : value.toFixed(3)));
  return { what, figure: figures.join(' / '), goal: '', met: null };
}

/** Shows what is being done now, on a terminal; an empty text removes it. */
export function say(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
