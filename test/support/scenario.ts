import { suite } from 'uvu';
import { report } from './report.ts';

/** Default time limit of a scenario on an idle machine, seconds. */
const DEFAULT_SECONDS = 20;
/**
 * Factor by which a deadline exceeds the time limit: deadlines are for scenarios that hang, and a loaded machine is
 * slow without hanging. Scenarios measure promised times themselves.
 */
const DEADLINE_FACTOR = 4;
const LEAST_SECONDS = 120;

export interface Scenarios {
  /**
   * Adds a scenario.
   *
   * @param name a sentence that states what holds.
   * @param body fails by throwing.
   * @param seconds time limit on an idle machine. uvu has no deadlines, so a hanging test would hang the run.
   */
  (name: string, body: () => void | Promise<void>, seconds?: number): void;
  /** Reports a scenario as skipped, with the reason on standard output. */
  skip(name: string, why: string): void;
  /** Passes the suite to uvu; call it last. */
  run(): void;
}

/**
 * Creates a uvu suite whose scenarios have deadlines and whose failures carry their names.
 *
 * It offers no `before` hook, because uvu counts a suite whose `before` throws as passed.
 */
export function scenarios(title: string): Scenarios {
  const tests = suite(title);
  const add = (name: string, body: () => void | Promise<void>, idle = DEFAULT_SECONDS): void => {
    const seconds = Math.max(LEAST_SECONDS, idle * DEADLINE_FACTOR);
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
