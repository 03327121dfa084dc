/**
 * The memberships of a cluster: changes go to the users' records, and what the records say takes effect here.
 *
 * It also keeps this instance's part of the records, the connections: see {@link OwnConnections}.
 */
import type { Config } from '../config.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { Applied, RecordedUser } from '../conversations/registry-types.ts';
import { bannedFor, type Grant, withBan, withGrant, withWord } from '../conversations/rights.ts';
import type { Log } from '../log/log.ts';
import { type Done, type MembershipStore, notBanned, notThere, type Placing } from '../memberships/membership-store.ts';
import { bannedError, fullError } from '../memberships/refusals.ts';
import type { EndReason } from '../telemetry.ts';
import type { Instances } from './instances.ts';
import { blankRecord, isBlank, rightsOf, withRights } from './messages/record.ts';
import { OwnConnections } from './own-connections.ts';
import type { Edit, Records, UserRecord } from './records.ts';
import { UsersByInstance } from './users-by-instance.ts';

/** An established connection as it is seen here. */
export interface StoredConnection {
  readonly id: number;
  /** When it was established, milliseconds. */
  readonly establishedAt: number;
  readonly claim: { readonly userid: string; readonly clientid: string };
}

/** The connections of this instance. */
export interface StoredConnections<C> extends Placing<C> {
  end(connection: C, reason: EndReason, detail: string): void;
}

export interface UserStoreParts<C> {
  readonly config: Pick<
    Config,
    'MAX_MEMBERSHIPS' | 'MAX_CONVERSATIONS' | 'MAX_PARTICIPANTS' | 'MAX_CONNECTIONS_PER_USER'
  >;
  readonly records: Records;
  readonly instances: Pick<Instances, 'self' | 'isAlive' | 'watch'>;
  readonly registry: Conversations<C>;
  /** Whether NATS can be reached, for memberships and for media. */
  readonly reaches: () => boolean;
  readonly log: Log;
  /** Milliseconds. */
  readonly now: () => number;
}

export class UserStore<C extends StoredConnection> implements MembershipStore {
  readonly shared = true;
  private readonly parts: UserStoreParts<C>;
  private readonly own: OwnConnections<C>;
  private readonly users = new UsersByInstance();
  /** Users whose latest move was into a conversation that was full already. */
  private readonly overfull = new Set<string>();
  /** Users whose records the others have removed, because they took this instance for dead for too long. */
  private readonly forgotten = new Set<string>();
  private connections: StoredConnections<C> | null = null;

  constructor(parts: UserStoreParts<C>) {
    const { instances, registry, config, log, now } = parts;
    const limit = config.MAX_CONNECTIONS_PER_USER;
    this.parts = parts;
    this.own = new OwnConnections({
      records: this.changes,
      instances,
      limit,
      log,
      now,
      of: (userid) => registry.connectionsOf(userid),
      end: (connection, reason, detail) => this.connections?.end(connection, reason, detail),
    });
  }

  /** Applies all records, and each that changes from now on. Call it once the records have been read. */
  start(connections: StoredConnections<C>): void {
    const { records, instances } = this.parts;
    this.connections = connections;
    records.watch((userid, record) => this.apply(userid, record));
    const reapply = ({ incarnation }: { incarnation: string }): void => this.reapply(incarnation);
    instances.watch({
      appeared: reapply,
      gone: reapply,
      settled: () => {
        for (const [incarnation] of this.dead()) this.reapply(incarnation);
      },
    });
    for (const record of records.all()) this.apply(record.userid, record);
  }

  /** Writes what has not been written yet of this instance's connections. @param timeout milliseconds. */
  close(timeout: number): Promise<void> {
    return this.own.close(timeout);
  }

  get whole(): boolean {
    return this.parts.reaches();
  }

  /** Users whose connections on this instance are not in their records yet. */
  get unwritten(): number {
    return this.own.unwritten;
  }

  join(userid: string, conversation: string, grant: Grant | null = null): Promise<undefined> {
    return this.enter(userid, conversation, grant);
  }

  grant(userid: string, conversation: string, grant: Grant): Done {
    return this.change(userid, (before) => {
      if (before.conversation !== conversation) return before;
      return withRights(before, withGrant(rightsOf(before), grant));
    });
  }

  leave(userid: string, conversation: string): Done {
    return this.change(userid, (before) => (before.conversation === conversation ? outOf(before, false) : before));
  }

  kick(userid: string, conversation: string): Done {
    return this.change(userid, (before) => {
      if (before.conversation !== conversation) throw notThere();
      return outOf(before, true);
    });
  }

  ban(userid: string, conversation: string, seconds: number | null): Done {
    const { registry, config } = this.parts;
    return this.change(userid, (before) => {
      const date = Date.now();
      const rights = rightsOf(before);
      if (seconds === null) {
        if (bannedFor(rights, conversation, date) === 0) throw notBanned();
        return withRights(before, withBan(rights, conversation, null, date));
      }
      if (isBlank(before) && registry.userCount >= config.MAX_MEMBERSHIPS) throw fullError('users', config);
      const banned = withRights(before, withBan(rights, conversation, date + seconds * 1000, date));
      return before.conversation === conversation ? outOf(banned, true) : banned;
    });
  }

  mute(userid: string, conversation: string, muted: boolean): Done {
    return this.change(userid, (before) => {
      if (before.conversation !== conversation) throw notThere();
      return before.mutedByOperator === muted ? before : { ...before, mutedByOperator: muted };
    });
  }

