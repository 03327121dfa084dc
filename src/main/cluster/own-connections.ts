/**
 * Keeps this instance's established connections in the records of their users. What is written is always what there is
 * by then, so a write can be repeated, can wait until NATS is back, and replaces whatever was written late.
 *
 * A client's connection that was in the record counts as known. If its client's entry is another connection's by then,
 * that one is newer, and the known one ends. One that was not in the record yet takes the entry over, unless it had to
 * wait and the client has connected to another instance meanwhile.
 */
import { RequestError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import type { EndReason } from '../telemetry.ts';
import { HerdQueue } from './herd-queue.ts';
import type { Instances } from './instances.ts';
import { MAX_RECORDED_CONNECTIONS, type RecordedConnection } from './messages/record.ts';
import type { Records, UserRecord } from './records.ts';
import type { StoredConnection } from './user-store.ts';

/** A connection that is recorded later than so long after it was established had to wait, milliseconds. */
const AT_ONCE_MS = 2000;

export interface OwnConnectionsParts<C> {
  readonly records: Pick<Records, 'change' | 'available'>;
  readonly instances: Pick<Instances, 'self' | 'isAlive'>;
  /** Most clients of one user. */
  readonly limit: number;
  readonly log: Log;
  /** Returns the established connections of a user on this instance. */
  of(userid: string): Iterable<C>;
  end(connection: C, reason: EndReason, detail: string): void;
  /** Milliseconds, the clock of the connections. */
  readonly now: () => number;
}

export class OwnConnections<C extends StoredConnection> {
  private readonly parts: OwnConnectionsParts<C>;
  private readonly incarnation: string;
  private readonly limit: number;
  private readonly known = new WeakSet<C>();
  /** The entries that clients had when their connections were established here. */
  private readonly earlier = new WeakMap<C, RecordedConnection>();
  private readonly queue: HerdQueue;

  constructor(parts: OwnConnectionsParts<C>) {
    this.parts = parts;
    this.incarnation = parts.instances.self.incarnation;
    this.limit = Math.min(parts.limit, MAX_RECORDED_CONNECTIONS);
    const { records } = parts;
    this.queue = new HerdQueue({ ready: () => records.available, act: (userid) => this.update(userid) });
  }

  /** Users whose connections are not written yet. */
  get unwritten(): number {
    return this.queue.size;
  }

  /** Writes a connection that was just established. @param record its user's. */
  add(connection: C, record: UserRecord | undefined): void {
    const { userid, clientid } = connection.claim;
    const entry = record?.connections.find((one) => one.clientid === clientid);
    if (entry !== undefined) this.earlier.set(connection, entry);
    this.write(userid);
  }

  /** Whether any of these connections was in its user's record. */
  knowsAny(connections: Iterable<C>): boolean {
    for (const connection of connections) if (this.known.has(connection)) return true;
    return false;
  }

  /** Writes the connections of a user, now or as soon as it is possible. */
  write(userid: string): void {
    this.queue.add(userid);
  }

  /** Waits for what is not written yet. @param timeout milliseconds. */
  close(timeout: number): Promise<void> {
    return this.queue.close(timeout);
  }

  /** Compares a user's record with their connections here, ends those that were replaced, and writes what is missing. */
  compare(userid: string, connections: readonly C[], record: UserRecord | null): void {
    const entries = record?.connections ?? [];
    const byClient = new Map(entries.map((entry) => [entry.clientid, entry]));
    let differs = false;
    const replaced: C[] = [];
    for (const connection of connections) {
      const entry = byClient.get(connection.claim.clientid);
      if (entry === undefined) differs = true;
      else if (entry.instance === this.incarnation && entry.connection === connection.id) this.known.add(connection);
      else if (entry.instance !== this.incarnation && this.known.has(connection)) replaced.push(connection);
      else differs = true;
    }
    const ids = new Set(connections.map(({ id }) => id));
    const strays = entries.some(({ instance, connection }) => instance === this.incarnation && !ids.has(connection));
    if (differs || strays) this.write(userid);
    for (const connection of replaced) this.endReplaced(connection);
  }

  /** Brings the record up to date. Rejects if it could not be changed now. */
  private async update(userid: string): Promise<void> {
    let merged: Merged<C> | null = null;
    try {
      await this.parts.records.change(userid, (before) => {
        merged = this.merge(before, [...this.parts.of(userid)]);
        const { connections } = merged;
        return same(before.connections, connections) ? before : { ...before, connections };
      });
    } catch (error) {
      if (!(error instanceof RequestError)) this.parts.log.error({ err: error }, 'connections could not be recorded');
      throw error;
    }
    const { replaced = [], refused = [] } = (merged as Merged<C> | null) ?? {};
    for (const connection of replaced) this.endReplaced(connection);
    for (const connection of refused) {
      this.parts.end(connection, 'full', 'the user has as many connections as allowed, on all instances together');
    }
  }

  private endReplaced(connection: C): void {
    this.parts.end(connection, 'replaced', 'a newer connection of the same client on another instance');
  }

  /** Returns the entries of a record with this instance's connections as they are. */
  private merge(before: UserRecord, mine: readonly C[]): Merged<C> {
    const { instances } = this.parts;
    const others = new Map<string, RecordedConnection>();
    for (const entry of before.connections) if (entry.instance !== this.incarnation) others.set(entry.clientid, entry);
    const replaced: C[] = [];
    const stay: C[] = [];
    for (const one of mine) {
      const entry = others.get(one.claim.clientid);
      if (entry === undefined || this.takesOver(one, entry)) {
        others.delete(one.claim.clientid);
        stay.push(one);
      } else replaced.push(one);
    }
    const connections = [...others.values()];
    const clients = new Set(connections.filter(({ instance }) => instances.isAlive(instance)).map(clientOf));
    const refused: C[] = [];
    for (const one of stay) {
      if (clients.size >= this.limit && !this.known.has(one)) refused.push(one);
      else connections.push(this.entryOf(one, before));
      clients.add(one.claim.clientid);
    }
    return { connections, refused, replaced };
  }

  /** Whether a connection takes over what its client has on another instance, which may be newer if this one waited. */
  private takesOver(connection: C, entry: RecordedConnection): boolean {
    if (this.known.has(connection)) return false;
    const waited = this.parts.now() - connection.establishedAt;
    if (waited < AT_ONCE_MS || !this.parts.instances.isAlive(entry.instance)) return true;
    const earlier = this.earlier.get(connection);
    return (earlier !== undefined && isSame(earlier, entry)) || (entry.waited ?? 0) > waited;
  }

  private entryOf(one: C, before: UserRecord): RecordedConnection {
    const { clientid } = one.claim;
    const entry = { clientid, instance: this.incarnation, connection: one.id };
    const known = before.connections.find((other) => isSame(other, entry));
    if (known !== undefined) return known;
    const waited = Math.round(this.parts.now() - one.establishedAt);
    return waited < AT_ONCE_MS ? entry : { ...entry, waited };
  }
}

interface Merged<C> {
  readonly connections: RecordedConnection[];
  /** More than the user may have. */
  readonly refused: readonly C[];
  readonly replaced: readonly C[];
}

function clientOf({ clientid }: RecordedConnection): string {
  return clientid;
}

function isSame(one: RecordedConnection, other: RecordedConnection): boolean {
  return one.clientid === other.clientid && one.instance === other.instance && one.connection === other.connection;
}

function same(a: readonly RecordedConnection[], b: readonly RecordedConnection[]): boolean {
  return a.length === b.length && a.every((one, i) => isSame(one, b[i]!));
}
