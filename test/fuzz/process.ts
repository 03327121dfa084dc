/** A real server that is fuzzed from outside, and the checks of its state afterwards. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { insist } from './target.ts';

const PAGE_BYTES = 4096;
/** Time in which a server must release what the fuzzing left, milliseconds. */
const QUIET_MS = 30_000;

/** A server with short deadlines, so that thousands of attempts fit a minute. */
export class FuzzedServer {
  readonly server: RunningServer;
  private ended: number | null | undefined;

  private constructor(server: RunningServer) {
    this.server = server;
    server.exited.then((code) => {
      this.ended = code;
    });
  }

  static async start(env: Record<string, string> = {}): Promise<FuzzedServer> {
    const short = { OFFER_TIMEOUT_MS: '1000', CONNECT_TIMEOUT_MS: '300', MEMBERSHIP_TIMEOUT_MS: '100' };
    return new FuzzedServer(await startServer({ ...short, GATHER_TIMEOUT_MS: '1000', RED: 'both', ...env }));
  }

  /** Returns the resident memory, bytes; 0 where the system does not report it. */
  rss(): number {
    try {
      const pages = readFileSync(`/proc/${this.server.process.pid}/statm`, 'utf8').split(' ')[1];
      return Number(pages) * PAGE_BYTES;
    } catch {
      return 0;
    }
  }

  /** @throws Error if the server has ended or logged an error. */
  check(): void {
    insist(this.ended === undefined, () => `the server ended with ${this.ended}: ${this.server.logs.slice(-3)}`);
    const errors = this.server.logs.filter((line) => !line.startsWith('{') || /"level":(50|60)/.test(line));
    insist(errors.length === 0, () => `the server logged ${errors[0]}`);
    this.server.logs.length = 0;
  }

  /** Checks that nothing is left behind and that the server still answers, and ends it. */
  async end(): Promise<void> {
    this.check();
    const { server } = this;
    const look = async (): Promise<{ connections: number; users: number }> =>
      (await (await fetch(`${server.adminUrl}/readyz`)).json()) as { connections: number; users: number };
    const deadline = performance.now() + QUIET_MS;
    let left = await look();
    while (left.connections + left.users > 0 && performance.now() < deadline) {
      await delay(50);
      left = await look();
    }
    insist(left.connections + left.users === 0, () => `left behind: ${JSON.stringify(left)}`);
    insist((await fetch(`${server.adminUrl}/healthz`)).status === 200, () => 'the server is not healthy');
    const join = await fetch(`${server.url}/join/room`, { method: 'POST', headers: claimHeader('late') });
    insist(join.status === 200, () => `a join afterwards was answered with ${join.status}`);
    this.check();
    const code = await server.stop();
    insist(code === 0, () => `the server ended with ${code}`);
    const errors = server.logs.filter((line) => /"level":(50|60)/.test(line));
    insist(errors.length === 0, () => `the server logged ${errors[0]}`);
  }
}
