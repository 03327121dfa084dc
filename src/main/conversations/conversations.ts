/**
 * Who is in which conversation. Pure: no sockets, no workers, no clock.
 *
 * The members are users. A user is in one conversation at most, with all their connections at once, and may be in it
 * before they connect and for a while after they have disconnected.
 */
import { type FetchedMembership, MembershipWatches } from './membership-watch.ts';

/** A conversation that has at least one member. */
export interface Conversation {
  readonly id: string;
  /** Its number for the workers, which no other conversation of this process ever has. */
  readonly key: number;
}

/** Where a user's connections belong after a change. */
export interface Placement<C> {
  readonly connections: readonly C[];
  readonly conversation: Conversation | null;
}

/** The bounds of the registry. */
export interface ConversationLimits {
  /** Users known at a time: those who are connected, and those with a membership. */
  readonly users: number;
  readonly conversations: number;
  /** Users in one conversation. */
  readonly participants: number;
}

/** Which of the {@link ConversationLimits} a join would exceed. */
export type Full = keyof ConversationLimits;

/** One conversation in a list. */
export interface ConversationSummary extends Conversation {
  /** Users in it, connected or not. */
  readonly users: number;
}

/** One user of a conversation. */
export interface Membership<C> {
  readonly userid: string;
  readonly connections: readonly C[];
  /** Muted by an operator. */
  readonly mutedByOperator: boolean;
}

interface User<C> {
  readonly key: number;
  readonly connections: Set<C>;
  conversation: Occupied | null;
  mutedByOperator: boolean;
  /** When a membership without a connection is forgotten; milliseconds on the caller's clock. */
  forgetAt: number;
}

interface Occupied extends ConversationSummary {
  users: number;
}

/** The registry. `C` is the caller's type of connection. */
export class Conversations<C> {
  /** Memberships that are being fetched from elsewhere. */
  readonly watches = new MembershipWatches();
  private readonly users = new Map<string, User<C>>();
  private readonly conversations = new Map<string, Occupied>();
  /** Users without a connection, in the order in which they lost their last one. */
  private readonly waiting = new Map<string, User<C>>();
  private readonly limits: ConversationLimits;
  private readonly patience: number;
  private lastUserKey = 0;
  private lastConversationKey = 0;

  /** @param patience how long a membership outlasts its user's last connection, milliseconds. */
  constructor(limits: ConversationLimits, patience: number) {
    this.limits = limits;
    this.patience = patience;
  }

  /** Users known, connected or with a membership. */
  get userCount(): number {
    return this.users.size;
  }

  get conversationCount(): number {
    return this.conversations.size;
  }

  isConnected(userid: string): boolean {
    return (this.users.get(userid)?.connections.size ?? 0) > 0;
  }

  /** Lists conversations in the order in which they began. @param after key of the last one known, 0 for none. */
  list(after: number, limit: number): ConversationSummary[] {
    const page: ConversationSummary[] = [];
    for (const conversation of this.conversations.values()) {
      if (conversation.key > after) page.push(conversation);
      if (page.length === limit) break;
    }
    return page;
  }

  /** Returns the users of a conversation, none if it does not exist. Looks at all users of the registry. */
  members(id: string): Membership<C>[] {
    const members: Membership<C>[] = [];
    const conversation = this.conversations.get(id);
    if (conversation === undefined) return members;
    for (const [userid, { connections, mutedByOperator, conversation: current }] of this.users) {
      if (current === conversation) members.push({ userid, connections: [...connections], mutedByOperator });
    }
    return members;
  }

  /**
   * Mutes a user of a conversation, or ends that. A mute holds wherever the user moves, for as long as they are known.
   *
   * @returns their connections; null if they are not in that conversation.
   */
  mute(userid: string, id: string, muted: boolean): C[] | null {
    const user = this.users.get(userid);
    if (user === undefined || user.conversation?.id !== id) return null;
    user.mutedByOperator = muted;
    this.watches.noteChange(userid);
    return [...user.connections];
  }

  /** Whether a user is in a conversation. */
  isIn(userid: string, id: string): boolean {
    return this.users.get(userid)?.conversation?.id === id;
  }

  /**
   * Adds a user's connection.
   *
   * @param fetched the user's membership as known elsewhere. It counts only for a user without another connection:
   *   the registry hears of all that happens to those who are connected.
   * @returns the user, and where the connection belongs; null if there is no room.
   */
  connect(
    userid: string,
    connection: C,
    fetched: FetchedMembership | null = null,
  ): { user: number; conversation: Conversation | null; mutedByOperator: boolean } | null {
    if (fetched !== null && !this.isConnected(userid) && !this.adopt(userid, fetched)) return null;
    const user = this.enter(userid);
    if (user === null) return null;
    user.connections.add(connection);
    this.waiting.delete(userid);
    return { user: user.key, conversation: user.conversation, mutedByOperator: user.mutedByOperator };
  }

