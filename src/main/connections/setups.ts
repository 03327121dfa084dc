/**
 * Connections that do not stand yet. They have a share of their own, so that whoever holds places without ever connecting keeps
 * nobody else out: where one is needed, the newcomer gets that of whoever seems to get nowhere.
 *
 * - Waiting: the websocket is there, the offer is not. It costs a socket and next to nothing else.
 * - Connecting: from the offer on, with a place among all connections and an end in the native library.
 */

import type { Claim } from '../claim.ts';
import type { Config } from '../config.ts';
import { RequestError } from '../errors.ts';

/** Without ICE for so long after the answer a connection gives its place up where one is needed, milliseconds. Honest ones take one or two trips. */
const GRACE_MS = 2000;
/** The same for one with ICE and without DTLS, whose lost packets are sent again after 1, 2 and 4 s (RFC 6347, section 4.2.4.1). */
const HALFWAY_GRACE_MS = 8000;

/** A connection as it is seen here. */
export interface Setup {
  readonly claim: Claim;
  /** When it was answered, as of `performance.now()`; 0 if it was not yet. */
  readonly answeredAt: number;
  /** Whether ICE found a way to the client. */
  readonly reachable: boolean;
}

export type SetupLimits = Pick<Config, 'MAX_WAITING' | 'MAX_SETUPS' | 'MAX_SETUPS_PER_USER'>;

export class Setups<S extends Setup> {
  private readonly limits: SetupLimits;
  private readonly clock: () => number;
  /** Each in the order of their coming. */
  private readonly waiting = new Set<S>();
  private readonly connecting = new Set<S>();
  private readonly users = new Map<string, Set<S>>();

  /** @param clock milliseconds, as of `performance.now()`. */
  constructor(limits: SetupLimits, clock: () => number) {
    this.limits = limits;
    this.clock = clock;
  }

  get waitingCount(): number {
    return this.waiting.size;
  }

  /**
   * Who has to give up waiting so that another one can: the user's own oldest, or the oldest of all. Null for nobody.
   *
   * @throws RequestError `too-many-connections` if all of the user's are connecting.
   */
  surplus({ userid, clientid }: Claim): S | null {
    const { MAX_WAITING, MAX_SETUPS_PER_USER } = this.limits;
    const own = [...(this.users.get(userid) ?? [])];
    // Its own earlier attempt makes room by itself.
    if (own.length >= MAX_SETUPS_PER_USER && !own.some(({ claim }) => claim.clientid === clientid)) {
      const oldest = own.find((setup) => this.waiting.has(setup));
      if (oldest !== undefined) return oldest;
      const detail = `${MAX_SETUPS_PER_USER} connections of this user are being set up already; try again when they stand.`;
      throw new RequestError('too-many-connections', detail, { 'Retry-After': '5' });
    }
    return this.waiting.size < MAX_WAITING ? null : this.waiting.values().next().value!;
  }

  /** It waits for its offer. */
  add(setup: S): void {
    this.waiting.add(setup);
    const { userid } = setup.claim;
    const own = this.users.get(userid) ?? new Set();
    this.users.set(userid, own.add(setup));
  }

  /** Whether one more may connect without another's giving up. */
  get room(): boolean {
    return this.connecting.size < this.limits.MAX_SETUPS;
  }

  /** It made its offer. */
  connect(setup: S): void {
    this.waiting.delete(setup);
    this.connecting.add(setup);
  }

  /** Whoever connects and seems to get nowhere: without ICE, the first that came, or else without DTLS; null if everybody does. */
  stuck(): S | null {
    const now = this.clock();
    let halfway: S | null = null;
    for (const setup of this.connecting) {
      // They come in the order of their offers, and one whose candidates took long to gather is answered after others.
      if (setup.answeredAt === 0 || setup.answeredAt > now - GRACE_MS) continue;
      if (!setup.reachable) return setup;
      if (setup.answeredAt <= now - HALFWAY_GRACE_MS) halfway ??= setup;
    }
    return halfway;
  }

  /** It stands, or ended. */
  remove(setup: S): void {
    this.waiting.delete(setup);
    this.connecting.delete(setup);
    const { userid } = setup.claim;
    const own = this.users.get(userid);
    own?.delete(setup);
    if (own?.size === 0) this.users.delete(userid);
  }

  /** All of them, as they are now. */
  all(): S[] {
    return [...this.waiting, ...this.connecting];
  }
}
