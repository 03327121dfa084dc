/** One part of a recording: a file for each speaker, all of which begin at the same moment. */
import { join } from 'node:path';
import type { TapEvent } from '../src/main/taps/schema.ts';
import { OggFile } from './ogg-file.ts';
import { Voice, type VoiceCounts } from './timeline.ts';

const TICKS_PER_SECOND = 48_000;
/** So many packets that are no Opus, and more than those that are, show that a voice cannot be recorded. */
const UNREADABLE = 50;
/** How late a packet may be to belong to the part before, ticks. */
const LATEST = TICKS_PER_SECOND / 2;
/** Longest part of a file's name that is from a userid, characters. */
const MAX_NAME = 40;

export type Speaker = Extract<TapEvent, { type: 'speaker' }>;

/** A file, as the manifest tells of it. */
export interface FileEntry extends VoiceCounts {
  /** Relative to the manifest. */
  readonly file: string;
  readonly userid: string;
  readonly clientid: string;
  /** Where the speaker's first packet is in the file, and how long the file is; seconds. */
  readonly first: number;
  readonly seconds: number;
}

/** A voice of which next to nothing can be read. */
export interface Unreadable {
  readonly userid: string;
  readonly clientid: string;
  readonly malformed: number;
}

interface Track {
  readonly file: OggFile;
  readonly name: string;
  readonly voice: Voice;
  readonly speaker: Speaker;
}

export class Part {
  /** Name of its folder. */
  readonly name: string;
  /** When it begins, microseconds since 1970. */
  readonly begin: number;
  private readonly folder: string;
  private readonly failed: (error: Error) => void;
  /** By userid and clientid. */
  private readonly tracks = new Map<string, Track>();
  private end: number | null = null;

  /** @param folder of the recording. */
  constructor(folder: string, number: number, begin: number, failed: (error: Error) => void) {
    this.name = `part-${String(number).padStart(3, '0')}`;
    this.folder = folder;
    this.begin = begin;
    this.failed = failed;
  }

  /** Its length so far, seconds. @param now microseconds since 1970. */
  seconds(now: number): number {
    return ((this.end ?? now) - this.begin) / 1e6;
  }

  /** Paths of its files. */
  get files(): string[] {
    return [...this.tracks.values()].map(({ file }) => file.path);
  }

  /**
   * Returns whether a packet belongs before a moment, by the voice that is here already: it came late.
   *
   * @param arrival and @param moment are in microseconds since 1970.
   */
  reaches(speaker: Speaker, arrival: number, bytes: Uint8Array, moment: number): boolean {
    const position = this.tracks.get(keyOf(speaker))?.voice.positionOf(bytes) ?? null;
    if (position === null) return false;
    // Otherwise its timestamps have stood still, as a browser's do during a mute.
    return position < this.ticks(moment) && this.ticks(arrival) - position <= LATEST;
  }

  /** Takes a packet. @param arrival microseconds since 1970. */
  take(speaker: Speaker, arrival: number, bytes: Uint8Array): void {
    const key = keyOf(speaker);
    let track = this.tracks.get(key);
    if (track === undefined) {
      track = this.open(speaker);
      this.tracks.set(key, track);
    }
    track.voice.take(bytes, this.ticks(arrival), speaker);
  }

  /** Writes what has waited for long enough. @param now microseconds since 1970. */
  release(now: number): void {
    for (const { voice } of this.tracks.values()) voice.release(this.ticks(now));
  }

  /** Writes everything, and closes the files. @param end of the part, microseconds since 1970. */
  async close(end: number): Promise<void> {
    this.end = end;
    await Promise.all(
      [...this.tracks.values()].map(({ voice, file }) => {
        voice.finish(this.ticks(end));
        return file.close();
      }),
    );
  }

  /** Describes the files that have sound. */
  entries(): FileEntry[] {
    return [...this.tracks.values()].flatMap(({ name, voice, speaker: { userid, clientid } }) => {
      const { first, written, counts } = voice;
      if (first === null) return [];
      const times = { first: first / TICKS_PER_SECOND, seconds: written / TICKS_PER_SECOND };
      return [{ file: `${this.name}/${name}`, userid, clientid, ...times, ...counts }];
    });
  }

  /** Returns the voices that cannot be recorded. */
  unreadable(): Unreadable[] {
    return [...this.tracks.values()].flatMap(({ voice: { counts }, speaker: { userid, clientid } }) => {
      const { malformed, packets } = counts;
      return malformed >= UNREADABLE && malformed > packets ? [{ userid, clientid, malformed }] : [];
    });
  }

  private open(speaker: Speaker): Track {
    // Whatever the userid has, the name is one on every system, and no other file's.
    const safe = [...speaker.userid.replace(/[^\p{L}\p{N}_-]+/gu, '-')].slice(0, MAX_NAME).join('');
    const name = `${String(this.tracks.size + 1).padStart(3, '0')}-${safe}.opus`;
    const tags = { title: this.name, artist: speaker.userid };
    const file = new OggFile(join(this.folder, this.name, name), tags, this.failed);
    return { file, name, voice: new Voice(file), speaker };
  }

  private ticks(time: number): number {
    return Math.round(((time - this.begin) * TICKS_PER_SECOND) / 1e6);
  }
}

function keyOf({ userid, clientid }: Speaker): string {
  return JSON.stringify([userid, clientid]);
}
