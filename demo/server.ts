/** Runs the real server as a separate process, and restarts it whenever it ends. */
import { networkInterfaces } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type RunningServer, startServer } from '../test/support/server.ts';

/** Pause before a restart of the server, milliseconds. */
const RESTART_MS = 1000;
/** Number of log lines to keep. When the server ends, the errors among them are printed. */
const KEPT_LINES = 20;
/** Interval at which older log lines are dropped, milliseconds. */
const TRIM_MS = 10_000;

export class RestartingServer {
  private server: RunningServer | null = null;
  private ended = false;
  private readonly say: (line: string) => void;
  private readonly changed: () => void;
  private readonly name: string;
  private readonly env: Readonly<Record<string, string>>;

  /**
   * @param say prints a line on the terminal.
   * @param changed is called when a server has started, and when it has ended.
   * @param name what the terminal calls it.
   * @param env variables of the server. Without any for its media, only this machine is to reach that.
   */
  constructor(say: (line: string) => void, changed: () => void, name = 'the server', env = {}) {
    this.say = say;
    this.changed = changed;
    this.name = name;
    this.env = env;
  }

  /** The server; null while none is running. */
  get running(): RunningServer | null {
    return this.server;
  }

  /** Starts the server. @throws Error with the log if it does not start. */
  async start(): Promise<void> {
    const server = await startServer({ ...mediaAddresses(), ...this.env });
    this.server = server;
    this.say(`${this.name} is running: process ${server.process.pid}, ${server.url}, operators use ${server.adminUrl}`);
    this.changed();
    const trim = setInterval(() => server.logs.splice(0, server.logs.length - KEPT_LINES), TRIM_MS);
    void server.exited.then((code) => {
      clearInterval(trim);
      this.server = null;
      this.changed();
      if (!this.ended) void this.restart(code, server.logs.slice(-KEPT_LINES));
    });
  }

  /** Stops the server for good. */
  async stop(): Promise<void> {
    this.ended = true;
    await this.server?.stop();
  }

  private async restart(code: number | null, logs: readonly string[]): Promise<void> {
    for (const line of logs) if (/"level":[56]0/.test(line)) this.say(line);
    this.say(`${this.name.toUpperCase()} HAS ENDED (${code ?? 'killed'}); restarting it`);
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
 * Returns the variables that let browsers on this machine reach the media ports. Browsers do not try loopback unless
 * configured to, so the server also announces the machine's own address, if it has one. The bots use loopback.
 */
function mediaAddresses(): Record<string, string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outward = all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  if (outward === undefined) return {};
  return { MEDIA_BIND: '', ANNOUNCED_ADDRESS: `${outward},127.0.0.1` };
}
