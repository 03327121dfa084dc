import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freeUdpPort } from './server.ts';

const MAIN = fileURLToPath(new URL('../../src/main/main.js', import.meta.url));

/** How a process that was expected to end by itself did so. */
export interface Ending {
  readonly code: number | null;
  /** Whole lines, without the last line feed. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
}

export interface LaunchOptions {
  /** Numeric user to run as; only root may choose. */
  readonly uid?: number;
  /** The script to run instead of the built server's. */
  readonly main?: string;
  /** What follows the script on the command line. */
  readonly args?: readonly string[];
}

/** Processes to be ended with the test run, however it ends. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Starts the server with bad circumstances and waits until it gives up. */
export async function launchUntilExit(env: Record<string, string>, options: LaunchOptions = {}): Promise<Ending> {
  const { uid, main = MAIN, args = [] } = options;
  const child = spawn(process.execPath, [main, ...args], {
    env: {
      ...process.env,
      ADMIN_LISTEN: '127.0.0.1:0',
      MEDIA_BIND: '127.0.0.1',
      MEDIA_PORTS: String(await freeUdpPort()),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  children.add(child);
  const texts = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    texts.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    texts.stderr += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  children.delete(child);
  const lines = (text: string): string[] => text.split('\n').slice(0, -1);
  return { code, stdout: lines(texts.stdout), stderr: lines(texts.stderr) };
}
