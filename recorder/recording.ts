/** A recording: parts that follow one another, what happened meanwhile, and a manifest of all. */
import { appendFileSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TapEvent } from '../src/main/taps/schema.ts';
import type { TappedPacket } from '../src/main/taps/wire.ts';
import { type FileEntry, Part, type Speaker, type Unreadable } from './part.ts';
import { HOLD_TICKS } from './timeline.ts';

/** Packets wait for so long before they are written, microseconds. */
const HOLD_US = (HOLD_TICKS / 48_000) * 1e6;
/** An old part takes packets that come late for so long, microseconds. */
const LATE_US = 2e6;

/** What `recording.json` says. Times are ISO 8601. */
export interface Manifest {
  readonly version: 1;
  readonly conversation: string;
  readonly started: string | null;
  /** Null while it goes on. */
  readonly ended: string | null;
  /** What ended it too early. */
  readonly error?: string;
  /** Packets that the recorder was too slow for, and times that the tap was lost. */
  readonly lost: number;
  readonly interruptions: readonly { readonly at: string; readonly seconds: number | null; readonly why: string }[];
  readonly parts: readonly {
    readonly folder: string;
    /** When all its files begin. */
    readonly started: string;
    /** From the recording's start to the part's, and the part's length; seconds. */
    readonly offset: number;
    readonly seconds: number;
    readonly files: readonly FileEntry[];
    /** Who cannot be recorded, for example because they encrypt end to end. */
    readonly unreadable: readonly Unreadable[];
  }[];
}

export interface RecordingOptions {
  readonly conversation: string;
  readonly out: string;
  /** Length of a part, minutes. */
  readonly rotate: number;
  /** Is told of what keeps it from being written. */
  readonly failed: (error: Error) => void;
  /** This machine's clock, microseconds since 1970. */
  readonly clock?: () => number;
}

interface Interruption {
  readonly at: number;
  readonly why: string;
  until: number | null;
}

export class Recording {
  private readonly options: RecordingOptions;
  private readonly clock: () => number;
  /** The server's clock less this machine's, by the fastest message, microseconds. */
  private ahead = Number.NEGATIVE_INFINITY;
  /** What is added to arrivals, because the server's clock went back while the tap was lost; microseconds. */
  private shift = 0;
  private reopened = false;
  private readonly parts: Part[] = [];
  /** Parts that are not closed; all but the last one take late packets only. */
  private open: Part[] = [];
  private readonly closing: Promise<void>[] = [];
  private readonly speakers = new Map<number, Speaker>();
  private readonly interruptions: Interruption[] = [];
  private lost = 0;
  private ended: number | null = null;
  private error: string | null = null;

  /** Makes the folder. @throws Error that says why it cannot be used. */
  constructor(options: RecordingOptions) {
    this.options = options;
    this.clock = options.clock ?? (() => Math.round((performance.timeOrigin + performance.now()) * 1000));
    mkdirSync(options.out, { recursive: true });
    if (readdirSync(options.out).length > 0) throw new Error(`${options.out} is not empty`);
    this.writeManifest();
  }

  /** Folders and files of the parts so far. */
  get files(): { folder: string; files: string[] }[] {
    return this.parts.map((part) => ({ folder: join(this.options.out, part.name), files: part.files }));
  }

  /** Userids of those who could not be recorded. */
  get unreadable(): ReadonlySet<string> {
    return new Set(this.parts.flatMap((part) => part.unreadable().map(({ userid }) => userid)));
  }

  event(event: TapEvent): void {
    if (event.type === 'speaker') this.speakers.set(event.number, event);
    else this.lost += event.packets;
    this.told(event);
  }

  /** Takes note of an event: a line of `events.jsonl`. */
  told(event: { readonly type: string }): void {
    const at = new Date(this.now() / 1000).toISOString();
    this.guard(() => appendFileSync(join(this.options.out, 'events.jsonl'), `${JSON.stringify({ at, ...event })}\n`));
  }

  opened(): void {
    const last = this.interruptions.at(-1);
    if (last !== undefined && last.until === null) last.until = this.now();
    this.speakers.clear();
    this.reopened = true;
  }

