/** `npm run gateway` as a process. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../demo/gateway-command.js', import.meta.url));
const children = new Set<number>();
process.on('exit', () => {
  for (const pid of children) process.kill(-pid, 'SIGKILL');
});

export interface RunningGateway {
  /** URL of the API, as the gateway prints it for the browser client; empty if it ended instead. */
  readonly api: string;
  /** What it has printed. */
  readonly lines: readonly string[];
  /** Sends SIGINT, as Ctrl-C does, and resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** Starts the gateway on a free port, and waits until it serves or has ended. */
export async function startGatewayCommand(args: readonly string[]): Promise<RunningGateway> {
  const child = spawn(process.execPath, [MAIN, '--port=0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const group = child.pid!;
  children.add(group);
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  void exited.then(() => children.delete(group));
  const lines: string[] = [];
  const api = new Promise<string>((resolve) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        lines.push(line);
        const url = /VoiceClient\(\{ url: '([^']+)'/.exec(line)?.[1];
        if (url !== undefined) resolve(url);
      });
    }
    child.once('close', () => resolve(''));
  });
  const stop = (): Promise<number | null> => {
    if (children.has(group)) process.kill(-group, 'SIGINT');
    return exited;
  };
  return { api: await api, lines, stop };
}
