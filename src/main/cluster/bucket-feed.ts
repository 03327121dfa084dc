/**
 * Keeps the mirror as the bucket is. Whatever may have made it stale (NATS was away, fell silent or lost its disk, this
 * process stood still) leads to the same: open the bucket, which makes it if need be, and read it anew.
 */
import type { Log } from '../log/log.ts';
import type { Cancel, Timers } from '../timers.ts';
import { Bucket, type BucketConfig } from './bucket.ts';
import { BucketWatch } from './bucket-watch.ts';
import type { Link } from './link.ts';
import type { Mirror } from './mirror.ts';

/** Shortest and longest pause after a reading that failed, milliseconds. */
const MIN_RETRY_MS = 250;
const MAX_RETRY_MS = 1000;
/** How often, and after which pauses, a bucket that has fewer revisions than expected is asked again. */
const MAX_TRIES = 3;
const BEHIND_MS = 500;
/** A reading ends without success if nothing comes for this long, milliseconds. */
const STUCK_MS = 5000;
const TICK_MS = 1000;
/** Longest silence of NATS, which sends something every second, milliseconds. */
const MAX_SILENCE_MS = 4000;
/** A tick that comes so late means that this process stood still, milliseconds. */
const STOOD_STILL_MS = 5000;
/** How often the number of keys is compared, ticks. */
const COMPARE_TICKS = 5;
/** So often in a row NATS may leave that question without an answer. */
const MAX_UNANSWERED = 1;
/** For so long delete markers stay at least, milliseconds: the janitor purges older ones. */
const MARKED_MS = 8000;

export interface FeedParts {
  readonly link: Pick<Link, 'connection' | 'connected' | 'watch'>;
  readonly bucket: BucketConfig;
  /** What the subjects of inboxes begin with. */
  readonly inboxes: string;
  readonly mirror: Mirror;
  readonly log: Log;
  readonly timers: Timers;
}

export class BucketFeed {
  /** How often the bucket was read anew. */
  readings = 0;
  /** What was wrong with the bucket when it was looked at last; null for nothing. */
  wrong: string | null = null;
  private readonly parts: FeedParts;
  private readonly ends: Cancel[] = [];
  private readonly waiting = new Set<(bucket: Bucket) => void>();
  private bucket: Bucket | null = null;
  private watch: BucketWatch | null = null;
  private created: string | null = null;
  /** Changes whenever the mirror may have missed something. */
  private generation = 0;
  private reading = false;
  private again = false;
  private closed = false;
  private ticks = 0;
  private unanswered = 0;
  private tickedAt = 0;
  /** When NATS last sent something, and when the mirror was last known to have everything, milliseconds. */
  private heardAt = 0;
  private currentAt = 0;
  /** Whether the link was up, and this process running, at all times since. */
  private unbroken = false;

  constructor(parts: FeedParts) {
    this.parts = parts;
  }

  /** Reads the bucket for the first time. Rejects with NATS' error. */
  async start(): Promise<void> {
    const { link, timers } = this.parts;
    this.reading = true;
    await this.read();
    this.reading = false;
    if (this.again) void this.readAnew('it ended again at once');
    this.tickedAt = timers.now();
    this.ends.push(
      link.watch((connected) => this.linkChanged(connected)),
      timers.every(TICK_MS, () => this.tick()),
    );
  }

  close(): void {
    this.closed = true;
    for (const end of this.ends.splice(0)) end();
    this.lose();
  }

  /** The bucket, while the mirror follows it; null otherwise. */
  get current(): Bucket | null {
    return this.parts.link.connected ? this.bucket : null;
  }

  /** When the bucket was made that the mirror has, which tells it from others of its name; null before it was read. */
  get madeAt(): string | null {
    return this.created;
  }

  /** For how long the mirror may have missed changes, milliseconds. */
  get staleMs(): number {
    return this.current === null ? this.parts.timers.now() - this.currentAt : 0;
  }

  /** Resolves with the bucket once the mirror follows it. Rejects with the signal's reason. */
  follows(signal: AbortSignal): Promise<Bucket> {
    if (this.bucket !== null) return Promise.resolve(this.bucket);
    return new Promise((resolve, reject) => {
      this.waiting.add(resolve);
      const late = (): void => {
        this.waiting.delete(resolve);
        reject(signal.reason);
      };
      signal.addEventListener('abort', late, { once: true });
    });
  }

  /** Reads the bucket anew, unless NATS is away: then that happens when it is back. */
  refresh(why: string): void {
    this.lose();
    if (this.closed || !this.parts.link.connected) return;
    this.again = true;
    if (!this.reading) void this.readAnew(why);
  }

  private async readAnew(why: string): Promise<void> {
    const { link, log } = this.parts;
    this.reading = true;
    for (let failures = 0; this.again && !this.closed && link.connected; ) {
      this.again = false;
      try {
        await this.read();
        log.info({ why, records: this.parts.mirror.size }, 'user records were read anew');
      } catch (err) {
        this.again = true;
        if (failures++ === 0) log.warn({ err, why }, 'user records cannot be read; trying again');
        await this.pause(MIN_RETRY_MS + Math.random() * (MAX_RETRY_MS - MIN_RETRY_MS));
      }
    }
    this.reading = false;
  }