  letSpeak(userid: string, conversation: string, speak: boolean): Done {
    return this.change(userid, (before) => {
      if (before.conversation !== conversation) throw notThere();
      return withRights(before, withWord(rightsOf(before), conversation, speak));
    });
  }

  /** A connection of this instance was established. */
  established(connection: C): void {
    this.own.add(connection, this.parts.records.get(connection.claim.userid));
  }

  /** An established connection of this instance ended. */
  ended({ claim }: C): void {
    this.own.write(claim.userid);
  }

  /** Returns the clients of a user that are connected to other living instances. */
  elsewhere(userid: string): string[] {
    return this.othersOf(this.parts.records.get(userid)).map(({ clientid }) => clientid);
  }

  /** Returns the users with connections on instances that do not live, with the incarnations of these. */
  *dead(): Iterable<[incarnation: string, userids: ReadonlySet<string>]> {
    for (const incarnation of this.users.instances()) {
      if (!this.parts.instances.isAlive(incarnation)) yield [incarnation, this.users.of(incarnation)];
    }
  }

  private async change(userid: string, edit: Edit): Promise<undefined> {
    await this.changes.change(userid, edit);
  }

  /** Changes of records that begin with what this instance knows, where the others have forgotten it. */
  private get changes(): Pick<Records, 'available' | 'change'> {
    const { records } = this.parts;
    return {
      get available() {
        return records.available;
      },
      change: async (userid, edit) => {
        if (this.forgotten.has(userid)) await records.change(userid, (before) => this.remember(before));
        return records.change(userid, edit);
      },
    };
  }

  private remember(before: UserRecord): UserRecord {
    const membership = this.parts.registry.find(before.userid);
    return isBlank(before) && membership !== null ? { ...before, ...membership } : before;
  }

  private async enter(userid: string, conversation: string, grant: Grant | null): Promise<undefined> {
    const { registry, config } = this.parts;
    let previous: UserRecord = blankRecord(userid);
    await this.change(userid, (before) => {
      const left = bannedFor(rightsOf(before), conversation, Date.now());
      if (left > 0) throw bannedError(left);
      const full = registry.whatKeepsOut(userid, conversation);
      if (full !== null) throw fullError(full, config);
      previous = before;
      const stays = before.conversation === conversation;
      const granted = withRights(before, withGrant(rightsOf(before), grant, stays));
      // Who has no connection is remembered anew from now on, so all instances have to hear of it.
      if (stays && before.connections.length > 0) return granted;
      return { ...granted, conversation, kicked: false };
    });
    if (!this.overfull.has(userid)) return;
    await this.change(userid, (before) => {
      if (before.conversation !== conversation || !this.overfull.has(userid)) return before;
      const { conversation: back } = previous;
      if (back === null || back === conversation || registry.whatKeepsOut(userid, back) !== null) return outOf(before);
      // An operator may have banned them from there meanwhile.
      if (bannedFor(rightsOf(before), back, Date.now()) > 0) return outOf(before);
      return withRights({ ...before, conversation: back }, withGrant(rightsOf(before), rightsOf(previous).grant));
    });
    throw fullError('participants', config);
  }

  private apply(userid: string, record: UserRecord | null): void {
    const { registry, now } = this.parts;
    this.users.set(userid, record);
    if (record === null && this.isForgotten(userid)) {
      this.forgotten.add(userid);
      return this.own.write(userid);
    }
    this.forgotten.delete(userid);
    const applied = registry.apply(userid, record === null ? null : this.summary(record), now());
    if (applied.overfull) this.overfull.add(userid);
    else if (applied.moved) this.overfull.delete(userid);
    this.takeEffect(applied, record?.kicked ?? false);
    this.own.compare(userid, applied.connections, record);
  }

  /** Whether a record that is gone was that of a member who is connected here, as it said. */
  private isForgotten(userid: string): boolean {
    const { registry } = this.parts;
    const membership = registry.find(userid);
    if (membership === null || (membership.conversation === null && !membership.mutedByOperator)) return false;
    return this.own.knowsAny(registry.connectionsOf(userid));
  }

  private takeEffect(applied: Applied<C>, kicked: boolean): void {
    if (applied.muteChanged) this.connections?.mute(applied.connections, applied.mutedByOperator);
    if (applied.moved) this.connections?.place(applied, kicked && applied.conversation === null);
    else this.connections?.letSpeak(applied.connections, applied.maySpeak);
  }

  /** An instance appeared or is gone: its connections count, or do not count any more. */
  private reapply(incarnation: string): void {
    const { records, registry, now } = this.parts;
    for (const userid of this.users.of(incarnation)) {
      const record = records.get(userid);
      if (record !== undefined) registry.apply(userid, this.summary(record), now());
    }
  }

  private summary(record: UserRecord): RecordedUser {
    const { conversation, mutedByOperator, kicked } = record;
    const elsewhere = this.othersOf(record).length;
    return { conversation, mutedByOperator, kicked, rights: rightsOf(record), elsewhere };
  }

  private othersOf(record: UserRecord | undefined): UserRecord['connections'] {
    const { instances } = this.parts;
    const others = record?.connections.filter(({ instance }) => {
      return instance !== instances.self.incarnation && instances.isAlive(instance);
    });
    return others ?? [];
  }
}

/** Returns a record whose user is in no conversation. @param kicked whether an operator took them out. */
function outOf(record: UserRecord, kicked = record.kicked): UserRecord {
  return withRights({ ...record, conversation: null, kicked }, withGrant(rightsOf(record), null));
}
