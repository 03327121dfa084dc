/** What a slot has sent, at one moment: the figures of a sender report (RFC 3550, section 6.4.1). */
import { OPUS_CLOCK_RATE } from './packet.ts';
import { Slot } from './rewriter.ts';

/** A slot that sent nothing for so long has nothing to report, ticks. */
const IDLE = 2 * OPUS_CLOCK_RATE;
/** Attempts at a row that is being written; a worker writes for some nanoseconds, every 20 ms. */
const ATTEMPTS = 100;

/** What a sender report says of one slot. */
export interface SlotReport {
  /** Unsigned. */
  readonly ssrc: number;
  /** RTP timestamp of the moment that was asked for, unsigned. */
  readonly timestamp: number;
  /** Packets and payload bytes sent, modulo 2^32, unsigned. */
  readonly packets: number;
  readonly octets: number;
}

/**
 * Reads the row of a slot that a worker may be writing.
 *
 * @param clock now, on the workers' clock: ticks, modulo 2^32.
 * @returns null if the slot has not sent anything of late.
 */
export function readSlot(words: Int32Array, row: number, clock: number): SlotReport | null {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const packets = Atomics.load(words, row + Slot.Packets);
    const octets = Atomics.load(words, row + Slot.Octets);
    const timestamp = Atomics.load(words, row + Slot.LastTimestamp);
    const then = Atomics.load(words, row + Slot.LastClock);
    const torn =
      Atomics.load(words, row + Slot.LastTimestamp) !== timestamp ||
      Atomics.load(words, row + Slot.LastClock) !== then ||
      Atomics.load(words, row + Slot.Packets) !== packets ||
      Atomics.load(words, row + Slot.Octets) !== octets;
    if (torn) continue;
    const elapsed = (clock - then) | 0;
    if (packets === 0 || elapsed > IDLE || elapsed < -IDLE) return null;
    return {
      ssrc: words[row + Slot.Ssrc]! >>> 0,
      timestamp: (timestamp + elapsed) >>> 0,
      packets: packets >>> 0,
      octets: octets >>> 0,
    };
  }
  return null;
}
