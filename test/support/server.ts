import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HANG_MS } from './waiting.ts';

const MAIN = fileURLToPath(new URL('../../src/main/main.js', import.meta.url));
const MAX_ATTEMPTS = 3;

/** A server as an operator would start it: a process with an environment, which obeys signals. */
export interface RunningServer {
  readonly port: number;
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** The URL of the operators' listener. */
  readonly adminUrl: string;
  readonly process: ChildProcess;
  /** Lines of standard output so far. */
  readonly logs: string[];
  /** Resolves with the exit code once the process has ended. */
  readonly exited: Promise<number | null>;
  /** Waits until a log line contains all of these parts. @returns that line. */
  logged(...parts: string[]): Promise<string>;
  /** Sends SIGTERM, and resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** Processes that are killed when this one exits. */
const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/**
 * Starts a server on loopback, with a free port for HTTP and another for media.
 *
 * @param env variables that override the ones chosen here.
 * @param preload a module that is loaded before the server's own; the process then has an IPC channel to this one.
 * @param descriptors largest number of file descriptors; 0 for this process's own limit.
 */
export async function startServer(
  env: Record<string, string> = {},
  preload?: URL,
  descriptors = 0,
): Promise<RunningServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(env, preload, descriptors);
    } catch (error) {
      // Another test may have taken the port since it was found free.
      const taken = String(error).includes('EADDRINUSE') && env['MEDIA_PORTS'] === undefined;
      if (!taken || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

async function launch(
  env: Record<string, string>,
  preload: URL | undefined,
  descriptors: number,
): Promise<RunningServer> {
  const command = [process.execPath, ...(preload === undefined ? [] : ['--import', preload.href]), MAIN];
  const limited = ['sh', '-c', 'ulimit -n "$0" && exec "$@"', String(descriptors), ...command];
  const [program, ...args] = descriptors === 0 ? command : limited;
  const child = spawn(program!, args, {
    env: {
      ...process.env,
      LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
      DRAIN_TIMEOUT_MS: '0',
      MEDIA_BIND: '127.0.0.1',
      MEDIA_PORTS: String(await freeUdpPort()),
      LOG_LEVEL: 'info',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe', ...(preload === undefined ? [] : (['ipc'] as const))],
  });
  children.add(child);
  const logs: string[] = [];
  const waiting = new Set<() => void>();
  const collect = (line: string): void => {
    logs.push(line);
    for (const look of waiting) look();
  };
  createInterface({ input: child.stdout! }).on('line', collect);
  createInterface({ input: child.stderr! }).on('line', collect);
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      children.delete(child);
      resolve(code);
    });
  });
  const logged = (...parts: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(look);
        reject(new Error(`no log line with ${parts.join(', ')} in:\n${logs.join('\n')}`));
      }, HANG_MS);
      const look = (): void => {
        const line = logs.find((text) => parts.every((part) => text.includes(part)));
        if (line === undefined) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve(line);
      };
      waiting.add(look);
      look();
    });
  const started = await Promise.race([logged('"msg":"listening"'), exited.then(() => null)]);
  if (started === null) throw new Error(`the server ended at start:\n${logs.join('\n')}`);
  const { port, admin }: { port: number; admin: { port: number } | null } = JSON.parse(started);
  const adminUrl = admin === null ? '' : `http://127.0.0.1:${admin.port}`;
  const stop = (): Promise<number | null> => {
    child.kill('SIGTERM');
    return exited;
  };
  return { port, url: `http://127.0.0.1:${port}`, adminUrl, process: child, logs, exited, logged, stop };
}

/** Returns a UDP port that is free at this moment. */
export function freeUdpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** Returns the claim header as backend-auth would set it. */
export function claimHeader(userid: string, clientid = 'client'): { 'X-User-Claim': string } {
  return { 'X-User-Claim': JSON.stringify({ userid, clientid }) };
}

/** Returns the headers of a request as a proxy would set them that gives ids to requests. */
export function withRequestId(userid: string, id: string): { headers: Record<string, string> } {
  return { headers: { ...claimHeader(userid), 'X-Request-Id': id } };
}
