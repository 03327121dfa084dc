/**
 * The one place where memberships change, for clients and for operators, with the rules for each.
 *
 * A client's join or leave passes these rules, in this order: the user's rate, the permission, the order of the user's
 * changes, the drain, and the room that is left. An operator's passes only the last one.
 */
import { performance } from 'node:perf_hooks';
import type { Claim } from '../claim.ts';
import type { Config } from '../config.ts';
import type { Grant } from '../conversations/rights.ts';
import { RequestError } from '../errors.ts';
import { UserRates } from '../limits/user-rates.ts';
import type { Log } from '../log/log.ts';
import type { Telemetry } from '../telemetry.ts';
import { Draining, type DrainingRegistry } from './draining.ts';
import type { Done, MembershipStore } from './membership-store.ts';
import { OnlyResort } from './only-resort.ts';
import { tooManyJoins, tooManyWaiting } from './refusals.ts';
import { SerialQueue } from './serial-queue.ts';

/** Most changes of one user that may wait for permissions at a time. A person makes no more than two. */
const MAX_WAITING = 16;

export type { Done } from './membership-store.ts';
export type MembershipConfig = Pick<Config, 'MAX_MEMBERSHIPS' | 'MAX_JOINS_PER_SECOND'>;

/** The client that asks for a change. */
export interface AskingClient {
  /** Id of its request, if it has one. */
  readonly request?: string;
  readonly clientid: string;
  /** Whether it has hung up, so that nobody reads the answer. */
  gone(): boolean;
}

/** Somebody who may change other users' memberships. */
export type Authority = 'operator';

/** Who wants a change. */
export type Requester = AskingClient | Authority;

/** Knows who may join what. */
export interface Permitting {
  /**
   * Resolves if the user may join, to what they may do there. Rejects with a RequestError `not-permitted` or
   * `permissions-unavailable`.
   */
  allows(userid: string, conversation: string): Promise<Grant>;
}

export interface MembershipParts {
  readonly config: MembershipConfig;
  /** Who is in which conversation. */
  readonly registry: DrainingRegistry;
  readonly store: MembershipStore;
  /** Null if everybody may join everything. */
  readonly permissions: Permitting | null;
  readonly log: Pick<Log, 'info'>;
  readonly telemetry: Pick<Telemetry, 'joined' | 'left'>;
  /** Milliseconds. */
  readonly now?: () => number;
}

export class Memberships {
  private readonly parts: MembershipParts;
  private readonly rates: UserRates;
  private readonly queue = new SerialQueue(MAX_WAITING);
  private readonly drain: Draining;
  private readonly onlyResort: OnlyResort;
  private readonly now: () => number;

  constructor(parts: MembershipParts) {
    const { MAX_JOINS_PER_SECOND, MAX_MEMBERSHIPS } = parts.config;
    this.parts = parts;
    this.rates = new UserRates(MAX_JOINS_PER_SECOND, MAX_MEMBERSHIPS);
    this.drain = new Draining(parts.registry, parts.store.shared);
    this.now = parts.now ?? (() => performance.now());
    this.onlyResort = new OnlyResort(this.now);
  }

  /** Whether this instance drains. */
  get draining(): boolean {
    return this.drain.begun;
  }

  /** Leaves new users and connections to the next instance from now on. */
  beginDrain(): void {
    this.drain.begin();
  }

  /** Checks whether a client may connect here. @throws RequestError `draining`, `cluster-unavailable` */
  checkConnect(claim: Claim): void {
    this.drain.connect(claim.userid);
    if (!this.parts.store.whole) this.onlyResort.connect(claim);
  }

  /**
   * Puts a user into a conversation. A client's join has no effect if the client hangs up while it waits.
   *
   * @throws RequestError, or rejects with one, if a rule forbids it. Only a drain may have let it take effect even
   *   then.
   */
  join(userid: string, conversation: string, by: Requester): Done {
    const enter = (grant: Grant | null): Done => this.enter(userid, conversation, grant, by);
    if (by === 'operator') return enter(null);
    this.takeRate(userid);
    const { permissions } = this.parts;
    if (permissions === null) return this.drain.join(userid, conversation, () => enter(null));
    this.makeSureOfQueue(userid);
    return this.queue.take(userid, permissions.allows(userid, conversation), (grant) => {
      if (by.gone()) return;
      return this.drain.join(userid, conversation, () => enter(grant));
    });
  }

  /** Takes a user out of a conversation, if they are in it. Throws, or rejects, as {@link join} does. */
  leave(userid: string, conversation: string, by: Requester): Done {
    if (by === 'operator') return this.exit(userid, conversation, by);
    this.takeRate(userid);
    const leave = (): Done => this.drain.leave(userid, () => this.exit(userid, conversation, by));
    if (this.queue.waiting(userid) === 0) return leave();
    this.makeSureOfQueue(userid);
    return this.queue.take(userid, null, leave);
  }

