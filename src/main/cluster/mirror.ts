/**
 * This instance's copy of all records. Pure: what the bucket tells comes by {@link Mirror.take}, in the bucket's order.
 *
 * After each break it is told everything anew, between {@link Mirror.beginReading} and {@link Mirror.endReading}. If
 * the bucket is another one by then, because NATS lost its disk, the records of the old one count on as `lost`, until
 * somebody has restored them. So do those that have vanished from the bucket without anybody having deleted them.
 */

import type { ReadCounts } from './messages/read.ts';
import { blankRecord, readRecord, recordKey, type UserRecord } from './messages/record.ts';

interface Entry {
  /** Null if there has never been a readable record. */
  userid: string | null;
  /** Null if what the bucket has is malformed. */
  record: UserRecord | null;
  /** Revision in the bucket; 0 if the bucket that had it is lost. */
  revision: number;
}

/** What is left of a deleted record until somebody purges it. */
export interface Marker {
  readonly revision: number;
  /** When it was told, milliseconds. */
  readonly at: number;
}

interface Waiter {
  holds(): boolean;
  resolve(): void;
}

/** Told of each record that changed. @param record null if it is gone. */
export type RecordListener = (userid: string, record: UserRecord | null) => void;

export interface MirrorParts {
  /** Must not throw. */
  readonly changed: RecordListener;
  readonly counts: ReadCounts;
  /** Most records; more are ignored. */
  readonly limit: number;
  /** Milliseconds. */
  readonly now: () => number;
}

export class Mirror {
  /** The latest revision of the bucket that this copy has. */
  revision = 0;
  /** Records that were ignored because there are too many. */
  overflow = 0;
  /** Delete markers that the bucket may have, by key, oldest first. */
  readonly markers = new Map<string, Marker>();
  private readonly parts: MirrorParts;
  private readonly entries = new Map<string, Entry>();
  private readonly waiters = new Map<string, Set<Waiter>>();
  /** Keys that the bucket told since the reading began; null while none goes on. */
  private told: Set<string> | null = null;

  constructor(parts: MirrorParts) {
    this.parts = parts;
  }

  /** Records in the bucket, malformed ones included, as far as this copy knows. */
  get size(): number {
    return this.entries.size;
  }

  get(userid: string): UserRecord | undefined {
    return this.entries.get(recordKey(userid))?.record ?? undefined;
  }

  *all(): Iterable<UserRecord> {
    for (const { record } of this.entries.values()) if (record !== null) yield record;
  }

  /** Returns the records of a lost bucket that nobody has restored yet. */
  *lost(): Iterable<UserRecord> {
    for (const { record, revision } of this.entries.values()) if (revision === 0 && record !== null) yield record;
  }

  /**
   * Returns a user's record, a blank one for none, the revision to change it from, 0 for none, and whether the bucket
   * that had it is lost.
   */
  look(userid: string): { record: UserRecord; revision: number; lost: boolean } {
    const entry = this.entries.get(recordKey(userid));
    const revision = entry?.revision ?? 0;
    return { record: entry?.record ?? blankRecord(userid), revision, lost: entry !== undefined && revision === 0 };
  }

  /** Whether records that were ignored would find room now. */
  get hasRoomAgain(): boolean {
    return this.overflow > 0 && this.entries.size < this.parts.limit;
  }

  /** Everything will be told anew. @param lost whether the bucket is another one than before. */
  beginReading(lost: boolean): void {
    this.told = new Set();
    this.overflow = 0;
    if (!lost) return;
    this.revision = 0;
    for (const [key, entry] of this.entries) {
      // What was malformed nobody can restore, so it is not lost but gone.
      if (entry.record === null) this.entries.delete(key);
      else entry.revision = 0;
    }
  }

  /** Returns the keys that this copy has, and that were not told since the reading began. */
  untold(): string[] {
    const { told } = this;
    return [...this.entries]
      .filter(([key, { revision }]) => revision > 0 && told?.has(key) === false)
      .map(([key]) => key);
  }

