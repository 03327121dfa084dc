/** The unit tests that can notice a change of a module, and their runs. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Report } from '../support/report.ts';
import { testFiles } from '../support/test-files.ts';

/** The build that this file is a part of. */
export const DIST = fileURLToPath(new URL('../..', import.meta.url));
const ONE_FILE = 'test/support/one-file.js';
/** Every test draws from this seed, so that what survives does so in each run. */
const SEED = process.env['SEED'] ?? '1';
/** Modules are named by imports and, where a thread or a process begins with them, by URLs. */
const NAMED = /['"](\.{1,2}\/[^'"\s]+\.js)['"]/g;

export interface UnitFile {
  /** As in `ring.test.js`. */
  readonly name: string;
  /** Seen from {@link DIST}. */
  readonly path: string;
  /** The modules that it reaches, seen from {@link DIST}, by how far they are: 1 for those that it names itself. */
  readonly reached: ReadonlyMap<string, number>;
}

/** What came of a test file's run. */
export interface UnitRun {
  readonly seconds: number;
  /** The first scenario that failed, or how the process ended; null if all passed. */
  readonly failure: string | null;
  /** It was still running at its deadline. */
  readonly late: boolean;
}

/** Returns all unit tests of the build, those that take long last. */
export function unitFiles(): UnitFile[] {
  const texts = new Map<string, readonly string[]>();
  const namedBy = (path: string): readonly string[] => {
    let named = texts.get(path);
    if (named === undefined) {
      const all = [...readFileSync(path, 'utf8').matchAll(NAMED)].map((match) => resolve(dirname(path), match[1]!));
      named = [...new Set(all)].filter(existsSync);
      texts.set(path, named);
    }
    return named;
  };
  const reach = (path: string): Map<string, number> => {
    const reached = new Map<string, number>();
    let ring = [path];
    for (let distance = 1; ring.length > 0; distance++) {
      ring = [...new Set(ring.flatMap(namedBy))].filter((module) => !reached.has(relative(DIST, module)));
      for (const module of ring) reached.set(relative(DIST, module), distance);
    }
    return reached;
  };
  return testFiles()
    .filter(({ kind }) => kind === 'unit')
    .reverse()
    .map(({ name, path }) => ({ name, path: relative(DIST, path), reached: reach(path) }));
}

/** Process groups of the files that run now. */
const groups = new Set<number>();

/** Ends the files that run now. */
export function endFiles(): void {
  for (const group of groups) end(group);
}

/**
 * Runs a test file until its first failure.
 *
 * @param dist the build that it is to be run in.
 * @param deadline seconds.
 */
export function runUnit(dist: string, { path }: UnitFile, deadline: number): Promise<UnitRun> {
  const begun = performance.now();
  const child = spawn(process.execPath, [resolve(dist, ONE_FILE), resolve(dist, path)], {
    cwd: resolve(dist, '..'),
    env: { ...process.env, SEED },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    detached: true,
  });
  const group = child.pid!;
  groups.add(group);
  let failure: string | null = null;
  let late = false;
  let ended = false;
  const fails = (why: string): void => {
    failure ??= why;
    end(group);
  };
  const timer = setTimeout(() => {
    late = true;
    fails(`not finished after ${deadline.toFixed(0)} s`);
  }, deadline * 1000);
  child.on('message', (message: Report) => {
    if (message.kind === 'failed') fails(message.line);
    ended ||= message.kind === 'end';
  });
  return new Promise((settle) => {
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      end(group);
      groups.delete(group);
      if (!ended || code !== 0) failure ??= `the process ended with ${signal ?? code}`;
      settle({ seconds: (performance.now() - begun) / 1000, failure, late });
    });
  });
}

function end(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}
