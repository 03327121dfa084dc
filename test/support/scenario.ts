import { suite } from 'uvu';
import { report } from './report.ts';

/** Longest a scenario may take before it fails by name, unless it asks for more. Seconds, on an idle machine. */
const DEFAULT_SECONDS = 20;
/**
 * How much longer it gets in fact: the deadline finds what hangs, and a loaded machine is not that. What a promise is
 * about is measured by the scenario itself.
 */
const PATIENCE = 4;
const LEAST_SECONDS = 120;

export interface Scenarios {
  /**
   * Adds a scenario.
   *
   * @param name a sentence that says what holds.
   * @param body fails by throwing.
   * @param seconds what it may take on an idle machine; uvu has no deadlines, and a hanging test would hang the run.
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
  const add = (name: string, body: () => void | Promise<void>, idle = DEFAULT_SECONDS): void => {
    const seconds = Math.max(LEAST_SECONDS, idle * PATIENCE);
    tests(name, async () => {
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not finished after ${seconds} s`)), seconds * 1000);
      });
      await report({ kind: 'begin', name, seconds });
      try {
        await Promise.race([body(), deadline]);
        await report({ kind: 'passed' });
      } catch (error) {
        await report({ kind: 'failed', line: `${title}: ${name}: ${String(error).split('\n', 1)[0]}` });
        throw error;
      } finally {
        clearTimeout(timer);
      }
    });
  };
  const skip = (name: string, why: string): void => {
    console.log(`skipped: ${title}: ${name} (${why})`);
    void report({ kind: 'skipped' });
    tests.skip(name, () => undefined);
  };
  return Object.assign(add, { skip, run: () => tests.run() });
}