  /** Removes a connection. The user's membership stays for a while, so that they can connect again. */
  disconnect(userid: string, connection: C, now: number): void {
    const user = this.users.get(userid);
    if (user === undefined || !user.connections.delete(connection)) return;
    this.wait(userid, user, now);
    this.dropIfIdle(userid, user);
  }

  /**
   * Moves a user into a conversation.
   *
   * @returns where their connections belong now; or what is full, and nothing has changed.
   */
  join(userid: string, id: string, now: number): Placement<C> | Full {
    const full = this.whatIsFull(this.users.get(userid)?.conversation ?? null, id);
    if (full !== null) return full;
    const user = this.enter(userid);
    if (user === null) return 'users';
    this.wait(userid, user, now);
    this.move(user, id);
    this.watches.noteChange(userid);
    return { connections: [...user.connections], conversation: user.conversation };
  }

  /** Takes a user out of a conversation if they are in it. @returns where their connections belong now. */
  leave(userid: string, id: string): Placement<C> {
    const user = this.users.get(userid);
    if (user === undefined || user.conversation?.id !== id) {
      this.watches.noteLeave(userid, id);
      return { connections: [], conversation: null };
    }
    this.vacate(user);
    this.dropIfIdle(userid, user);
    this.watches.noteChange(userid);
    return { connections: [...user.connections], conversation: null };
  }

  /** Forgets the memberships of users who have been without a connection for too long. @returns how many. */
  forget(now: number): number {
    let forgotten = 0;
    for (const [userid, user] of this.waiting) {
      if (user.forgetAt > now) break;
      this.vacate(user);
      this.users.delete(userid);
      this.waiting.delete(userid);
      forgotten++;
    }
    return forgotten;
  }

  /** Takes over a membership that is known elsewhere. @returns false if there is no room, and nothing has changed. */
  private adopt(userid: string, { conversation, mutedByOperator }: FetchedMembership): boolean {
    const current = this.users.get(userid)?.conversation ?? null;
    if (conversation !== null && this.whatIsFull(current, conversation) !== null) return false;
    const user = this.enter(userid);
    if (user === null) return false;
    user.mutedByOperator = mutedByOperator;
    if (conversation === null) this.vacate(user);
    else this.move(user, conversation);
    return true;
  }

  private move(user: User<C>, id: string): void {
    if (user.conversation?.id === id) return;
    this.vacate(user);
    const conversation = this.conversations.get(id) ?? { id, key: ++this.lastConversationKey, users: 0 };
    this.conversations.set(id, conversation);
    conversation.users++;
    user.conversation = conversation;
  }

  /** Returns the limit that keeps somebody in `current` from joining a conversation; null for none. */
  private whatIsFull(current: Occupied | null, id: string): Full | null {
    if (current?.id === id) return null;
    const { conversations, participants } = this.limits;
    const conversation = this.conversations.get(id);
    if (conversation !== undefined) return conversation.users < participants ? null : 'participants';
    // Somebody who is alone makes room by leaving: their conversation ends.
    const left = current?.users === 1 ? 1 : 0;
    return this.conversations.size - left < conversations ? null : 'conversations';
  }

  private enter(userid: string): User<C> | null {
    const known = this.users.get(userid);
    if (known !== undefined) return known;
    if (this.users.size >= this.limits.users) return null;
    const key = ++this.lastUserKey;
    const user: User<C> = { key, connections: new Set(), conversation: null, mutedByOperator: false, forgetAt: 0 };
    this.users.set(userid, user);
    return user;
  }

  private vacate(user: User<C>): void {
    const conversation = user.conversation;
    if (conversation === null) return;
    user.conversation = null;
    if (--conversation.users === 0) this.conversations.delete(conversation.id);
  }

  private dropIfIdle(userid: string, user: User<C>): void {
    // Leaving and coming back must not end a mute.
    if (user.connections.size > 0 || user.conversation !== null || user.mutedByOperator) return;
    this.users.delete(userid);
    this.waiting.delete(userid);
  }

  /** Starts, or restarts, the time that a user without a connection is remembered. */
  private wait(userid: string, user: User<C>, now: number): void {
    if (user.connections.size > 0) return;
    user.forgetAt = now + this.patience;
    this.waiting.delete(userid);
    this.waiting.set(userid, user);
  }
}
