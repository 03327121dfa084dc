/**
 * Asks the permission service again for those who are in a conversation and connected here, so that nobody stays for
 * ever whose right has ended.
 *
 * Only a clear no, 401 or 403, ends a membership: a service that is down, or a gateway that does not know it, must not
 * throw everybody out. Each user is asked about once an interval, give or take a tenth, so that those who came together
 * drift apart. The queue has one entry for each connected user, and few questions are under way at a time; a slow
 * service makes the intervals longer.
 */
import type { Claim } from '../claim.ts';
import type { Config } from '../config.ts';
import type { Grant } from '../conversations/rights.ts';
import { RequestError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import type { Cancel, Timers } from '../timers.ts';
import type { Done } from './membership-store.ts';

/** How often the queue is looked at, milliseconds. */
const LOOK_MS = 250;
/** Looks between two searches for users who are new here. */
const LOOKS_A_SEARCH = 4;
/** Most questions under way: half of the sockets, so that joins find one. */
const MAX_UNDER_WAY = 16;
/** How much earlier or later than after an interval a user's turn may come, as a share of it. */
const JITTER = 0.1;

export interface RecheckParts {
  /** How long a user is not asked about again, milliseconds. */
  readonly interval: number;
  /** Returns the connections here. */
  connected(): Iterable<{ readonly claim: Pick<Claim, 'userid'> }>;
  readonly registry: {
    isConnected(userid: string): boolean;
    find(userid: string): { readonly conversation: string | null } | null;
  };
  readonly permissions: {
    /** Resolves to what is granted now, null for a clear no. Rejects if there is no answer, or no clear one. */
    askAgain(userid: string, conversation: string): Promise<Grant | null>;
  };
  readonly memberships: { recheck(userid: string, conversation: string, grant: Grant | null): Done };
  readonly timers: Timers;
  readonly log: Pick<Log, 'error'>;
  /** 0 up to 1. */
  readonly random?: () => number;
}

/** Begins to ask again, if that is configured. @returns a function that ends it. */
export function startRecheck(
  { PERMISSIONS_RECHECK_MS: interval }: Pick<Config, 'PERMISSIONS_RECHECK_MS'>,
  permissions: RecheckParts['permissions'] | null,
  parts: Omit<RecheckParts, 'interval' | 'permissions'>,
): Cancel {
  if (permissions === null || interval === 0) return () => undefined;
  return new Recheck({ ...parts, interval, permissions }).start();
}

export class Recheck {
  private readonly parts: RecheckParts;
  private readonly random: () => number;
  /** When each user's turn comes, the one who has waited longest first; milliseconds. */
  private readonly due = new Map<string, number>();
  private underWay = 0;
  private looks = 0;

  constructor(parts: RecheckParts) {
    this.parts = parts;
    this.random = parts.random ?? Math.random;
  }

  /** Begins. @returns a function that ends it. */
  start(): Cancel {
    return this.parts.timers.every(LOOK_MS, () => this.look());
  }

  /** Users whose turn will come. */
  get size(): number {
    return this.due.size;
  }

  /** Asks about those whose turn has come. */
  look(): void {
    const now = this.parts.timers.now();
    if (this.looks++ % LOOKS_A_SEARCH === 0) this.search(now);
    for (const [userid, due] of this.due) {
      if (this.underWay >= MAX_UNDER_WAY) return;
      if (due > now) continue;
      this.due.delete(userid);
      const conversation = this.parts.registry.find(userid)?.conversation ?? null;
      if (!this.parts.registry.isConnected(userid)) continue;
      // At the end, so that whoever has waited longest is the next one.
      this.wait(userid, now);
      if (conversation !== null) this.ask(userid, conversation);
    }
  }

  /** Lets those wait who are new here. */
  private search(now: number): void {
    for (const { claim } of this.parts.connected()) if (!this.due.has(claim.userid)) this.wait(claim.userid, now);
  }

  private wait(userid: string, now: number): void {
    this.due.set(userid, now + this.parts.interval * (1 + JITTER * (2 * this.random() - 1)));
  }

  private ask(userid: string, conversation: string): void {
    const { permissions, memberships, log } = this.parts;
    this.underWay++;
    permissions
      .askAgain(userid, conversation)
      .then((grant) => memberships.recheck(userid, conversation, grant))
      // Without an answer, or without a cluster, everything stays as it is until the next turn.
      .catch((err: unknown) => {
        if (!(err instanceof RequestError)) log.error({ err }, 'a permission could not be taken over');
      })
      .finally(() => {
        this.underWay--;
      });
  }
}