  /** The bucket has a key that was not told: its value comes later. */
  hasStill(key: string): void {
    this.told?.add(key);
  }

  /**
   * Everything was told. What was not is gone.
   *
   * @param revision the bucket had when the reading began.
   * @param marked whether the delete marker of each record that was deleted must still be there.
   * @returns how many records have vanished without one, and count as lost.
   */
  endReading(revision: number, marked = false): number {
    const told = this.told ?? new Set();
    this.told = null;
    this.revision = Math.max(this.revision, revision);
    let vanished = 0;
    for (const [key, entry] of this.entries) {
      if (entry.revision === 0 || told.has(key)) continue;
      if (!marked || entry.record === null) this.remove(key, entry);
      else {
        entry.revision = 0;
        vanished++;
      }
    }
    for (const key of this.markers.keys()) if (!told.has(key)) this.markers.delete(key);
    for (const key of [...this.waiters.keys()]) this.wake(key);
    return vanished;
  }

  /** The bucket tells a key's new value. @param value null for a delete marker. */
  take(key: string, revision: number, value: Uint8Array | null): void {
    this.told?.add(key);
    this.revision = Math.max(this.revision, revision);
    const entry = this.entries.get(key);
    if (value === null) {
      this.mark(key, revision);
      if (entry !== undefined) this.remove(key, entry);
    } else if (entry === undefined || entry.revision < revision) {
      this.markers.delete(key);
      this.put(key, entry, revision, value);
    }
    this.wake(key);
  }

  /** Resolves once this copy has a revision of a record. Rejects with the signal's reason. */
  reaches(userid: string, revision: number, signal: AbortSignal): Promise<void> {
    return this.wait(recordKey(userid), () => this.revision >= revision, signal);
  }

  /** Resolves once the revision of a record is another one, or the record is gone. Rejects likewise. */
  leaves(userid: string, revision: number, signal: AbortSignal): Promise<void> {
    const key = recordKey(userid);
    return this.wait(key, () => (this.entries.get(key)?.revision ?? 0) !== revision, signal);
  }

  private put(key: string, entry: Entry | undefined, revision: number, value: Uint8Array): void {
    const { changed, counts, limit } = this.parts;
    if (entry === undefined && this.entries.size >= limit) {
      this.overflow++;
      return;
    }
    const before = entry?.record ?? null;
    const record = keepRights(readRecord(key, value, counts), before);
    const userid = record?.userid ?? entry?.userid ?? null;
    this.entries.set(key, { userid, record, revision });
    if (userid !== null && (record !== null || before !== null)) changed(userid, record);
  }

  private mark(key: string, revision: number): void {
    if (this.markers.get(key)?.revision === revision) return;
    this.markers.delete(key);
    this.markers.set(key, { revision, at: this.parts.now() });
  }

  private remove(key: string, { userid, record }: Entry): void {
    this.entries.delete(key);
    if (userid !== null && record !== null) this.parts.changed(userid, null);
  }

  private wait(key: string, holds: () => boolean, signal: AbortSignal): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const waiter = { holds, resolve };
      this.waiters.set(key, (this.waiters.get(key) ?? new Set()).add(waiter));
      const late = (): void => {
        this.forget(key, waiter);
        reject(signal.reason);
      };
      signal.addEventListener('abort', late, { once: true });
    });
  }

  private wake(key: string): void {
    for (const waiter of this.waiters.get(key) ?? []) {
      if (!waiter.holds()) continue;
      this.forget(key, waiter);
      waiter.resolve();
    }
  }

  private forget(key: string, waiter: Waiter): void {
    const waiters = this.waiters.get(key);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.waiters.delete(key);
  }
}

/** An instance of an older version, which does not know of rights, leaves them out of whatever it writes. */
function keepRights(record: UserRecord | null, before: UserRecord | null): UserRecord | null {
  if (record === null || record.rights !== undefined || before?.rights === undefined) return record;
  return { ...record, rights: before.rights };
}
