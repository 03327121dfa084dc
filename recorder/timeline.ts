/**
 * Puts one speaker's packets on the timeline of a recording. Pure: time is an argument.
 *
 * Where a packet belongs is its RTP timestamp plus an anchor: the least difference of arrival and timestamp of the last
 * seconds. So the network's delay changes do not move a voice, and a sender's clock may run faster or slower than the
 * server's. The anchor is found anew when timestamps have stood still, as a browser's do during a mute.
 *
 * A container for Opus has no gaps, so they are filled with frames of digital silence. No packet is decoded.
 */
import { NO_LEVEL, readLevel } from '../src/rtp/audio-level.ts';
import { isSilent, opusTicks } from '../src/rtp/opus.ts';
import { Header, RtpHeader, readHeader } from '../src/rtp/packet.ts';
import { Red, RedPayload, readRed } from '../src/rtp/red.ts';

/** How long packets wait for those before them, and for a better anchor; ticks of 1/48000 s. */
export const HOLD_TICKS = 3 * 48_000;
/** An anchor that is further off than this is another one: the timestamps have jumped. */
const JUMP = 4800;
/** A packet so much older than the last one is from a sender that has begun anew. */
const RESTART = 5 * 48_000;
/** The anchor is the least of this time and of as much before it. */
const WINDOW = 5 * 48_000;
/** How far a voice may lie ahead before silence is added, in quiet and in the midst of sound; ticks. */
const AHEAD = { quiet: 480, sound: 720 };
/** How far it may lie behind before a packet is left out, which moves it by 20 ms. */
const BEHIND = { quiet: 600, sound: 840 };
/** Levels from here on are quiet, -dBov. */
const QUIET_LEVEL = 65;
/** The shortest Opus frame. */
const LEAST = 120;

/** Frames of digital silence, the longest first: CELT, 120 ms in one packet, then 20, 10, 5 and 2.5 ms. */
const SILENCE: readonly (readonly [ticks: number, packet: Uint8Array])[] = [
  [5760, Uint8Array.of(0xfb, 6, ...[1, 2, 3, 4, 5, 6].flatMap(() => [0xff, 0xfe]))],
  [960, Uint8Array.of(0xf8, 0xff, 0xfe)],
  [480, Uint8Array.of(0xf0, 0xff, 0xfe)],
  [240, Uint8Array.of(0xe8, 0xff, 0xfe)],
  [LEAST, Uint8Array.of(0xe0, 0xff, 0xfe)],
];

/** Yields packets of silence. @param ticks a multiple of 120; the rest is left out. */
export function* silentPackets(ticks: number): Iterable<readonly [ticks: number, packet: Uint8Array]> {
  let left = ticks;
  for (const frame of SILENCE) for (; left >= frame[0]; left -= frame[0]) yield frame;
}

/** How to read a speaker's packets. */
export interface Format {
  readonly payloadType: number;
  readonly redPayloadType: number;
  readonly levelExtension: number;
}

/** Takes what goes into the file, in order. */
export interface Sink {
  packet(bytes: Uint8Array, ticks: number): void;
  /** @param ticks a multiple of 120. */
  silence(ticks: number): void;
}

export interface VoiceCounts {
  /** Packets written. */
  packets: number;
  /** Of these, rebuilt from a later packet's redundancy (RFC 2198). */
  rebuilt: number;
  /** Left out because they came too late, or because the sender's clock is too fast. */
  dropped: number;
  /** No RTP with Opus: malformed, or encrypted end to end. */
  malformed: number;
}

interface Held {
  /** RTP timestamp, without its wraparound. */
  readonly time: number;
  /** Arrival on the timeline. */
  readonly at: number;
  readonly payload: Uint8Array;
  readonly ticks: number;
  readonly quiet: boolean;
  readonly rebuilt: boolean;
}

const header = new RtpHeader();
const red = new RedPayload();

export class Voice {
  readonly counts: VoiceCounts = { packets: 0, rebuilt: 0, dropped: 0, malformed: 0 };
  /** Where the first sound begins, ticks; null before. */
  first: number | null = null;
  /** What is written so far, ticks. */
  written = 0;
  private readonly sink: Sink;
  private held: Held[] = [];
  private ssrc: number | null = null;
  /** Of the newest packet. */
  private newest = 0;
  /** Of the packet written last, and where it ends. */
  private last = Number.NEGATIVE_INFINITY;
  private lastEnd = Number.NaN;
  private anchor: number | null = null;
  private least = Number.POSITIVE_INFINITY;
  private leastBefore = Number.POSITIVE_INFINITY;
  private windowBegan = 0;

  constructor(sink: Sink) {
    this.sink = sink;
  }

