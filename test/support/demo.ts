import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../demo/main.js', import.meta.url));

/** Demos to be ended with the test run, however it ends. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) process.kill(-child.pid!, 'SIGKILL');
});

/** `npm run demo`, as a process of its own. */
export interface RunningDemo {
  /** The one URL that it prints. */
  readonly url: string;
  /** What it has printed so far. */
  readonly lines: readonly string[];
  /** Waits until a line fits, the first one from `after` on. */
  printed(pattern: RegExp, after?: number): Promise<RegExpExecArray>;
  /** Kills the server behind the gateway without a goodbye. */
  killServer(): Promise<void>;
  /** Ctrl-C, and the exit code. */
  stop(): Promise<number | null>;
}

/** Starts the demo on a free port. @param env variables over the ones chosen here. */
export async function startDemo(env: Record<string, string> = {}): Promise<RunningDemo> {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, DEMO_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, which Ctrl-C reaches as a whole.
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
  const [, url] = await printed(/Open\s+(http:\S+)/);
  const killServer = async (): Promise<void> => {
    const pid = lines.findLast((line) => line.includes('the server runs'))!.match(/process (\d+)/)![1];
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
