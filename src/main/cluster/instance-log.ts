/** What the log says of other instances. Whoever invents thousands of them must not fill the disk. */
import type { Log } from '../log/log.ts';
import { type Identity, twice } from './identity.ts';
import { MAX_INSTANCES } from './messages/heartbeats.ts';
import type { Peer } from './peer.ts';

/** Lines at once: each instance that may live comes and goes. */
const MAX_LINES = 2 * MAX_INSTANCES;
/** Lines that may follow, a second. */
const LINES_PER_SECOND = 2;

export class InstanceLog {
  private readonly log: Log;
  private readonly now: () => number;
  private lines = MAX_LINES;
  private at = 0;
  private omitted = 0;

  /** @param now milliseconds. */
  constructor(log: Log, now: () => number) {
    this.log = log;
    this.now = now;
  }

  appeared(peer: Peer, version: string, self: Identity): void {
    const { id, incarnation } = peer;
    this.write('info', { instance: id, incarnation, version }, 'another instance appeared');
    if (id === self.id) this.write('error', {}, twice(peer.description, self));
  }

  gone({ id, incarnation }: Peer, why: 'silent' | 'bye', silentMs: number): void {
    const facts = { instance: id, incarnation, why, silentMs };
    this.write(why === 'bye' ? 'info' : 'warn', facts, 'an instance is gone');
  }

  /** Writes a line, if there are not too many. `omitted` in the next one says how many were left out. */
  write(level: 'info' | 'warn' | 'error', facts: object, text: string): void {
    const now = this.now();
    this.lines = Math.min(MAX_LINES, this.lines + ((now - this.at) * LINES_PER_SECOND) / 1000);
    this.at = now;
    if (this.lines < 1) {
      this.omitted++;
      return;
    }
    this.lines--;
    const { omitted } = this;
    this.omitted = 0;
    this.log[level](omitted === 0 ? facts : { ...facts, omitted }, text);
  }
}
