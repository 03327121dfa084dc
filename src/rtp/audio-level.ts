/**
 * The client-to-mixer audio level (RFC 6464), carried in a header extension (RFC 8285).
 *
 * ```
 *  one-byte header, profile 0xBEDE        two-byte header, profile 0x100X
 *  0                   1                  0                   1                   2
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5        0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+      +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  ID   | len=0 |V|   level     |      |      ID       |     len=1     |V|    level    |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+      +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
import type { RtpHeader } from './packet.ts';

/** The packet does not state its level. */
export const NO_LEVEL = -1;
/** Digital silence, in -dBov; 0 is the loudest. */
export const SILENCE = 127;

const ONE_BYTE_PROFILE = 0xbede;
const TWO_BYTE_PROFILE = 0x1000;
/** Id that ends the list of elements: RFC 8285, section 4.2. */
const ONE_BYTE_STOP = 15;

/**
 * Reads the audio level of a packet whose header has been read.
 *
 * @param bytes the buffer that `header` was read from.
 * @param id the negotiated id of the extension, 1 … 14; 0 if none was negotiated.
 * @returns 0 (loudest) … 127 (silence), or {@link NO_LEVEL}. Never throws, whatever the bytes.
 */
export function readLevel(bytes: Uint8Array, header: RtpHeader, id: number): number {
  if (id === 0 || header.extensionLength === 0) return NO_LEVEL;
  const profile = header.extensionProfile;
  const twoByte = (profile & 0xfff0) === TWO_BYTE_PROFILE;
  if (!twoByte && profile !== ONE_BYTE_PROFILE) return NO_LEVEL;
  const end = header.extensionOffset + header.extensionLength;
  let at = header.extensionOffset;
  while (at < end) {
    const first = bytes[at++]!;
    // Padding between elements.
    if (first === 0) continue;
    let element = first;
    let length: number;
    if (twoByte) {
      if (at >= end) return NO_LEVEL;
      length = bytes[at++]!;
    } else {
      element = first >> 4;
      if (element === ONE_BYTE_STOP) return NO_LEVEL;
      length = (first & 0x0f) + 1;
    }
    if (element === id) return length >= 1 && at < end ? bytes[at]! & 0x7f : NO_LEVEL;
    at += length;
  }
  return NO_LEVEL;
}

/** A payload of at most this many bytes may be digital silence; a voice at Opus's lowest rate, 6 kbit/s, has 15. */
const SILENT_BYTES = 10;
/** What the project's client adds to a frame that it encrypts end to end (`client/src/frame-cipher.ts`), bytes. */
export const ENCRYPTION_OVERHEAD = 32;
/** Silence as Opus writes it, encrypted: one to three bytes more. */
const ENCRYPTED_SILENCE_BYTES = ENCRYPTION_OVERHEAD + 3;
/** Levels from here on count as silence: a frame of 16-bit samples with a single one that is not zero has 120. */
const INAUDIBLE = 120;
/** A level that has changed more often than this is believed; one that is stuck, or set by hand, never gets there. */
const CHANGES = 5;
/** A level says nothing if more packets in a row than this have the same: {@link SILENCE}, or any other level. */
const STUCK_SILENT = 25;
const STUCK = 750;
/** How long a level holds for packets that state none, ticks: RFC 6464, section 3, lets a sender leave it out. */
const HOLDS = 5760;

/**
 * Judges how far one source's levels can be trusted. Some clients write a constant, mostly 127, beside real sound: such
 * a level says nothing and counts as none. A level that has once followed the sound is believed for good, so that a
 * muted microphone stays silent even if its encoder fills every frame (constant bit rate).
 */
export class LevelHistory {
  private changes = 0;
  private level = NO_LEVEL;
  private same = 0;
  /** The last verdict, and when it was given. */
  private judged = NO_LEVEL;
  private judgedAt = 0;

  /**
   * Judges the level of the next packet.
   *
   * @param level as {@link readLevel} returned it.
   * @param length bytes of Opus in the packet.
   * @param clock now, ticks modulo 2^32.
   * @returns the level to use: the same, an earlier one that still holds, or {@link NO_LEVEL}.
   */
  judge(level: number, length: number, clock: number): number {
    if (level === NO_LEVEL) return (clock - this.judgedAt) >>> 0 <= HOLDS ? this.judged : NO_LEVEL;
    const audible = level < INAUDIBLE;
    const seen = audible ? level : SILENCE;
    if (seen !== this.level) {
      this.changes++;
      this.level = seen;
      this.same = 0;
    }
    // A payload that may be silence does not show that the level is stuck.
    const holdsSound = !mayBeSilence(length);
    if (holdsSound) this.same++;
    const stuck = this.same > (audible ? STUCK : STUCK_SILENT);
    this.judged = stuck && holdsSound && this.changes <= CHANGES ? NO_LEVEL : level;
    this.judgedAt = clock;
    return this.judged;
  }
}

function mayBeSilence(length: number): boolean {
  return length <= SILENT_BYTES || (length > ENCRYPTION_OVERHEAD && length <= ENCRYPTED_SILENCE_BYTES);
}
