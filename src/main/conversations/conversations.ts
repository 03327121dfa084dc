/**
 * Who is in which conversation. Pure: no sockets, no workers, no clock.
 *
 * The members are users. A user is in one conversation at most, with all their connections at once, and may be in it
 * before they connect and for a while after they have disconnected.
 *
 * In a cluster it mirrors the records of all users, by {@link Conversations.apply}: only the cluster decides who is in
 * which conversation and who is forgotten. Connections are then those of this instance; of the others it has the count.
 */
import { type FetchedMembership, MembershipWatches } from './membership-watch.ts';
import { type ConversationFollower, type ConversationSummary, OccupiedConversations } from './occupied.ts';
import type {
  Applied,
  Connected,
  ConversationLimits,
  Full,
  Leaving,
  Membership,
  MembershipObserver,
  Placement,
  RecordedUser,
} from './registry-types.ts';
import { connectedTo, membershipOf, placementOf, type User } from './registry-user.ts';
import { RegistryUsers } from './registry-users.ts';
import { afterwards, FULL_RIGHTS, type Grant, type Rights, withBan, withGrant, withWord } from './rights.ts';
import { UserNumbers } from './user-numbers.ts';

/** Clocks of instances may differ by so much when a user is forgotten, milliseconds. */
const FORGET_SLACK_MS = 1000;

/** What a change led to that concerned nobody. */
const NOTHING: Applied<never> = {
  connections: [],
  conversation: null,
  mutedByOperator: false,
  maySpeak: true,
  moved: false,
  muteChanged: false,
  overfull: false,
};

/** The registry. `C` is the caller's type of connection. */
export class Conversations<C> {
  /** Memberships that are being fetched from elsewhere. */
  readonly watches = new MembershipWatches();
  observer: MembershipObserver | null = null;
  private readonly users: RegistryUsers<C>;
  private readonly conversations: OccupiedConversations;

  /** @param patience how long a membership outlasts its user's last connection, milliseconds. */
  constructor(limits: ConversationLimits, patience: number, numbers = new UserNumbers()) {
    this.users = new RegistryUsers(limits.users, patience, numbers);
    this.conversations = new OccupiedConversations(limits);
  }

  /** Users known, connected or with a membership. */
  get userCount(): number {
    return this.users.size;
  }

  get conversationCount(): number {
    return this.conversations.count;
  }

  /** Whether a user has a connection here. */
  isConnected(userid: string): boolean {
    return (this.users.get(userid)?.connections.size ?? 0) > 0;
  }

  /** Lists conversations in the order in which they began. @param after key of the last one known, 0 for none. */
  list(after: number, limit: number): ConversationSummary[] {
    return this.conversations.list(after, limit);
  }

  /** Tells when a conversation begins and ends, of {@link OccupiedConversations.follow}. */
  follow(id: string, follower: ConversationFollower): () => void {
    return this.conversations.follow(id, follower);
  }

  /** Returns the ids of all conversations. */
  ids(): Iterable<string> {
    return this.conversations.ids();
  }