  private async read(): Promise<void> {
    const { mirror, log, timers } = this.parts;
    const { currentAt, unbroken } = this;
    this.lose();
    const { generation } = this;
    const bucket = await this.open();
    const lost = this.created !== null && (bucket.created !== this.created || bucket.revision < mirror.revision);
    if (lost) log.warn({ records: mirror.size }, 'NATS has lost the user records; this cluster restores them');
    this.created = bucket.created;
    this.judge(bucket.wrong);
    mirror.beginReading(lost);
    await this.readAll(bucket, generation);
    // A key that changes during the reading comes only with that change, and NATS may be done before it.
    for (const key of await bucket.existing(mirror.untold())) mirror.hasStill(key);
    if (this.generation !== generation) throw new Error('it ended again at once');
    const marked = unbroken && this.unbroken && timers.now() - currentAt < MARKED_MS;
    const vanished = mirror.endReading(bucket.revision, marked);
    if (vanished > 0) log.warn({ records: vanished }, 'user records have vanished; this cluster restores them');
    this.unbroken = true;
    this.readings++;
    this.currentAt = timers.now();
    this.bucket = bucket;
    for (const resolve of this.waiting) resolve(bucket);
    this.waiting.clear();
  }

  private async open(): Promise<Bucket> {
    const { link, bucket: config, mirror } = this.parts;
    for (let tries = 0; ; tries++) {
      const bucket = await Bucket.open(link.connection, config);
      // A server that has just become the bucket's leader may not know its latest revision yet. One that came back
      // from an older disk never will: it has lost changes.
      const behind = bucket.created === this.created && bucket.revision < mirror.revision;
      if (!behind || tries === MAX_TRIES) return bucket;
      await this.pause(BEHIND_MS);
    }
  }

  /** Resolves once the mirror has the latest value of each key. */
  private async readAll(bucket: Bucket, generation: number): Promise<void> {
    const { link, inboxes, mirror, timers } = this.parts;
    this.heardAt = timers.now();
    let stop: Cancel = () => undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        stop = timers.every(TICK_MS, () => {
          if (timers.now() - this.heardAt > STUCK_MS) reject(new Error('NATS does not send the user records'));
        });
        const listener = {
          entry: (key: string, revision: number, value: Uint8Array | null) => {
            this.heardAt = timers.now();
            mirror.take(key, revision, value);
          },
          complete: resolve,
          current: () => {
            this.heardAt = timers.now();
            if (this.bucket !== null) this.currentAt = this.heardAt;
          },
          broken: (why: string) => {
            reject(new Error(why));
            if (this.generation === generation) this.refresh(why);
          },
        };
        BucketWatch.begin(link.connection, bucket, inboxes, listener).then((watch) => {
          if (this.generation === generation) this.watch = watch;
          else watch.close();
        }, reject);
      });
    } catch (error) {
      this.lose();
      throw error;
    } finally {
      stop();
    }
  }

  private pause(duration: number): Promise<void> {
    return new Promise((resolve) => this.parts.timers.after(duration, resolve));
  }

  private lose(): void {
    this.generation++;
    this.watch?.close();
    this.watch = null;
    this.bucket = null;
  }

  /** Takes note of what is wrong with the bucket. */
  private judge(wrong: string | null): void {
    if (wrong !== null && wrong !== this.wrong) this.parts.log.error(wrong);
    this.wrong = wrong;
  }

  private linkChanged(connected: boolean): void {
    this.unbroken = false;
    if (connected) this.refresh('NATS was away');
    else this.lose();
  }

  private tick(): void {
    const now = this.parts.timers.now();
    const late = now - this.tickedAt - TICK_MS;
    this.tickedAt = now;
    if (late > STOOD_STILL_MS) {
      this.unbroken = false;
      return this.refresh('this process stood still');
    }
    // What could not be read does not count as silence.
    this.heardAt += Math.max(0, late);
    if (this.current !== null && now - this.heardAt > MAX_SILENCE_MS) return this.refresh('NATS fell silent');
    if (++this.ticks % COMPARE_TICKS === 0) void this.compare();
  }

  /**
   * Makes sure, now and then, that the mirror has as many records as the bucket, and that the bucket can be changed:
   * servers of NATS without a majority may go on saying that there is nothing new.
   */
  private async compare(): Promise<void> {
    const { mirror } = this.parts;
    const { bucket } = this;
    if (bucket === null) return;
    const counted = await bucket.look().catch(() => null);
    if (bucket !== this.bucket) return;
    this.unanswered = counted === null ? this.unanswered + 1 : 0;
    if (this.unanswered > MAX_UNANSWERED) {
      this.unanswered = 0;
      return this.refresh('NATS does not answer for the user records');
    }
    if (counted === null) return;
    this.judge(counted.wrong);
    if (mirror.hasRoomAgain) return this.refresh('there is room for more records again');
    if (counted.revision !== mirror.revision || mirror.overflow > 0) return;
    let lost = 0;
    for (const _ of mirror.lost()) lost++;
    const least = mirror.size - lost;
    if (counted.keys < least || counted.keys > least + mirror.markers.size)
      this.refresh('the bucket has other records');
  }
}
