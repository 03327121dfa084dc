import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freeUdpPort } from './server.ts';

const MAIN = fileURLToPath(new URL('../../src/main/main.js', import.meta.url));

/** The end of a process that ended by itself. */
export interface Ending {
  readonly code: number | null;
  /** Complete lines, without line feeds. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
}

export interface LaunchOptions {
  /** Numeric id of the user to run as; only root may choose. */
  readonly uid?: number;
  /** The script to run instead of the built server. */
  readonly main?: string;
  /** Arguments after the script on the command line. */
  readonly args?: readonly string[];
}

/** Processes that are killed when this one exits. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Starts a server that cannot run as configured, and waits until it ends. */
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