  /**
   * Takes a user out of a conversation, and tells their clients that they were kicked.
   *
   * @throws RequestError, or rejects with one, `not-found` or `cluster-unavailable`.
   */
  kick(userid: string, conversation: string, by: Authority): Done {
    const { store, log } = this.parts;
    return after(store.kick(userid, conversation), () => log.info({ userid, conversation }, `kicked by an ${by}`));
  }

  /**
   * Bans a user from a conversation for a while, and takes them out if they are in it; or ends that.
   *
   * @param seconds null to end it.
   * @throws RequestError, or rejects with one, `full` or `cluster-unavailable`; `not-found` without a ban to end.
   */
  ban(userid: string, conversation: string, seconds: number | null, by: Authority): Done {
    const { store, log } = this.parts;
    const done = (): void => {
      if (seconds === null) log.info({ userid, conversation }, `ban ended by an ${by}`);
      else log.info({ userid, conversation, seconds }, `banned by an ${by}`);
    };
    return after(store.ban(userid, conversation, seconds), done);
  }

  /**
   * Mutes a user of a conversation, who then cannot unmute themselves, or ends such a mute.
   *
   * @throws RequestError, or rejects with one, `not-found` or `cluster-unavailable`.
   */
  mute(userid: string, conversation: string, muted: boolean, by: Authority): Done {
    const { store, log } = this.parts;
    const done = (): void => log.info({ userid, conversation }, `${muted ? 'muted' : 'unmuted'} by an ${by}`);
    return after(store.mute(userid, conversation, muted), done);
  }

  /**
   * Takes over what a permission says that was asked for again, if the user is still in the conversation.
   *
   * @param grant null if the user may not be there any more. Then they are taken out, and their clients told as of a kick.
   * @throws RequestError, or rejects with one, `not-found` or `cluster-unavailable`.
   */
  recheck(userid: string, conversation: string, grant: Grant | null): Done {
    const { store, log } = this.parts;
    if (grant !== null) return store.grant(userid, conversation, grant);
    const done = (): void => log.info({ userid, conversation }, 'taken out: the permission has ended');
    return after(store.kick(userid, conversation), done);
  }

  /**
   * Gives a user of a conversation the right to speak there, or takes it, whatever their permission says.
   *
   * @throws RequestError, or rejects with one, `not-found` or `cluster-unavailable`.
   */
  letSpeak(userid: string, conversation: string, speak: boolean, by: Authority): Done {
    const { store, log } = this.parts;
    const done = (): void => log.info({ userid, conversation }, `${speak ? 'may' : 'may not'} speak, by an ${by}`);
    return after(store.letSpeak(userid, conversation, speak), done);
  }

  private enter(userid: string, conversation: string, grant: Grant | null, by: Requester): Done {
    const { store, log, telemetry } = this.parts;
    const joined = (): void => {
      telemetry.joined('joined');
      log.info({ userid, ...described(by), conversation }, 'joined');
    };
    const refused = (error: unknown): never => {
      const kind = error instanceof RequestError ? error.kind : null;
      if (kind === 'full' || kind === 'conversation-full') telemetry.joined(kind);
      throw error;
    };
    try {
      return after(store.join(userid, conversation, grant), joined, refused);
    } catch (error) {
      return refused(error);
    }
  }

  private exit(userid: string, conversation: string, by: Requester): Done {
    const { store, log, telemetry } = this.parts;
    telemetry.left();
    const left = (): void => log.info({ userid, ...described(by), conversation }, 'left');
    return after(store.leave(userid, conversation), left);
  }

  private takeRate(userid: string): void {
    if (!this.rates.take(userid, this.now())) throw tooManyJoins(this.parts.config.MAX_JOINS_PER_SECOND);
  }

  private makeSureOfQueue(userid: string): void {
    if (!this.queue.hasRoom(userid)) throw tooManyWaiting(MAX_WAITING);
  }
}

/** Describes a requester for the log. */
function described(by: Requester): { clientid: string; request?: string } | { by: Authority } {
  if (typeof by === 'string') return { by };
  const { clientid, request } = by;
  return request === undefined ? { clientid } : { clientid, request };
}

/** Calls `made` once a change was made, at once if it already is; `refused` if the promise of it rejects. */
function after(done: Done, made: () => void, refused?: (error: unknown) => never): Done {
  if (done !== undefined) return done.then(() => void made(), refused);
  made();
  return undefined;
}
