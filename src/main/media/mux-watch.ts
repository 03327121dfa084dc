/**
 * Hears from the ICE library when a client's STUN requests go to another client's connection: on each port it looks a packet's
 * connection up by the address it comes from, and by the name in it only if nobody is known there (libjuice, `conn_mux.c`). It
 * tells nobody but its log, in a warning that names both connections by their ICE user fragments; the one that was meant is known
 * to its client alone, so nobody can say so in a stranger's name.
 */
import { createRequire } from 'node:module';
import { initLogger } from 'node-datachannel';

/**
 * The library's own module, where the log's level can be changed without a callback; the wrapper insists on one. No callback
 * may be replaced while one of the library's threads is in it, and taking it away waits for that.
 */
const native = Object.values(createRequire(import.meta.url).cache).find((module) =>
  module?.filename.endsWith('node_datachannel.node'),
)?.exports as { initLogger(level: string): void } | undefined;

const TAKEN = /STUN local ufrag check failed, expected="([^"]{1,256})", actual="([^"]{1,256})"/;
/** Warnings read in a second. Whoever floods the ports makes the library write many. */
const MAX_LINES = 200;
const PERIOD_MS = 1000;

export class MuxWatch {
  private readonly taken: (holder: string, newcomer: string) => void;
  private lines = 0;
  private period: NodeJS.Timeout | undefined;
  private listening = false;

  /** @param taken gets the user fragments of the connection that got the request, and of the one it was for. Must not throw. */
  constructor(taken: (holder: string, newcomer: string) => void) {
    this.taken = taken;
  }

  /**
   * To be called before the first connection is made, for each takes over how much the library logs.
   *
   * @returns false if this library cannot be listened to.
   */
  start(): boolean {
    if (native === undefined) return false;
    this.listen();
    this.period = setInterval(() => {
      this.lines = 0;
      if (!this.listening) this.listen();
    }, PERIOD_MS).unref();
    return true;
  }

  stop(): void {
    clearInterval(this.period);
    this.quiet();
  }

  private listen(): void {
    this.listening = true;
    initLogger('Warning', (_level, message) => this.read(message));
  }

  private quiet(): void {
    if (!this.listening) return;
    this.listening = false;
    native?.initLogger('None');
  }

  private read(message: string): void {
    if (++this.lines > MAX_LINES) return this.quiet();
    const match = TAKEN.exec(message);
    if (match !== null) this.taken(match[1]!, match[2]!);
  }
}
