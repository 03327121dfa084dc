/** Where memberships are kept and changed: in this process alone, or in the records of a cluster. */
import type { Config } from '../config.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { Placement } from '../conversations/registry-types.ts';
import { bannedFor, FULL_RIGHTS, type Grant } from '../conversations/rights.ts';
import { RequestError } from '../errors.ts';
import { bannedError, fullError } from './refusals.ts';

/** Undefined if the change was made at once; a promise if it has to wait. */
export type Done = Promise<undefined> | undefined;

/**
 * Makes changes, and lets each take effect on the connections of its user. A change throws a RequestError, or rejects
 * with one, if it is refused; then it had no effect. Changes of one user are made in the order of the calls.
 */
export interface MembershipStore {
  /** Whether the instances of a cluster share the memberships. Then any of them makes any change, even if it drains. */
  readonly shared: boolean;
  /** Whether this instance reaches the others with which it shares them. */
  readonly whole: boolean;
  /**
   * Moves a user into a conversation.
   *
   * @param grant what the permission for it grants; null if none was asked for.
   * @throws RequestError `banned`, `full`, `conversation-full`, `cluster-unavailable`
   */
  join(userid: string, conversation: string, grant: Grant | null): Done;
  /** Takes over what a permission grants now to a user, if they are in the conversation. @throws RequestError `cluster-unavailable` */
  grant(userid: string, conversation: string, grant: Grant): Done;
  /** Takes a user out of a conversation, if they are in it. @throws RequestError `cluster-unavailable` */
  leave(userid: string, conversation: string): Done;
  /** The same for an operator; the user's clients are told. @throws RequestError `not-found`, `cluster-unavailable` */
  kick(userid: string, conversation: string): Done;
  /**
   * Bans a user from a conversation, and takes them out as `kick` does if they are in it; or ends a ban.
   *
   * @param seconds for how long, from now on; null to end it.
   * @throws RequestError `full`, `cluster-unavailable`; `not-found` if there is no ban to end
   */
  ban(userid: string, conversation: string, seconds: number | null): Done;
  /** Mutes a user of a conversation, or ends that. @throws RequestError `not-found`, `cluster-unavailable` */
  mute(userid: string, conversation: string, muted: boolean): Done;
  /** Gives a user of a conversation the right to speak there, or takes it. Throws, or rejects, as {@link mute} does. */
  letSpeak(userid: string, conversation: string, speak: boolean): Done;
}

/** Lets a change take effect on connections. */
export interface Placing<C> {
  /** Puts connections into their user's conversation. @param kicked whether an operator took them out. */
  place(placement: Placement<C>, kicked?: boolean): void;
  /** Applies, or ends, an operator's mute. */
  mute(connections: readonly C[], muted: boolean): void;
  /** Gives connections the right to speak where they are, or takes it. */
  letSpeak(connections: readonly C[], maySpeak: boolean): void;
}

export interface LocalStoreParts<C> {
  readonly config: Pick<Config, 'MAX_MEMBERSHIPS' | 'MAX_CONVERSATIONS' | 'MAX_PARTICIPANTS'>;
  /** Who is in which conversation. */
  readonly registry: Conversations<C>;
  readonly connections: Placing<C>;
  /** Milliseconds. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly date?: () => number;
}

/** The memberships of a process that knows no other. Each change is made at once. */
export class LocalStore<C> implements MembershipStore {
  readonly shared = false;
  readonly whole = true;
  private readonly parts: LocalStoreParts<C>;

  constructor(parts: LocalStoreParts<C>) {
    this.parts = parts;
  }

  join(userid: string, conversation: string, grant: Grant | null): undefined {
    const { registry, connections, config, now, date = Date.now } = this.parts;
    const left = bannedFor(registry.find(userid)?.rights ?? FULL_RIGHTS, conversation, date());
    if (left > 0) throw bannedError(left);
    const placement = registry.join(userid, conversation, now(), grant);
    if (typeof placement === 'string') throw fullError(placement, config);
    connections.place(placement);
  }

  grant(userid: string, conversation: string, grant: Grant): undefined {
    const { registry, connections, now } = this.parts;
    if (!registry.isIn(userid, conversation)) return;
    const placement = registry.join(userid, conversation, now(), grant);
    if (typeof placement !== 'string') connections.letSpeak(placement.connections, placement.maySpeak);
  }

  leave(userid: string, conversation: string): undefined {
    const { registry, connections } = this.parts;
    connections.place(registry.leave(userid, conversation));
  }

  kick(userid: string, conversation: string): undefined {
    const { registry, connections } = this.parts;
    if (!registry.isIn(userid, conversation)) throw notThere();
    connections.place(registry.leave(userid, conversation, 'kicked'), true);
  }

  ban(userid: string, conversation: string, seconds: number | null): undefined {
    const { registry, config, now, date = Date.now } = this.parts;
    const known = registry.find(userid)?.rights ?? FULL_RIGHTS;
    if (seconds === null && bannedFor(known, conversation, date()) === 0) throw notBanned();
    const until = seconds === null ? null : date() + seconds * 1000;
    if (!registry.ban(userid, conversation, until, date(), now())) throw fullError('users', config);
    if (seconds !== null && registry.isIn(userid, conversation)) this.kick(userid, conversation);
  }

  mute(userid: string, conversation: string, muted: boolean): undefined {
    const { registry, connections } = this.parts;
    const affected = registry.mute(userid, conversation, muted);
    if (affected === null) throw notThere();
    connections.mute(affected, muted);
  }

  letSpeak(userid: string, conversation: string, speak: boolean): undefined {
    const { registry, connections } = this.parts;
    const affected = registry.letSpeak(userid, conversation, speak);
    if (affected === null) throw notThere();
    connections.letSpeak(affected, speak);
  }
}

/** Returns the error for an operator's command to a user who is not there. */
export function notThere(): RequestError {
  return new RequestError('not-found', 'That user is not in that conversation; GET /conversations/:id lists who is.');
}

/** Returns the error for an operator who ends a ban that is none. */
export function notBanned(): RequestError {
  return new RequestError('not-found', 'That user is not banned from that conversation; GET /users/:userid has bans.');
}
