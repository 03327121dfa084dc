/**
 * The records of all users: who is in which conversation, whom operators muted, and which instance has which of their
 * connections. They are in a bucket of NATS; each instance has a copy of all.
 *
 * A change takes effect only if nobody else changed the record meanwhile; otherwise it is made again from what the
 * other one left. So the order of a user's changes is the bucket's, whichever instances make them.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { clusterUnavailable, RequestError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import { SerialQueue } from '../memberships/serial-queue.ts';
import { type Timers, timers } from '../timers.ts';
import { type Bucket, Conflict, isMomentary, whyNotOpened } from './bucket.ts';
import { BucketFeed } from './bucket-feed.ts';
import { Deadline } from './deadline.ts';
import type { Link } from './link.ts';
import type { ReadCounts } from './messages/read.ts';
import { isBlank, recordKey, type UserRecord, writeRecord } from './messages/record.ts';
import { type Marker, Mirror, type RecordListener } from './mirror.ts';

export type { UserRecord } from './messages/record.ts';

/** NATS servers that have just started take seconds to elect who leads. How long a start waits for them, ms. */
const START_TIMEOUT_MS = 15_000;
const START_PAUSE_MS = 500;
/** Longest time that a change may take, milliseconds. */
const CHANGE_TIMEOUT_MS = 2000;
/** For so long after a change that NATS did not make it counts as refusing changes, milliseconds. */
const REFUSES_MS = 10_000;
/** Most changes of one user that may wait for each other. */
const MAX_WAITING = 64;
/** Longest pause after the first conflict, milliseconds. It grows with each further one. */
const CONFLICT_PAUSE_MS = 4;
const MAX_CONFLICT_PAUSE_MS = 100;

/** Makes a record from the one before. Returns the same object to change nothing. @throws RequestError to refuse. */
export type Edit = (before: UserRecord) => UserRecord;

export interface RecordsParts {
  readonly link: Pick<Link, 'connection' | 'connected' | 'watch'>;
  /** What the names of subjects and buckets begin with. */
  readonly cluster: string;
  /** On how many servers of NATS the bucket is made. */
  readonly replicas: number;
  /** Most records that are kept here; more are ignored, and counted. */
  readonly limit: number;
  /** Counts malformed records. */
  readonly counts: ReadCounts;
  readonly log: Log;
  readonly timers?: Timers;
}

export class Records {
  /** Changes that were made again because somebody else was faster. */
  conflicts = 0;
  private readonly name: string;
  private readonly parts: RecordsParts;
  private readonly mirror: Mirror;
  private readonly feed: BucketFeed;
  private readonly listeners = new Set<RecordListener>();
  private readonly lines = new SerialQueue(MAX_WAITING);
  private appliedAfterMs = 0;
  /** The latest change that NATS did not make, unless it has made another one since. */
  private refused: { readonly why: string; readonly at: number } | null = null;

  constructor(parts: RecordsParts) {
    const { link, cluster, replicas, limit, counts, log, timers: time = timers } = parts;
    this.parts = parts;
    this.name = `${cluster}_users`;
    const changed: RecordListener = (userid, record) => this.tell(userid, record);
    this.mirror = new Mirror({ changed, counts, limit, now: () => time.now() });
    const bucket = { name: this.name, replicas };
    this.feed = new BucketFeed({ link, bucket, inboxes: `${cluster}.inbox`, mirror: this.mirror, log, timers: time });
  }

  /** Makes the bucket if there is none, and reads all records. @throws Error for operators, if NATS refuses. */
  async start(): Promise<void> {
    const until = performance.now() + START_TIMEOUT_MS;
    while (!(await this.started(until))) await pause(START_PAUSE_MS);
    const { replicas } = this.parts;
    const { replicas: actual = replicas } = this.feed.current ?? {};
    const next = `nats stream edit KV_${this.name} --replicas ${replicas}`;
    if (actual !== replicas)
      this.parts.log.warn({ actual, replicas, next }, 'NATS_REPLICAS is not what the bucket has');
  }

  close(): void {
    this.feed.close();
  }

  get size(): number {
    return this.mirror.size;
  }

  /** Records that were ignored because there are too many. */
  get overflow(): number {
    return this.mirror.overflow;
  }

  /** How often all records were read. */
  get readings(): number {
    return this.feed.readings;
  }

  /** How far the copy is behind the bucket, milliseconds: as last measured, or for how long it has been cut off. */
  get lagMs(): number {
    return Math.max(this.appliedAfterMs, this.feed.staleMs);
  }

  /** Why NATS does not make changes, as far as it was asked to; null if it does. */
  get refusal(): string | null {
    const { refused } = this;
    return refused !== null && performance.now() - refused.at < REFUSES_MS ? refused.why : null;
  }

  /** What is wrong with the bucket. */
  get warnings(): string[] {
    return this.feed.wrong === null ? [] : [this.feed.wrong];
  }

  /** Names the latest change that the copy has: the same everywhere, and no other change's. */
  get latest(): string {
    return `${this.feed.madeAt}.${this.mirror.revision}`;
  }

  /** Whether changes can be made now. */
  get available(): boolean {
    return this.feed.current !== null;
  }

  get(userid: string): UserRecord | undefined {
    return this.mirror.get(userid);
  }

  /** Returns all records. */
  all(): Iterable<UserRecord> {
    return this.mirror.all();
  }

  /** Returns the records of a bucket that NATS has lost which are not in the new one yet. */
  lost(): Iterable<UserRecord> {
    return this.mirror.lost();
  }

