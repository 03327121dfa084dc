/** `npm run record` as an operator runs it, without the build. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FileEntry } from '../../recorder/part.ts';
import type { Manifest } from '../../recorder/recording.ts';
import { until } from './waiting.ts';

const MAIN = fileURLToPath(new URL('../../recorder/main.js', import.meta.url));
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Runs the recorder to its end. @returns its exit code and what it said. */
export function runRecorder(args: readonly string[]): Promise<{ code: number | null; text: string }> {
  const recorder = new Recorder(args);
  return recorder.exited.then((code) => ({ code, text: recorder.text }));
}

export class Recorder {
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  /** What it has said. */
  text = '';

  constructor(args: readonly string[]) {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.process = child;
    children.add(child);
    child.stderr!.on('data', (data) => {
      this.text += data;
    });
    this.exited = new Promise((resolve) => {
      child.once('close', (code) => {
        children.delete(child);
        resolve(code);
      });
    });
  }

  says(part: string): Promise<unknown> {
    return until(`the recorder says ${part}`, () => this.text.includes(part));
  }

  stop(signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> {
    this.process.kill(signal);
    return this.exited;
  }
}

/** Returns the path of a folder that is not there. */
export function freshFolder(): string {
  return join(mkdtempSync(join(tmpdir(), 'recording-')), 'out');
}

/** Reads the manifest of a recording. */
export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'recording.json'), 'utf8'));
}

/** Returns the one file of a user in a part of a recording. */
export function fileOf(folder: string, userid: string, part = 0): FileEntry & { readonly path: string } {
  const files = manifestOf(folder).parts[part]!.files.filter((file) => file.userid === userid);
  if (files.length !== 1) throw new Error(`${userid} has ${files.length} files`);
  const path = join(folder, files[0]!.file);
  if (!existsSync(path)) throw new Error(`${path} is missing`);
  return { ...files[0]!, path };
}
