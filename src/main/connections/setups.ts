/**
 * Connections that are not established yet. Their number has its own bound, so that clients which hold places without
 * ever connecting keep nobody out: a newcomer that needs a place gets that of a connection that seems to get nowhere.
 *
 * - Waiting: the websocket is open, the offer has not come. This costs a socket and next to nothing else.
 * - Offered: the offer waits for its turn. The connection no longer makes room for others.
 * - Connecting: from the offer's turn on. The connection has an index and an end in the native library.
 */

import type { Claim } from '../claim.ts';
import type { Config } from '../config.ts';
import { RequestError } from '../errors.ts';

/**
 * Time for ICE after the answer, before a connection may lose its place; milliseconds. Honest clients take one or two
 * round trips.
 */
const GRACE_MS = 2000;
/**
 * The same for ICE and DTLS, milliseconds. DTLS sends lost packets again after 1, 2 and 4 s (RFC 6347, section
 * 4.2.4.1).
 */
const HALFWAY_GRACE_MS = 8000;

/** A connection as it is seen here. */
export interface Setup {
  readonly claim: Claim;
  /** When the answer was sent, of `performance.now()`; 0 before. */
  readonly answeredAt: number;
  /** Whether ICE found a way to the client. */
  readonly reachable: boolean;
}

export type SetupLimits = Pick<Config, 'MAX_WAITING' | 'MAX_SETUPS' | 'MAX_SETUPS_PER_USER'>;

export class Setups<S extends Setup> {
  private readonly limits: SetupLimits;
  private readonly clock: () => number;
  /** All in order of arrival. */
  private readonly waiting = new Set<S>();
  private readonly offered = new Set<S>();
  private readonly connecting = new Set<S>();
  private readonly users = new Map<string, Set<S>>();

  /** @param clock milliseconds, of `performance.now()`. */
  constructor(limits: SetupLimits, clock: () => number) {
    this.limits = limits;
    this.clock = clock;
  }

  get waitingCount(): number {
    return this.waiting.size;
  }

  /**
   * Returns the connection that has to stop waiting so that a new one can wait: the user's own oldest, or the oldest of
   * all. Returns null if there is room.
   *
   * @throws RequestError `too-many-connections` if all of the user's have made their offers.
   */
  surplus({ userid, clientid }: Claim): S | null {
    const { MAX_WAITING, MAX_SETUPS_PER_USER } = this.limits;
    const own = [...(this.users.get(userid) ?? [])];
    // An earlier attempt of the same client will make room.
    if (own.length >= MAX_SETUPS_PER_USER && !own.some(({ claim }) => claim.clientid === clientid)) {
      const oldest = own.find((setup) => this.waiting.has(setup));
      if (oldest !== undefined) return oldest;
      const detail = `${MAX_SETUPS_PER_USER} connections of this user are being set up already; try again in a moment.`;
      throw new RequestError('too-many-connections', detail, { 'Retry-After': '5' });
    }
    return this.waiting.size < MAX_WAITING ? null : this.waiting.values().next().value!;
  }

  /** Adds a connection that waits for its offer. */
  add(setup: S): void {
    this.waiting.add(setup);
    const { userid } = setup.claim;
    const own = this.users.get(userid) ?? new Set();
    this.users.set(userid, own.add(setup));
  }

  /** Whether one more connection may begin to connect although no other gives up its place. */
  get room(): boolean {
    return this.connecting.size < this.limits.MAX_SETUPS;
  }

  /** The connection's offer came, and waits for its turn. */
  offer(setup: S): void {
    this.waiting.delete(setup);
    this.offered.add(setup);
  }

  /** It is the turn of the connection's offer. */
  connect(setup: S): void {
    this.waiting.delete(setup);
    this.offered.delete(setup);
    this.connecting.add(setup);
  }

  /** Returns a connection that seems to get nowhere, the first without ICE or else the first without DTLS; or null. */
  stuck(): S | null {
    const now = this.clock();
    let halfway: S | null = null;
    for (const setup of this.connecting) {
      // The order is that of the offers. One whose candidates took long to gather is answered after later ones.
      if (setup.answeredAt === 0 || setup.answeredAt > now - GRACE_MS) continue;
      if (!setup.reachable) return setup;
      if (setup.answeredAt <= now - HALFWAY_GRACE_MS) halfway ??= setup;
    }
    return halfway;
  }

  /** Removes a connection that is established or has ended. */
  remove(setup: S): void {
    this.waiting.delete(setup);
    this.offered.delete(setup);
    this.connecting.delete(setup);
    const { userid } = setup.claim;
    const own = this.users.get(userid);
    own?.delete(setup);
    if (own?.size === 0) this.users.delete(userid);
  }

  /** Returns a list of all. */
  all(): S[] {
    return [...this.waiting, ...this.offered, ...this.connecting];
  }
}
