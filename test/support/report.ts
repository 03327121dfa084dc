/** What the process of a test file tells the one that started it. */
export type Report =
  /** A scenario begins, which has this long. */
  | { readonly kind: 'begin'; readonly name: string; readonly seconds: number }
  | { readonly kind: 'passed' | 'skipped' }
  | { readonly kind: 'failed'; readonly line: string }
  /** All of them are over. */
  | { readonly kind: 'end' };

/** Tells it, if somebody listens. Resolves once that is on its way. */
export function report(message: Report): Promise<void> {
  if (process.send === undefined) return Promise.resolve();
  return new Promise((resolve) => process.send!(message, () => resolve()));
}
