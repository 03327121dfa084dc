/**
 * Keeps this instance's established connections in the records of their users. What is written is always what there is
 * by then, so a write can be repeated, can wait until NATS is back, and replaces whatever was written late.
 *
 * A client's connection that was in the record counts as known. If its client's entry is another connection's by then,
 * that one is newer, and the known one ends. One that was not in the record yet takes the entry over.
 */
import { RequestError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import type { EndReason } from '../telemetry.ts';
import { HerdQueue } from './herd-queue.ts';
import type { Instances } from './instances.ts';
import { MAX_RECORDED_CONNECTIONS, type RecordedConnection } from './messages/record.ts';
import type { Records, UserRecord } from './records.ts';
import type { StoredConnection } from './user-store.ts';

export interface OwnConnectionsParts<C> {
  readonly records: Pick<Records, 'change' | 'available'>;
  readonly instances: Pick<Instances, 'self' | 'isAlive'>;
  /** Most clients of one user. */
  readonly limit: number;
  readonly log: Log;
  /** Returns the established connections of a user on this instance. */
  of(userid: string): Iterable<C>;
  end(connection: C, reason: EndReason, detail: string): void;
}

export class OwnConnections<C extends StoredConnection> {
  private readonly parts: OwnConnectionsParts<C>;
  private readonly incarnation: string;
  private readonly limit: number;
  private readonly known = new WeakSet<C>();
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
    for (const connection of replaced) {
      this.parts.end(connection, 'replaced', 'a newer connection of the same client on another instance');
    }
  }

  /** Brings the record up to date. Rejects if it could not be changed now. */
  private async update(userid: string): Promise<void> {
    let refused: readonly C[] = [];
    try {
      await this.parts.records.change(userid, (before) => {
        const merged = this.merge(before, [...this.parts.of(userid)]);
        refused = merged.refused;
        return same(before.connections, merged.connections) ? before : { ...before, connections: merged.connections };
      });
    } catch (error) {
      if (!(error instanceof RequestError)) this.parts.log.error({ err: error }, 'connections could not be recorded');
      throw error;
    }
    for (const connection of refused) {
      this.parts.end(connection, 'full', 'the user has as many connections as allowed, on all instances together');
    }
  }

  /** Returns the entries of a record with this instance's connections as they are. */
  private merge(before: UserRecord, mine: readonly C[]): { connections: RecordedConnection[]; refused: C[] } {
    const newcomers = new Set(mine.filter((one) => !this.known.has(one)).map(({ claim }) => claim.clientid));
    const others = before.connections.filter(
      ({ instance, clientid }) => instance !== this.incarnation && !newcomers.has(clientid),
    );
    const clients = new Set<string>();
    for (const { instance, clientid } of others) if (this.parts.instances.isAlive(instance)) clients.add(clientid);
    const taken = new Set(others.map(({ clientid }) => clientid));
    const connections = [...others];
    const refused: C[] = [];
    for (const one of mine) {
      const { clientid } = one.claim;
      // Somebody else's by now: it ends when the record is applied.
      if (taken.has(clientid)) continue;
      if (clients.size >= this.limit && !this.known.has(one)) refused.push(one);
      else connections.push({ clientid, instance: this.incarnation, connection: one.id });
      clients.add(clientid);
    }
    return { connections, refused };
  }
}

function same(a: readonly RecordedConnection[], b: readonly RecordedConnection[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, i) => {
      const other = b[i]!;
      return one.clientid === other.clientid && one.instance === other.instance && one.connection === other.connection;
    })
  );
}
