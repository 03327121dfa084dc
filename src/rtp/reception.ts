/**
 * How the packets of one source arrive: what a receiver report tells its sender (RFC 3550, section 6.4.1).
 *
 * The worker that receives the packets keeps the account, in a row of {@link RECEPTION_WORDS} 32-bit words in shared
 * memory, and the main thread reads it when a report is due. The rules are those of RFC 3550:
 *
 * - Loss (appendix A.3): all numbers from the first to the highest are expected. Every packet that came is received,
 *   including late ones and duplicates, so the loss may be negative. Packets so far behind that they could be a restart
 *   are not counted (appendix A.1).
 * - Jitter (appendix A.8) is the smoothed difference between the spacing of arrivals and the spacing of timestamps. A
 *   pause of discontinuous transmission is no jitter, because the timestamps go on in it. They stand still while a muted
 *   client sends nothing, so that the first packet after a mute says nothing about spacing. Neither do duplicates and
 *   packets without sound: the latter repeat a timestamp, or have one of another clock.
 * - A gap of less than {@link MAX_DROPOUT} numbers is loss, even if the slots treat it as a restart. A larger gap, or
 *   another SSRC, starts the account over.
 */
import { Arrival, type ArrivalVerdict, sequenceDistance } from './sequence.ts';

/** Length of the account, 32-bit words. */
export const RECEPTION_WORDS = 9;

/** Words of the account, counted from its first. */
const Word = {
  /** Odd while the worker writes. */
  Version: 0,
  /** Changes whenever the account starts over; 0 before the first packet. */
  Run: 1,
  Ssrc: 2,
  /** First sequence number. */
  Base: 3,
  /** Highest sequence number, with its wraps in the upper 16 bits. */
  Highest: 4,
  /** Packets received. */
  Received: 5,
  /** The last packet's timestamp and arrival, ticks and microseconds. */
  Timestamp: 6,
  Arrived: 7,
  /** Sixteen times the jitter, ticks. */
  Jitter: 8,
} as const;

/** A forward gap of this many packets (a minute of voice) is a restart: RFC 3550, appendix A.1. */
export const MAX_DROPOUT = 3000;
/** A difference in spacing of this much comes from a timestamp that jumped, or a sender that slept. Ticks (10 s). */
const MAX_DIFFERENCE = 480_000;
/** Attempts to read a row that is being written; a worker writes for some nanoseconds every 20 ms. */
const ATTEMPTS = 100;

/**
 * Takes one packet into account. Allocates nothing.
 *
 * @param words the table.
 * @param row index of the account's first word.
 * @param arrival the verdict of `SourceSequence`.
 * @param sequence 0 … 65535.
 * @param timestamp the packet's own.
 * @param stamp when the packet arrived, microseconds, modulo 2^32.
 * @param sound whether the packet holds sound, so that its timestamp is when that sound began.
 * @param resumes whether the sender's timestamps may have stood still since the packet before.
 */
export function recordArrival(
  words: Int32Array,
  row: number,
  arrival: ArrivalVerdict,
  sequence: number,
  timestamp: number,
  ssrc: number,
  stamp: number,
  sound = true,
  resumes = false,
): void {
  if (arrival === Arrival.TooOld) return;
  const timed = sound && arrival !== Arrival.Duplicate;
  const version = words[row + Word.Version]!;
  Atomics.store(words, row + Word.Version, (version + 1) | 0);
  if (words[row + Word.Run] === 0 || words[row + Word.Ssrc] !== ssrc || beginsAnew(words, row, arrival, sequence)) {
    begin(words, row, sequence, timestamp, ssrc, stamp);
  } else {
    const ahead = sequenceDistance(sequence, words[row + Word.Highest]! & 0xffff);
    if (ahead > 0) words[row + Word.Highest] = (words[row + Word.Highest]! + ahead) | 0;
    words[row + Word.Received] = (words[row + Word.Received]! + 1) | 0;
    if (timed) time(words, row, timestamp, stamp, resumes);
  }
  Atomics.store(words, row + Word.Version, (version + 2) | 0);
}

function beginsAnew(words: Int32Array, row: number, arrival: ArrivalVerdict, sequence: number): boolean {
  if (arrival !== Arrival.Restart) return false;
  const ahead = sequenceDistance(sequence, words[row + Word.Highest]! & 0xffff);
  return ahead <= 0 || ahead >= MAX_DROPOUT;
}

function begin(words: Int32Array, row: number, sequence: number, timestamp: number, ssrc: number, stamp: number): void {
  const run = (words[row + Word.Run]! + 1) | 0;
  words[row + Word.Run] = run === 0 ? 1 : run;
  words[row + Word.Ssrc] = ssrc;
  words[row + Word.Base] = sequence;
  words[row + Word.Highest] = sequence;
  words[row + Word.Received] = 1;
  words[row + Word.Jitter] = 0;
  words[row + Word.Timestamp] = timestamp;
  words[row + Word.Arrived] = stamp;
}

function time(words: Int32Array, row: number, timestamp: number, stamp: number, resumes: boolean): void {
  const spacing = (stamp - words[row + Word.Arrived]!) | 0;
  // 48 ticks a millisecond: 6 every 125 µs.
  const ticks = ((spacing * 6) / 125) | 0;
  const difference = Math.abs((ticks - ((timestamp - words[row + Word.Timestamp]!) | 0)) | 0);
  words[row + Word.Timestamp] = timestamp;
  words[row + Word.Arrived] = stamp;
  if (resumes || difference >= MAX_DIFFERENCE) return;
  const jitter = words[row + Word.Jitter]!;
  words[row + Word.Jitter] = jitter + difference - ((jitter + 8) >> 4);
}

/** An account as it was at one moment. */
export interface Reception {
  /** Changes, like {@link base}, when the account starts over: then do not subtract an older reception from it. */
  readonly run: number;
  /** First sequence number, 0 … 65535. */
  readonly base: number;
  /** SSRC of the packets, unsigned. */
  readonly ssrc: number;
  /** Extended highest sequence number received, unsigned 32 bits. */
  readonly highest: number;
  /** Packets received, modulo 2^32, signed. */
  readonly received: number;
  /** Interarrival jitter, ticks of 1/48000 s. */
  readonly jitter: number;
}

/** Reads an account that a worker may be writing. @returns null if nothing has been received yet. */
export function readReception(words: Int32Array, row: number): Reception | null {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const version = Atomics.load(words, row + Word.Version);
    const reception = {
      run: words[row + Word.Run]!,
      ssrc: words[row + Word.Ssrc]! >>> 0,
      base: words[row + Word.Base]!,
      highest: words[row + Word.Highest]! >>> 0,
      received: words[row + Word.Received]!,
      jitter: words[row + Word.Jitter]! >> 4,
    };
    if ((version & 1) !== 0 || Atomics.load(words, row + Word.Version) !== version) continue;
    return reception.run === 0 ? null : reception;
  }
  return null;
}
