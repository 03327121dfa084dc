/**
 * The one place where memberships change, for clients and for operators, with the rules for each.
 *
 * A client's join or leave passes these rules, in this order: the user's rate, the permission, the order of the user's
 * changes, the drain, and the room that is left. An operator's passes only the last one.
 */
import { performance } from 'node:perf_hooks';
import type { Config } from '../config.ts';
import type { Conversations, Placement } from '../conversations/conversations.ts';
import { RequestError } from '../errors.ts';
import { UserRates } from '../limits/user-rates.ts';
import type { Log } from '../log/log.ts';
import type { Telemetry } from '../telemetry.ts';
import { Draining } from './draining.ts';
import { fullError, tooManyJoins, tooManyWaiting } from './refusals.ts';
import { SerialQueue } from './serial-queue.ts';

/** Most changes of one user that may wait for permissions at a time. A person makes no more than two. */
const MAX_WAITING = 16;

export type MembershipConfig = Pick<
  Config,
  'MAX_MEMBERSHIPS' | 'MAX_CONVERSATIONS' | 'MAX_PARTICIPANTS' | 'MAX_JOINS_PER_SECOND'
>;

/** The client that asks for a change. */
export interface AskingClient {
  readonly clientid: string;
  /** Whether it has hung up, so that nobody reads the answer. */
  gone(): boolean;
}

/** Somebody who may change other users' memberships. */
export type Authority = 'operator';

/** Who wants a change. */
export type Requester = AskingClient | Authority;

/** Undefined if the change was made at once; a promise if it has to wait. */
export type Done = Promise<undefined> | undefined;

/** Lets a change take effect on connections. */
export interface Placing<C> {
  /** Puts connections into their user's conversation. @param kicked whether an operator took them out. */
  place(placement: Placement<C>, kicked?: boolean): void;
  /** Applies, or ends, an operator's mute. */
  mute(connections: readonly C[], muted: boolean): void;
}

/** Knows who may join what. */
export interface Permitting {
  /** Resolves if the user may join. Rejects with a RequestError `not-permitted` or `permissions-unavailable`. */
  allows(userid: string, conversation: string): Promise<void>;
}

export interface MembershipParts<C> {
  readonly config: MembershipConfig;
  /** Who is in which conversation. */
  readonly registry: Conversations<C>;
  readonly connections: Placing<C>;
  /** Null if everybody may join everything. */
  readonly permissions: Permitting | null;
  readonly log: Pick<Log, 'info'>;
  readonly telemetry: Pick<Telemetry, 'joined' | 'left'>;
  /** Milliseconds. */
  readonly now?: () => number;
}

export class Memberships<C> {
  private readonly parts: MembershipParts<C>;
  private readonly rates: UserRates;
  private readonly queue = new SerialQueue(MAX_WAITING);
  private readonly drain: Draining;
  private readonly now: () => number;

  constructor(parts: MembershipParts<C>) {
    const { MAX_JOINS_PER_SECOND, MAX_MEMBERSHIPS } = parts.config;
    this.parts = parts;
    this.rates = new UserRates(MAX_JOINS_PER_SECOND, MAX_MEMBERSHIPS);
    this.drain = new Draining(parts.registry);
    this.now = parts.now ?? (() => performance.now());
  }

  /** Whether this instance drains. */
  get draining(): boolean {
    return this.drain.begun;
  }

  /** Leaves new users and connections to the next instance from now on. */
  beginDrain(): void {
    this.drain.begin();
  }

  /** Checks whether a user may connect here. @throws RequestError `draining` */
  checkConnect(userid: string): void {
    this.drain.connect(userid);
  }

  /**
   * Puts a user into a conversation. A client's join has no effect if the client hangs up while it waits.
   *
   * @throws RequestError, or rejects with one, if a rule forbids it. Only a drain may have let it take effect even
   *   then.
   */
  join(userid: string, conversation: string, by: Requester): Done {
    if (by === 'operator') return this.enter(userid, conversation, by);
    this.takeRate(userid);
    const { permissions } = this.parts;
    if (permissions === null) return this.drain.join(userid, conversation, () => this.enter(userid, conversation, by));
    this.makeSureOfQueue(userid);
    return this.queue.take(userid, permissions.allows(userid, conversation), () => {
      if (by.gone()) return;
      this.drain.join(userid, conversation, () => this.enter(userid, conversation, by));
    });
  }

  /** Takes a user out of a conversation, if they are in it. Throws, or rejects, as {@link join} does. */
  leave(userid: string, conversation: string, by: Requester): Done {
    if (by === 'operator') return this.exit(userid, conversation, by);
    this.takeRate(userid);
    const leave = (): undefined => this.drain.leave(userid, () => this.exit(userid, conversation, by));
    if (this.queue.waiting(userid) === 0) return leave();
    this.makeSureOfQueue(userid);
    return this.queue.take(userid, null, leave);
  }

  /**
   * Takes a user out of a conversation, and tells their clients that they were kicked.
   *
   * @throws RequestError `not-found`
   */
  kick(userid: string, conversation: string, by: Authority): void {
    const { registry, connections, log } = this.parts;
    if (!registry.isIn(userid, conversation)) throw notThere();
    connections.place(registry.leave(userid, conversation), true);
    log.info({ userid, conversation }, `kicked by an ${by}`);
  }

  /**
   * Mutes a user of a conversation, who then cannot unmute themselves, or ends such a mute.
   *
   * @throws RequestError `not-found`
   */
  mute(userid: string, conversation: string, muted: boolean, by: Authority): void {
    const { registry, connections, log } = this.parts;
    const affected = registry.mute(userid, conversation, muted);
    if (affected === null) throw notThere();
    connections.mute(affected, muted);
    log.info({ userid, conversation }, `${muted ? 'muted' : 'unmuted'} by an ${by}`);
  }

  private enter(userid: string, conversation: string, by: Requester): undefined {
    const { registry, connections, config, log, telemetry } = this.parts;
    const placement = registry.join(userid, conversation, this.now());
    if (typeof placement === 'string') {
      telemetry.joined(placement === 'participants' ? 'conversation-full' : 'full');
      throw fullError(placement, config);
    }
    telemetry.joined('joined');
    connections.place(placement);
    log.info({ userid, ...described(by), conversation }, 'joined');
  }

  private exit(userid: string, conversation: string, by: Requester): undefined {
    const { registry, connections, log, telemetry } = this.parts;
    telemetry.left();
    connections.place(registry.leave(userid, conversation));
    log.info({ userid, ...described(by), conversation }, 'left');
  }

  private takeRate(userid: string): void {
    if (!this.rates.take(userid, this.now())) throw tooManyJoins(this.parts.config.MAX_JOINS_PER_SECOND);
  }

  private makeSureOfQueue(userid: string): void {
    if (!this.queue.hasRoom(userid)) throw tooManyWaiting(MAX_WAITING);
  }
}

/** Describes a requester for the log. */
function described(by: Requester): { clientid: string } | { by: Authority } {
  return typeof by === 'string' ? { by } : { clientid: by.clientid };
}

function notThere(): RequestError {
  return new RequestError('not-found', 'That user is not in that conversation; GET /conversations/:id lists who is.');
}