  /** The tap is lost for now. */
  interrupted(why: string): void {
    const last = this.interruptions.at(-1);
    if (last === undefined || last.until !== null) this.interruptions.push({ at: this.now(), why, until: null });
    this.guard(() => this.writeManifest());
  }

  packets(packets: readonly TappedPacket[]): void {
    for (const { speaker: number, arrival: told, bytes } of packets) {
      if (this.reopened) this.goOnFrom(told);
      const arrival = told + this.shift;
      this.ahead = Math.max(this.ahead, arrival - this.clock());
      const speaker = this.speakers.get(number);
      if (speaker !== undefined) this.partOf(speaker, arrival, bytes)?.take(speaker, arrival, bytes);
    }
  }

  /** Writes what is due. Call it a few times a second. */
  tick(): void {
    const now = this.now();
    for (const part of this.open) part.release(now);
    const [oldest, next] = this.open;
    if (oldest === undefined || next === undefined || now - next.begin < HOLD_US + LATE_US) return;
    this.open.shift();
    this.closing.push(this.close(oldest, next.begin));
  }

  /** Writes everything. @param error what ends it too early. */
  async end(error: string | null = null): Promise<void> {
    this.error ??= error;
    this.ended = this.now();
    const ends = this.open.map((part, i) => this.close(part, this.open[i + 1]?.begin ?? this.ended!));
    this.open = [];
    await Promise.all([...this.closing, ...ends]);
    this.guard(() => this.writeManifest());
  }

  /** Writes `recording.json` as a whole or not at all. */
  writeManifest(): void {
    const path = join(this.options.out, 'recording.json');
    writeFileSync(`${path}.new`, `${JSON.stringify(this.manifest(), null, 2)}\n`);
    renameSync(`${path}.new`, path);
  }

  private manifest(): Manifest {
    const first = this.parts[0]?.begin ?? null;
    const iso = (time: number): string => new Date(time / 1000).toISOString();
    return {
      version: 1,
      conversation: this.options.conversation,
      started: first === null ? null : iso(first),
      ended: this.ended === null ? null : iso(this.ended),
      ...(this.error === null ? {} : { error: this.error }),
      lost: this.lost,
      interruptions: this.interruptions.map(({ at, until, why }) => {
        return { at: iso(at), seconds: until === null ? null : (until - at) / 1e6, why };
      }),
      parts: this.parts.map((part) => ({
        folder: part.name,
        started: iso(part.begin),
        offset: (part.begin - first!) / 1e6,
        seconds: part.seconds(this.now()),
        files: part.entries(),
        unreadable: part.unreadable(),
      })),
    };
  }

  /** Keeps the timeline from going back: everything would be too late for it, perhaps for hours. */
  private goOnFrom(arrival: number): void {
    this.reopened = false;
    const back = this.now() - (arrival + this.shift);
    if (Number.isFinite(this.ahead) && back > LATE_US) this.shift += back;
  }

  /** Returns the part that a packet belongs to, which may be a new one; null if it is closed. */
  private partOf(speaker: Speaker, arrival: number, bytes: Uint8Array): Part | null {
    const last = this.open.at(-1);
    if (last === undefined || arrival - last.begin >= this.options.rotate * 60e6) this.begin(arrival);
    const index = this.open.findLastIndex((part) => part.begin <= arrival);
    const [part, before] = [this.open[index] ?? null, this.open[index - 1]];
    // What the network delayed may belong before the part in whose time it came.
    if (part === null || before === undefined || arrival - part.begin > LATE_US) return part;
    return before.reaches(speaker, arrival, bytes, part.begin) ? before : part;
  }

  private begin(arrival: number): void {
    const part = new Part(this.options.out, this.parts.length + 1, arrival, this.options.failed);
    this.guard(() => mkdirSync(join(this.options.out, part.name)));
    this.parts.push(part);
    this.open.push(part);
    this.guard(() => this.writeManifest());
  }

  private async close(part: Part, end: number): Promise<void> {
    await part.close(end);
    this.guard(() => this.writeManifest());
  }

  private now(): number {
    return this.clock() + (Number.isFinite(this.ahead) ? this.ahead : 0);
  }

  private guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.options.failed(error as Error);
    }
  }
}
