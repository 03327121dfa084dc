/** What becomes of test files that failed while others ran beside them. */
import type { FileRun } from './file-run.ts';

/** If more files than this failed, the machine is not the cause. */
const MOST_AGAIN = 6;

export interface Verdict {
  /** The run of each file that decides about it. */
  readonly final: readonly FileRun[];
  /** Those that failed at first, and passed alone: a fault of the test, or a rare one of the server. */
  readonly unsteady: readonly FileRun[];
}

/**
 * Runs failed files once more, one after another, with nothing beside them. Many tests measure times that a busy machine
 * exceeds by itself.
 *
 * @param runs the first run of every file.
 * @param run runs a file alone, given its first run.
 */
export async function runFailedAgain(
  runs: readonly FileRun[],
  run: (first: FileRun) => Promise<FileRun>,
): Promise<Verdict> {
  const failed = runs.filter(({ failures }) => failures.length > 0);
  if (runs.length === 1 || failed.length > MOST_AGAIN) return { final: runs, unsteady: [] };
  const again = new Map<string, FileRun>();
  for (const first of failed) again.set(first.name, await run(first));
  return {
    final: runs.map((first) => again.get(first.name) ?? first),
    unsteady: failed.filter(({ name }) => again.get(name)!.failures.length === 0),
  };
}
