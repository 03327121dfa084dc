/** Messages from the process of a test file to the one that started it. */
export type Report =
  /** A scenario begins, with this deadline. */
  | { readonly kind: 'begin'; readonly name: string; readonly seconds: number }
  | { readonly kind: 'passed' | 'skipped' }
  | { readonly kind: 'failed'; readonly line: string }
  /** All scenarios have ended. */
  | { readonly kind: 'end' };

/** Sends a report to the parent process, if there is one. Resolves once the report is sent. */
export function report(message: Report): Promise<void> {
  if (process.send === undefined) return Promise.resolve();
  return new Promise((resolve) => process.send!(message, () => resolve()));
}
