import { suite } from 'uvu';

/** Longest a scenario may take before it fails by name, unless it asks for more. Seconds. */
const DEFAULT_SECONDS = 20;

export interface Scenarios {
  /**
   * Adds a scenario.
   *
   * @param name a sentence that says what holds.
   * @param body fails by throwing.
   * @param seconds deadline; uvu has none of its own, and a hanging test would hang the run.
   */
  (name: string, body: () => void | Promise<void>, seconds?: number): void;
  /** Reports a scenario as skipped, with the reason on standard output. */
  skip(name: string, why: string): void;
  /** Hands the suite over to uvu; call it last. */
  run(): void;
}

/**
 * A uvu suite whose scenarios have deadlines and whose failures carry their names.
 *
 * It offers no `before` hook on purpose: uvu counts a suite whose `before` throws as passed.
 */
export function scenarios(title: string): Scenarios {
  const tests = suite(title);
  const add = (name: string, body: () => void | Promise<void>, seconds = DEFAULT_SECONDS): void => {
    tests(name, async () => {
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not finished after ${seconds} s`)), seconds * 1000);
      });
      try {
        await Promise.race([body(), deadline]);
      } finally {
        clearTimeout(timer);
      }
    });
  };
  const skip = (name: string, why: string): void => {
    console.log(`skipped: ${title}: ${name} (${why})`);
    tests.skip(name, () => undefined);
  };
  return Object.assign(add, { skip, run: () => tests.run() });
}
