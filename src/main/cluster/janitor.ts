/**
 * Removes from the records what nobody else can: connections of dead instances, users who have been without a living
 * connection for too long, and delete markers. Each instance runs one, and the one with the lowest incarnation acts.
 *
 * After NATS has lost its disk, each instance restores the records of the users that are connected to it, and the
 * lowest one those of all others.
 */
import type { Conversations } from '../conversations/conversations.ts';
import { afterwards, type Rights } from '../conversations/rights.ts';
import type { Cancel, Timers } from '../timers.ts';
import { HerdQueue } from './herd-queue.ts';
import type { Instances } from './instances.ts';
import { blankRecord, rightsOf } from './messages/record.ts';
import type { Records, UserRecord } from './records.ts';

const INTERVAL_MS = 1000;
/** Most users that one round adds to those who are waiting. */
const MAX_A_ROUND = 1000;
/** How old a delete marker is when it is purged, milliseconds: every instance has seen it by then. */
const MARKER_MS = 10_000;
/** After this time the instances that do not purge forget a marker, milliseconds. */
const FORGET_MARKER_MS = 60_000;
/** Most markers that are purged in one round. */
const MAX_PURGES = 256;

export interface JanitorParts {
  readonly records: Records;
  readonly instances: Pick<Instances, 'self' | 'isAlive' | 'hasLeft' | 'settled' | 'leads'>;
  readonly registry: Pick<Conversations<unknown>, 'expired' | 'hasExpired' | 'waitAgain'>;
  /** The users with connections on dead instances. */
  readonly users: { dead(): Iterable<[incarnation: string, userids: ReadonlySet<string>]> };
  readonly timers: Timers;
  /** The registry's clock, milliseconds. */
  readonly now: () => number;
}

export class Janitor {
  private readonly parts: JanitorParts;
  private readonly cleaning: HerdQueue;
  private readonly restoring: HerdQueue;
  private readonly purging: HerdQueue;
  private stop: Cancel = () => undefined;

  constructor(parts: JanitorParts) {
    const { records, timers } = parts;
    this.parts = parts;
    const ready = (): boolean => records.available;
    this.cleaning = new HerdQueue({ ready, timers, act: (userid) => this.clean(userid) });
    this.restoring = new HerdQueue({ ready, timers, act: (userid) => this.restore(userid) });
    this.purging = new HerdQueue({ ready, timers, act: (key) => this.purge(key) });
  }

  start(): void {
    this.stop = this.parts.timers.every(INTERVAL_MS, () => this.look());
  }

  async close(): Promise<void> {
    this.stop();
    await Promise.all([this.cleaning.close(0), this.restoring.close(0), this.purging.close(0)]);
  }

  /** Looks for something to do. */
  look(): void {
    const { records, instances, timers } = this.parts;
    if (!records.available || !instances.settled) return;
    const now = timers.now();
    const { leads } = instances;
    for (const { userid, connections } of records.lost()) {
      if (this.restores(connections, leads) && !this.add(this.restoring, userid)) break;
    }
    if (leads) this.lookForWaste(now);
    for (const [key, { at }] of records.markers) {
      if (at > now - FORGET_MARKER_MS) break;
      records.markers.delete(key);
    }
  }

  private lookForWaste(now: number): void {
    const { records, registry, users } = this.parts;
    for (const [, userids] of users.dead()) {
      for (const userid of userids) if (this.hasWaste(userid) && !this.add(this.cleaning, userid)) return;
    }
    for (const userid of registry.expired(this.parts.now())) if (!this.add(this.cleaning, userid)) return;
    let purges = 0;
    for (const [key, { at }] of records.markers) {
      if (at > now - MARKER_MS || ++purges > MAX_PURGES) break;
      this.add(this.purging, key);
    }
  }

  /** @returns false if enough are waiting. */
  private add(queue: HerdQueue, userid: string): boolean {
    if (queue.size >= MAX_A_ROUND) return false;
    queue.add(userid);
    return true;
  }

  private restores(connections: UserRecord['connections'], leads: boolean): boolean {
    const { instances } = this.parts;
    const own = instances.self.incarnation;
    const living = connections.filter(({ instance }) => instances.isAlive(instance));
    return living.some(({ instance }) => instance === own) || (living.length === 0 && leads);
  }

  /** Removes dead connections from a record, and the record itself if its user has been away for too long. */
  private async clean(userid: string): Promise<void> {
    const { records, instances, registry, now } = this.parts;
    if (!instances.leads) return;
    let banned = false;
    await records.change(userid, (before) => {
      const connections = this.kept(before);
      const living = connections.some(({ instance }) => instances.isAlive(instance));
      // The registry knows each record that the edit gets, so somebody who has just come back has not expired.
      if (!living && registry.hasExpired(userid, now())) {
        const rights = afterwards(rightsOf(before), Date.now());
        banned = rights !== null;
        return rights === null ? blankRecord(userid) : onlyBanned(before, rights);
      }
      return connections.length === before.connections.length ? before : { ...before, connections };
    });
    if (banned) registry.waitAgain(userid, now());
  }

  private hasWaste(userid: string): boolean {
    const record = this.parts.records.get(userid);
    return record !== undefined && this.kept(record).length < record.connections.length;
  }

  /**
   * Returns the connections that stay in a record: the living ones. Without any, those of instances that have fallen
   * silent stay until the user is forgotten. They may come back, and then have to find a kick or a leave in the record.
   */
  private kept({ connections }: UserRecord): UserRecord['connections'] {
    const { instances } = this.parts;
    const living = connections.filter(({ instance }) => instances.isAlive(instance));
    return living.length > 0 ? living : connections.filter(({ instance }) => !instances.hasLeft(instance));
  }

  /** Writes a record of a lost bucket into the new one, unless somebody did. */
  private async restore(userid: string): Promise<void> {
    await this.parts.records.restore(userid);
  }

  private async purge(key: string): Promise<void> {
    const { records } = this.parts;
    const marker = records.markers.get(key);
    if (marker !== undefined) await records.purge(key, marker);
  }
}

/** Returns what stays of a forgotten user's record. @param rights bans that have not ended. */
function onlyBanned(before: UserRecord, rights: Rights): UserRecord {
  const { conversation, mutedByOperator, connections } = before;
  const same = conversation === null && !mutedByOperator && connections.length === 0;
  if (same && rightsOf(before).bans.length === rights.bans.length && rightsOf(before).words.length === 0) return before;
  return { ...blankRecord(before.userid), rights };
}
