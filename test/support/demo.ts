import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The demo's script. */
export const DEMO = fileURLToPath(new URL('../../demo/main.js', import.meta.url));

/** Demos, which are killed when this process exits. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) process.kill(-child.pid!, 'SIGKILL');
});

/** `npm run demo` as a process. */
export interface RunningDemo {
  /** The URL that it prints. */
  readonly url: string;
  /** The lines that it has printed so far. */
  readonly lines: readonly string[];
  /** Waits for the first line, from line `after` on, that matches. */
  printed(pattern: RegExp, after?: number): Promise<RegExpExecArray>;
  /** Kills the server behind the gateway. */
  killServer(): Promise<void>;
  /** Sends SIGINT, as Ctrl-C does, and resolves with the exit code. */
  stop(): Promise<number | null>;
}

/**
 * Starts the demo on a free port.
 *
 * @param env variables that override the ones chosen here.
 * @param args of its command.
 * @param by a program and arguments before its command; none by default.
 */
export async function startDemo(
  env: Record<string, string> = {},
  args: readonly string[] = [],
  by: readonly string[] = [],
): Promise<RunningDemo> {
  const [program, ...others] = [...by, process.execPath, DEMO, ...args];
  const child = spawn(program!, others, {
    env: { ...process.env, DEMO_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // The demo gets a process group of its own, because Ctrl-C reaches a whole group.
    detached: true,
  });
  children.add(child);
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  void exited.then(() => children.delete(child));
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      lines.push(line);
      for (const look of waiting) look();
    });
  }
  const printed = (pattern: RegExp, after = 0): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = lines
          .slice(after)
          .map((line) => pattern.exec(line))
          .find((match) => match !== null);
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      void exited.then((code) => reject(new Error(`the demo ended (${code}):\n${lines.join('\n')}`)));
    });
  const [, url] = await printed(/Open\s+(https?:\S+)/);
  const killServer = async (): Promise<void> => {
    const pid = lines.findLast((line) => line.includes('the server is running'))!.match(/process (\d+)/)![1];
    const after = lines.length;
    process.kill(Number(pid), 'SIGKILL');
    await printed(/SERVER HAS ENDED/, after);
  };
  const stop = (): Promise<number | null> => {
    process.kill(-child.pid!, 'SIGINT');
    return exited;
  };
  return { url: url!, lines, printed, killServer, stop };
}
