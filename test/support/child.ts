/** Processes that a test starts beside the server: proxies, stand-ins and containers' commands. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { HANG_MS, pause } from './waiting.ts';

/** Processes that are killed when this one exits. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export interface Child {
  readonly process: ChildProcess;
  /** Lines of standard output and standard error so far. */
  readonly lines: readonly string[];
  readonly exited: Promise<number | null>;
  /** Waits for a line that contains this part. @throws Error if none comes in time. */
  said(part: string): Promise<string>;
  /** Sends a signal, SIGTERM by default, and resolves with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts a process and collects its output line by line. */
export function startChild(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  const lines: string[] = [];
  const looks = new Set<() => void>();
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const look of looks) look();
    });
  }
  const exited = new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      lines.push(String(error));
      resolve(null);
    });
    child.once('exit', (code) => {
      children.delete(child);
      resolve(code);
    });
  });
  const said = (part: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        looks.delete(look);
        reject(new Error(`${command} did not say ${part} (${why}):\n${lines.join('\n')}`));
      };
      const timer = setTimeout(() => fail('in time'), HANG_MS);
      const look = (): void => {
        const line = lines.find((text) => text.includes(part));
        if (line === undefined) return;
        clearTimeout(timer);
        looks.delete(look);
        resolve(line);
      };
      looks.add(look);
      look();
      exited.then((code) => {
        clearTimeout(timer);
        fail(`it ended with ${code}`);
      });
    });
  const stop = (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    child.kill(signal);
    return exited;
  };
  return { process: child, lines, exited, said, stop };
}

/** Returns the path of an installed program, or undefined. */
export function findProgram(name: string): string | undefined {
  // Debian installs servers in folders that are in root's PATH only.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Returns a TCP port that is free at this moment. */
export async function freeTcpPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until a process listens on the port. @throws Error if `child` ends first. */
export async function listens(port: number, child: Child): Promise<void> {
  const ended = child.exited.then(() => 'ended' as const);
  for (;;) {
    const open = new Promise<'open' | 'shut'>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve('open')).once('error', () => resolve('shut'));
      socket.once('connect', () => socket.destroy());
    });
    const state = await Promise.race([open, ended]);
    if (state === 'open') return;
    if (state === 'ended') throw new Error(`it ended before it listened:\n${child.lines.join('\n')}`);
    await pause(20);
  }
}