  /** Delete markers that the bucket may have, by key, oldest first. */
  get markers(): Map<string, Marker> {
    return this.mirror.markers;
  }

  /** Calls the listener with each record that changes, in the bucket's order. @returns a function that ends this. */
  watch(listener: RecordListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /**
   * Changes a user's record. A record without conversation, mute and connections is deleted.
   *
   * @param edit may be called several times; only the last call counts.
   * @returns the record, once the bucket has it and so has the copy here.
   * @throws RequestError, as a rejection: what `edit` throws, or `cluster-unavailable` after two seconds at most. Then
   *   the change may take effect nevertheless.
   */
  async change(userid: string, edit: Edit): Promise<UserRecord> {
    if (!this.parts.link.connected) throw clusterUnavailable('NATS cannot be reached');
    if (!this.lines.hasRoom(userid)) throw clusterUnavailable(`${MAX_WAITING} changes of this user wait for NATS`);
    const deadline = new Deadline(CHANGE_TIMEOUT_MS);
    try {
      // Those before it end before it: their deadlines are earlier.
      return await this.lines.take(userid, null, () => this.changeInTurn(userid, edit, deadline));
    } catch (error) {
      if (error instanceof RequestError) throw error;
      if (error instanceof EditFailed) throw error.cause;
      const { message } = error as Error;
      this.refused = { why: message, at: performance.now() };
      throw clusterUnavailable(`NATS did not make the change (${message})`);
    } finally {
      deadline.end();
    }
  }

  /** Writes a user's record of a lost bucket into the new one, if none is there. Rejects as {@link change} does. */
  async restore(userid: string): Promise<void> {
    await this.change(userid, (before) => (this.mirror.look(userid).lost ? { ...before } : before));
  }

  /** Removes a delete marker from the bucket, if it is still there. */
  async purge(key: string, { revision }: Marker): Promise<void> {
    await this.feed.current?.purge(revision);
    if (this.markers.get(key)?.revision === revision) this.markers.delete(key);
  }

  /** @param until when NATS must be ready. @returns false if it may be ready in a moment. */
  private async started(until: number): Promise<boolean> {
    try {
      await this.feed.start();
      return true;
    } catch (error) {
      if (isMomentary(error) && performance.now() < until) return false;
      throw new Error(whyNotOpened(error, this.name));
    }
  }

  private async changeInTurn(userid: string, edit: Edit, deadline: Deadline): Promise<UserRecord> {
    /** The revision that the leader of the bucket has confirmed to be the latest. */
    let confirmed = -1;
    for (let conflicts = 0; ; ) {
      const bucket = await this.feed.follows(deadline.signal);
      deadline.signal.throwIfAborted();
      const { record: before, revision, lost } = this.mirror.look(userid);
      const after = attempt(edit, before);
      if (after instanceof RequestError || after === before || (isBlank(after) && revision === 0 && !lost)) {
        if (confirmed !== revision) {
          confirmed = await this.confirm(bucket, userid, revision, deadline);
          continue;
        }
        if (after instanceof RequestError) throw after;
        return after;
      }
      if (await this.write(bucket, after, revision, deadline)) return after;
      this.conflicts++;
      await pause(Math.random() * Math.min(MAX_CONFLICT_PAUSE_MS, CONFLICT_PAUSE_MS * ++conflicts));
      await this.confirm(bucket, userid, revision, deadline);
    }
  }

  /** Asks for the latest revision of a record, and waits until it is here. @returns the revision. */
  private async confirm(bucket: Bucket, userid: string, revision: number, deadline: Deadline): Promise<number> {
    const latest = await deadline.race(bucket.revisionOf(recordKey(userid)));
    if (latest > revision) await this.comes(this.mirror.reaches(userid, latest, deadline.signal));
    else if (latest < revision) await this.comes(this.mirror.leaves(userid, revision, deadline.signal));
    return latest;
  }

  /** @returns false if somebody else was faster. */
  private async write(bucket: Bucket, record: UserRecord, from: number, deadline: Deadline): Promise<boolean> {
    const { userid } = record;
    const key = recordKey(userid);
    try {
      let revision = from;
      // A record of a lost bucket becomes one of the new bucket before it is deleted, so that nobody restores it.
      if (!isBlank(record) || from === 0) revision = await deadline.race(bucket.put(key, writeRecord(record), from));
      if (isBlank(record)) await deadline.race(bucket.delete(key, revision));
      const acknowledged = performance.now();
      this.refused = null;
      await this.comes(this.mirror.reaches(userid, revision, deadline.signal));
      if (isBlank(record)) await this.comes(this.mirror.leaves(userid, revision, deadline.signal));
      this.appliedAfterMs = performance.now() - acknowledged;
      return true;
    } catch (error) {
      if (error instanceof Conflict) return false;
      throw error;
    }
  }

  /** Waits for something that the bucket has told. If it does not come, the copy has missed it. */
  private async comes(applied: Promise<void>): Promise<void> {
    try {
      await applied;
    } catch (error) {
      this.feed.refresh('a change did not arrive');
      throw error;
    }
  }

  private tell(userid: string, record: UserRecord | null): void {
    for (const listener of this.listeners) {
      try {
        listener(userid, record);
      } catch (err) {
        this.parts.log.error({ err }, 'a user record could not be applied');
      }
    }
  }
}

class EditFailed extends Error {}

/** Returns the record after an edit, or why it was refused. */
function attempt(edit: Edit, before: UserRecord): UserRecord | RequestError {
  try {
    return edit(before);
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw new EditFailed('an edit failed', { cause: error });
  }
}