  /** Takes one RTP packet. Never throws, whatever the bytes. @param at its arrival on the timeline, ticks. */
  take(bytes: Uint8Array, at: number, format: Format): void {
    const verdict = readHeader(bytes, 0, bytes.length, header);
    if (verdict === Header.Empty) return;
    if (verdict !== Header.Ok) {
      this.counts.malformed++;
      return;
    }
    this.follow();
    const time = this.newest + ((header.timestamp - this.newest) | 0);
    if (time > this.newest) this.newest = time;
    const level = readLevel(bytes, header, format.levelExtension);
    const quiet = level !== NO_LEVEL && level >= QUIET_LEVEL;
    const { payloadOffset: offset, payloadLength: length } = header;
    if (format.redPayloadType !== 0 && header.payloadType === format.redPayloadType) {
      if (readRed(bytes, offset, length, format.payloadType, red) !== Red.Ok) {
        this.counts.malformed++;
        return;
      }
      for (let i = 0; i < red.count; i++) {
        const age = red.timestampOffsets[i]!;
        this.hold(bytes, red.offsets[i]!, red.lengths[i]!, time - age, at - age, quiet, true);
      }
      this.hold(bytes, red.primaryOffset, red.primaryLength, time, at, quiet, false);
    } else if (header.payloadType === format.payloadType) this.hold(bytes, offset, length, time, at, quiet, false);
    else this.counts.malformed++;
  }

  /** Returns where on the timeline a packet belongs, ticks; null if this voice cannot tell. Never throws. */
  positionOf(bytes: Uint8Array): number | null {
    if (readHeader(bytes, 0, bytes.length, header) !== Header.Ok || header.ssrc !== this.ssrc) return null;
    const time = this.newest + ((header.timestamp - this.newest) | 0);
    let anchor = this.anchor ?? Number.POSITIVE_INFINITY;
    for (const held of this.held) anchor = Math.min(anchor, held.at - held.time);
    return Number.isFinite(anchor) ? anchor + time : null;
  }

  /** Writes what has waited for long enough. @param now on the timeline, ticks. */
  release(now: number): void {
    while (this.held.length > 0 && this.held[0]!.at <= now - HOLD_TICKS) this.place(this.held.shift()!);
  }

  /** Writes everything, and silence up to an end, ticks. */
  finish(end: number): void {
    this.flush();
    this.fill(end - this.written);
  }

  private flush(): void {
    while (this.held.length > 0) this.place(this.held.shift()!);
  }

  /** A sender with another SSRC, or one that has gone far back, has begun anew. */
  private follow(): void {
    const back = (this.newest - header.timestamp) | 0;
    if (header.ssrc === this.ssrc && back < RESTART) return;
    this.flush();
    this.ssrc = header.ssrc;
    this.newest = header.timestamp;
    this.last = Number.NEGATIVE_INFINITY;
    this.lastEnd = Number.NaN;
    this.anchor = null;
  }

  private hold(
    bytes: Uint8Array,
    offset: number,
    length: number,
    time: number,
    at: number,
    quiet: boolean,
    rebuilt: boolean,
  ): void {
    if (length === 0) return;
    const ticks = opusTicks(bytes, offset, length);
    if (ticks === 0) {
      this.counts.malformed++;
      return;
    }
    // The packet itself has come, or comes later: a voice repeats nothing.
    if (time <= this.last) {
      if (!rebuilt) this.counts.dropped++;
      return;
    }
    let place = this.held.length;
    while (place > 0 && this.held[place - 1]!.time > time) place--;
    const before = this.held[place - 1];
    const payload = bytes.slice(offset, offset + length);
    const one = { time, at, payload, ticks, quiet: quiet || isSilent(bytes, offset, length), rebuilt };
    if (before?.time !== time) this.held.splice(place, 0, one);
    else if (before.rebuilt && !rebuilt) this.held[place - 1] = one;
  }

  private place(one: Held): void {
    const jumped = this.findAnchor(one) || one.time !== this.lastEnd;
    const gap = this.anchor! + one.time - this.written;
    this.last = one.time;
    this.lastEnd = one.time + one.ticks;
    const when = one.quiet ? 'quiet' : 'sound';
    if (gap < -BEHIND[when] && this.written > 0) {
      this.counts.dropped++;
      return;
    }
    if (gap > (jumped ? 0 : AHEAD[when])) this.fill(gap);
    this.first ??= this.written;
    this.sink.packet(one.payload, one.ticks);
    this.written += one.ticks;
    this.counts.packets++;
    if (one.rebuilt) this.counts.rebuilt++;
  }

  /** Finds the anchor for a packet and those that follow it. @returns whether it is another one than before. */
  private findAnchor({ time, at }: Held): boolean {
    let least = at - time;
    for (const held of this.held) least = Math.min(least, held.at - held.time);
    if (this.anchor === null || Math.abs(least - this.anchor) > JUMP) {
      this.anchor = least;
      this.least = least;
      this.leastBefore = least;
      this.windowBegan = at;
      return true;
    }
    if (at - this.windowBegan > WINDOW) {
      this.leastBefore = this.least;
      this.least = least;
      this.windowBegan = at;
    }
    this.least = Math.min(this.least, least);
    this.anchor = Math.min(this.least, this.leastBefore);
    return false;
  }

  private fill(ticks: number): void {
    const whole = Math.floor(ticks / LEAST) * LEAST;
    if (whole <= 0) return;
    this.sink.silence(whole);
    this.written += whole;
  }
}
