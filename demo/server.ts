/** The real server as a process of its own, started again whenever it ends. */
import { networkInterfaces } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type RunningServer, startServer } from '../test/support/server.ts';

/** Pause before the server is started again, milliseconds. */
const RESTART_MS = 1000;
/** Log lines that are kept to be shown when the server ends. */
const KEPT_LINES = 20;
const TRIM_MS = 10_000;

export class KeptServer {
  private server: RunningServer | null = null;
  private ended = false;
  private readonly say: (line: string) => void;
  private readonly changed: (server: RunningServer | null) => void;

  /**
   * @param say tells the person at the terminal.
   * @param changed is called with every server that has come up, and with null when it has gone.
   */
  constructor(say: (line: string) => void, changed: (server: RunningServer | null) => void) {
    this.say = say;
    this.changed = changed;
  }

  /** Its port for HTTP; null while there is none. */
  get port(): number | null {
    return this.server?.port ?? null;
  }

  /** The same for operators; null while there is none. */
  get adminUrl(): string | null {
    return this.server?.adminUrl ?? null;
  }

  /** Starts it for the first time. @throws Error with the log if it does not come up. */
  async start(): Promise<void> {
    const server = await startServer(mediaAddresses());
    this.server = server;
    this.say(`the server runs: process ${server.process.pid}, ${server.url}, for operators ${server.adminUrl}`);
    this.changed(server);
    const trim = setInterval(() => server.logs.splice(0, server.logs.length - KEPT_LINES), TRIM_MS);
    void server.exited.then((code) => {
      clearInterval(trim);
      this.server = null;
      this.changed(null);
      if (!this.ended) void this.restart(code, server.logs.slice(-KEPT_LINES));
    });
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.ended = true;
    await this.server?.stop();
  }

  private async restart(code: number | null, logs: readonly string[]): Promise<void> {
    for (const line of logs) if (/"level":[56]0/.test(line)) this.say(line);
    this.say(`THE SERVER HAS ENDED (${code ?? 'killed'}); it is started again`);
    await delay(RESTART_MS);
    while (!this.ended) {
      try {
        return await this.start();
      } catch (error) {
        this.say((error as Error).message);
        await delay(RESTART_MS);
      }
    }
  }
}

/**
 * Where browsers on this machine reach the media ports. On loopback they do not look for anybody unless told to, so the
 * server is to be found at the machine's own address as well, if it has one; the bots come over loopback.
 */
function mediaAddresses(): Record<string, string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outward = all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  if (outward === undefined) return {};
  return { MEDIA_BIND: '', ANNOUNCED_ADDRESS: `${outward},127.0.0.1` };
}
