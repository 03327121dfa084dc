/** What a slot has sent up to one moment: the figures of a sender report (RFC 3550, section 6.4.1). */
import { OPUS_CLOCK_RATE } from './packet.ts';
import { Slot } from './rewriter.ts';

/** A slot that has sent nothing for this long has nothing to report, ticks. */
const IDLE = 2 * OPUS_CLOCK_RATE;
/** What a sender report says about one slot. */
export interface SlotReport {
  /** Outgoing SSRC, unsigned. */
  readonly ssrc: number;
  /** RTP timestamp of the moment that was asked for, unsigned. */
  readonly timestamp: number;
  /** Packets and payload bytes sent, modulo 2^32, unsigned. */
  readonly packets: number;
  readonly octets: number;
}

/**
 * Reads the row of a slot while a worker may be writing it. Each word is whole, but not all need belong to the same
 * packet: packets and bytes may be one packet apart, and the timestamp of now may follow from the newest packet or from
 * the one before it.
 *
 * @param clock now on the workers' clock, ticks, modulo 2^32.
 * @returns null if the slot has sent nothing lately.
 */
export function readSlot(words: Int32Array, row: number, clock: number): SlotReport | null {
  const packets = Atomics.load(words, row + Slot.Packets);
  const timestamp = (clock + Atomics.load(words, row + Slot.ClockOffset)) | 0;
  const elapsed = (timestamp - Atomics.load(words, row + Slot.LastTimestamp)) | 0;
  if (packets === 0 || elapsed > IDLE || elapsed < -IDLE) return null;
  return {
    ssrc: words[row + Slot.Ssrc]! >>> 0,
    timestamp: timestamp >>> 0,
    packets: packets >>> 0,
    octets: Atomics.load(words, row + Slot.Octets) >>> 0,
  };
}
