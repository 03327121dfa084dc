/**
 * Notices when a client's STUN requests go to another client's connection. On each port, the ICE library finds a
 * packet's connection by its source address, and by the user fragment in it only if that address is unknown (libjuice,
 * `conn_mux.c`). It reports the conflict only in its log, in a warning with the ICE user fragments of both connections.
 * Only its own client knows the fragment of the intended connection, so that nobody can fake such a report for another.
 */
import { initLogger } from 'node-datachannel';
import { type Cancel, timers } from '../timers.ts';
import { native } from './native.ts';

const TAKEN = /STUN local ufrag check failed, expected="([^"]{1,256})", actual="([^"]{1,256})"/;
/** What libjuice writes about a check whose tie-breaker is 0, which it answers with 400 (its issue 355). */
const TIELESS = 'Controlling and controlled attributes mismatch in request';
/** Most warnings read in a second. A flood on the ports makes the library write many. */
const MAX_LINES = 200;
const PERIOD_MS = 1000;

export class MuxWatch {
  private readonly taken: (holder: string, newcomer: string) => void;
  private readonly tieless: () => void;
  private told = false;
  private lines = 0;
  private period: Cancel = () => undefined;
  private listening = false;

  /**
   * @param taken gets the user fragments of the connection that got a request, and of the intended one. Must not throw.
   * @param tieless is called once, for the first client whose checks have a tie-breaker of 0. Must not throw.
   */
  constructor(taken: (holder: string, newcomer: string) => void, tieless: () => void) {
    this.taken = taken;
    this.tieless = tieless;
  }

  /**
   * Starts to read the library's log. Call it before the first connection is made, because each connection keeps the
   * log level of its beginning.
   *
   * @returns false if this version of the library does not allow it.
   */
  start(): boolean {
    if (native === undefined) return false;
    this.listen();
    this.period = timers.every(PERIOD_MS, () => {
      this.lines = 0;
      if (!this.listening) this.listen();
    });
    return true;
  }

  stop(): void {
    this.period();
    this.quiet();
  }

  private listen(): void {
    this.listening = true;
    initLogger('Warning', (_level, message) => this.read(message));
  }

  private quiet(): void {
    if (!this.listening) return;
    this.listening = false;
    native?.exports.initLogger('None');
  }

  private read(message: string): void {
    if (++this.lines > MAX_LINES) return this.quiet();
    const match = TAKEN.exec(message);
    if (match !== null) this.taken(match[1]!, match[2]!);
    if (this.told || !message.includes(TIELESS)) return;
    this.told = true;
    this.tieless();
  }
}
