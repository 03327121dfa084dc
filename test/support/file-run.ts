/** Runs one test file in a process of its own. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Report } from './report.ts';

/** Longest time without a report before the first scenario, between two, and after a scenario's deadline, seconds. */
const SLACK_SECONDS = 120;
const ENTRY = fileURLToPath(new URL('./one-file.js', import.meta.url));

export interface FileRun {
  readonly name: string;
  readonly passed: number;
  readonly skipped: number;
  /** A line for each failed scenario, and one if the process did not end as it should. */
  readonly failures: readonly string[];
  /** Standard output and standard error. */
  readonly output: string;
  readonly seconds: number;
}

/** Returns the seed of a run's random numbers, if it printed one. */
export function seedOf({ output }: FileRun): string | undefined {
  return /^seed of .*: (\d+)$/m.exec(output)?.[1];
}

/** Process groups of the running files. */
const groups = new Set<number>();

/** Ends the running files and all processes that they started. */
export function endFiles(): void {
  for (const group of groups) signal(group, 'SIGTERM');
}

/**
 * Runs the file. A process that crashes, hangs, ends early or has no scenario counts as a failure.
 *
 * @param seed of its random numbers, if they are to be those of an earlier run.
 */
export function runFile(name: string, path: string, slack = SLACK_SECONDS, seed?: string): Promise<FileRun> {
  const begun = performance.now();
  // The file gets a process group of its own, so that everything that it has started ends with it.
  const child = spawn(process.execPath, [ENTRY, path], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
    env: seed === undefined ? process.env : { ...process.env, SEED: seed },
  });
  const group = child.pid!;
  groups.add(group);
  const said: Buffer[] = [];
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk: Buffer) => said.push(chunk));

  const counts = { passed: 0, skipped: 0 };
  const failures: string[] = [];
  let state = 'while loading';
  let hung = false;
  let watchdog: NodeJS.Timeout | undefined;
  const watch = (seconds: number): void => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => {
      hung = true;
      signal(group, 'SIGKILL');
    }, seconds * 1000);
  };
  watch(slack);
  child.on('message', (message: Report) => {
    watch(message.kind === 'begin' ? slack + message.seconds : slack);
    switch (message.kind) {
      case 'begin':
        state = `in "${message.name}"`;
        break;
      case 'failed':
        failures.push(message.line);
        break;
      case 'end':
        state = 'after its end';
        break;
      case 'passed':
      case 'skipped':
        counts[message.kind]++;
        break;
      default:
        message satisfies never;
    }
  });
  return new Promise((resolve) => {
    child.once('exit', (code, by) => {
      clearTimeout(watchdog);
      // Processes that it left behind would keep its output open.
      signal(group, 'SIGKILL');
      groups.delete(group);
      // uvu's exit code is 1 for scenarios that failed.
      const ended = state === 'after its end' && (code === 0 || (code === 1 && failures.length > 0));
      const end = hung ? 'hung' : by === null ? `ended with ${code}` : `was ended by ${by}`;
      if (!ended) failures.push(`${name} ${end} ${state}`);
      else if (counts.passed + counts.skipped + failures.length === 0) failures.push(`${name} has no scenario`);
    });
    child.once('close', () => {
      const seconds = (performance.now() - begun) / 1000;
      resolve({ name, ...counts, failures, output: Buffer.concat(said).toString(), seconds });
    });
  });
}

function signal(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name);
  } catch {
    // No process of the group is left.
  }
}