  /** Returns the users of a conversation, none if it does not exist. Looks at all users of the registry. */
  members(id: string): Membership<C>[] {
    const members: Membership<C>[] = [];
    const conversation = this.conversations.get(id);
    if (conversation === undefined) return members;
    for (const [userid, user] of this.users.entries()) {
      if (user.conversation === conversation) members.push(membershipOf(userid, user));
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
    if (user.mutedByOperator !== muted) this.observer?.silenced(userid, id, muted);
    user.mutedByOperator = muted;
    this.watches.noteChange(userid);
    return [...user.connections];
  }

  /**
   * Gives a user the right to speak in a conversation, or takes it, for as long as they are known.
   *
   * @returns their connections; null if they are not in that conversation.
   */
  letSpeak(userid: string, id: string, speak: boolean): C[] | null {
    const user = this.users.get(userid);
    if (user === undefined || user.conversation?.id !== id) return null;
    user.rights = withWord(user.rights, id, speak);
    this.watches.noteChange(userid);
    return [...user.connections];
  }

  /**
   * Bans a user from a conversation that they are not in, or ends that.
   *
   * @param until null to end it. @param date now; both in milliseconds since 1970. @param now as elsewhere.
   * @returns false if there is no room for another user.
   */
  ban(userid: string, id: string, until: number | null, date: number, now: number): boolean {
    const user = this.users.enter(userid);
    if (user === null) return false;
    user.rights = withBan(user.rights, id, until, date);
    this.users.wait(userid, user, now);
    this.users.dropIfIdle(userid, user);
    this.watches.noteChange(userid);
    return true;
  }

  /** Returns where a user is, whether an operator muted them, and their rights; null if they are not known. */
  find(userid: string): FetchedMembership | null {
    const user = this.users.get(userid);
    if (user === undefined) return null;
    const { conversation, mutedByOperator, rights } = user;
    return { conversation: conversation?.id ?? null, mutedByOperator, rights };
  }

  /** Returns the rights of a user of a conversation; null if they are not in it. */
  rightsIn(userid: string, id: string): Rights | null {
    const user = this.users.get(userid);
    return user?.conversation?.id === id ? user.rights : null;
  }

  /** Whether a user is in a conversation. */
  isIn(userid: string, id: string): boolean {
    return this.users.get(userid)?.conversation?.id === id;
  }

  /** Returns what keeps a user from joining a conversation; null for nothing. */
  whatKeepsOut(userid: string, id: string): Full | null {
    const user = this.users.get(userid);
    const full = this.conversations.whatIsFull(user?.conversation ?? null, id);
    if (full !== null) return full;
    return user === undefined && this.users.full ? 'users' : null;
  }

  /**
   * Takes over what the cluster knows of a user, whatever the limits.
   *
   * @param state null if it has no record of them any more. @param now starts, or restarts, the time that a user
   *   without a connection is remembered; milliseconds.
   * @returns where their connections of this instance belong now.
   */
  apply(userid: string, state: RecordedUser | null, now: number): Applied<C> {
    const known = this.users.get(userid);
    if (known === undefined && state === null) return NOTHING;
    const user = known ?? this.users.add(userid);
    const muteChanged = user.mutedByOperator !== (state?.mutedByOperator ?? false);
    const why = state?.kicked === true ? 'kicked' : this.hasExpired(userid, now + FORGET_SLACK_MS) ? 'expired' : 'left';
    const before = user.conversation;
    user.mutedByOperator = state?.mutedByOperator ?? false;
    user.rights = state?.rights ?? FULL_RIGHTS;
    user.elsewhere = state?.elsewhere ?? 0;
    user.recorded = state !== null;
    if (user.elsewhere > 0) this.users.endWait(userid);
    else this.users.wait(userid, user, now);
    if (state === null || state.conversation === null) this.vacate(user);
    else this.move(user, state.conversation);
    this.users.dropIfIdle(userid, user);
    this.watches.noteChange(userid);
    const { mutedByOperator } = user;
    const placement = placementOf(user);
    const { conversation } = placement;
    const moved = conversation !== before;
    this.noteMove(userid, before, conversation, why);
    const where = conversation ?? before;
    if (muteChanged && state !== null && where !== null) this.observer?.silenced(userid, where.id, mutedByOperator);
    const overfull = moved && conversation !== null && this.conversations.overfull(conversation);
    return { ...placement, mutedByOperator, moved, muteChanged, overfull };
  }

  /** Whether a user has been without any connection for too long. */
  hasExpired(userid: string, now: number): boolean {
    return this.users.hasExpired(userid, now);
  }

  /** Looks at a user who has expired later again: the cluster has a reason to keep them. */
  waitAgain(userid: string, now: number): void {
    this.users.waitAgain(userid, now);
  }

  /** Returns a user's connections of this instance. */
  connectionsOf(userid: string): Iterable<C> {
    return this.users.get(userid)?.connections ?? [];
  }

  /** Returns the users who have been without any connection for too long, in the order in which they lost it. */
  expired(now: number): Iterable<string> {
    return this.users.expired(now);
  }

  /**
   * Adds a user's connection.
   *
   * @param fetched the user's membership as known elsewhere. It counts only for a user without another connection:
   *   the registry hears of all that happens to those who are connected.
   * @returns the user, and where the connection belongs; null if there is no room.
   */
  connect(userid: string, connection: C, fetched: FetchedMembership | null = null): Connected | null {
    if (fetched !== null && !this.isConnected(userid) && !this.adopt(userid, fetched)) return null;
    const user = this.users.enter(userid);
    if (user === null) return null;
    user.connections.add(connection);
    this.users.endWait(userid);
    return connectedTo(user);
  }

  /** Removes a connection. The user's membership stays for a while, so that they can connect again. */
  disconnect(userid: string, connection: C, now: number): void {
    const user = this.users.get(userid);
    if (user === undefined || !user.connections.delete(connection)) return;
    this.users.wait(userid, user, now);
    this.users.dropIfIdle(userid, user);
  }

  /**
   * Moves a user into a conversation.
   *
   * @param grant what the permission for it grants; null if none was asked for.
   * @returns where their connections belong now; or what is full, and nothing has changed.
   */
  join(userid: string, id: string, now: number, grant: Grant | null = null): Placement<C> | Full {
    const full = this.whatKeepsOut(userid, id);
    if (full !== null) return full;
    const user = this.users.get(userid) ?? this.users.add(userid);
    const before = user.conversation;
    this.users.wait(userid, user, now);
    user.rights = withGrant(user.rights, grant, user.conversation?.id === id);
    this.move(user, id);
    this.noteMove(userid, before, user.conversation);
    this.watches.noteChange(userid);
    return placementOf(user);
  }

  /** Takes a user out of a conversation if they are in it. @returns where their connections belong now. */
  leave(userid: string, id: string, why: Leaving = 'left'): Placement<C> {
    const user = this.users.get(userid);
    if (user === undefined || user.conversation?.id !== id) {
      this.watches.noteLeave(userid, id);
      return { connections: [], conversation: null, maySpeak: true };
    }
    const before = user.conversation;
    this.vacate(user);
    user.rights = withGrant(user.rights, null);
    this.noteMove(userid, before, null, why);
    this.users.dropIfIdle(userid, user);
    this.watches.noteChange(userid);
    return placementOf(user);
  }

  /**
   * Forgets the memberships of users who have been without a connection for too long. Those of whom the cluster has a
   * record stay: it forgets them itself. Bans stay until they end.
   *
   * @param date milliseconds since 1970.
   * @returns how many.
   */
  forget(now: number, date: number): number {
    let forgotten = 0;
    for (const userid of [...this.expired(now)]) {
      const user = this.users.get(userid)!;
      if (user.recorded) continue;
      const before = user.conversation;
      this.vacate(user);
      this.noteMove(userid, before, null, 'expired');
      forgotten++;
      const left = afterwards(user.rights, date);
      if (left === null) {
        this.users.drop(userid);
        continue;
      }
      user.rights = left;
      user.mutedByOperator = false;
      this.users.wait(userid, user, now);
    }
    return forgotten;
  }

  /** Takes over a membership that is known elsewhere. @returns false if there is no room, and nothing has changed. */
  private adopt(userid: string, { conversation, mutedByOperator, rights = FULL_RIGHTS }: FetchedMembership): boolean {
    const current = this.users.get(userid)?.conversation ?? null;
    if (conversation !== null && this.conversations.whatIsFull(current, conversation) !== null) return false;
    const user = this.users.enter(userid);
    if (user === null) return false;
    user.mutedByOperator = mutedByOperator;
    user.rights = rights;
    if (conversation === null) this.vacate(user);
    else this.move(user, conversation);
    this.noteMove(userid, current, user.conversation);
    return true;
  }

  private noteMove(
    userid: string,
    from: ConversationSummary | null,
    to: ConversationSummary | null,
    why: Leaving = 'left',
  ): void {
    if (from !== to) this.observer?.moved(userid, from, to, why);
  }

  private move(user: User<C>, id: string): void {
    if (user.conversation?.id === id) return;
    this.vacate(user);
    user.conversation = this.conversations.enter(id);
  }

  private vacate(user: User<C>): void {
    const conversation = user.conversation;
    if (conversation === null) return;
    user.conversation = null;
    this.conversations.exit(conversation.id);
  }
}
