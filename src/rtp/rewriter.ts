/**
 * The numbering of one slot: one outgoing SSRC whose source changes, sent so that the receiver sees one stream.
 *
 * A slot is a row of {@link SLOT_WORDS} 32-bit words in a table that the caller owns. It is a row and not an object
 * so that it can live in shared memory: the numbering then outlasts the worker that wrote it, and goes on when the
 * slot's connection moves to another worker. Exactly one thread writes a row at a time.
 *
 * The rules, with the clauses they come from (RFC 3550, sections 5.1 and 7.1; RFC 3711, section 3.3.1 for why
 * numbering never restarts):
 * 1. A new source continues at the next sequence number, with the marker bit, at a timestamp that follows the wall
 *    clock from one anchor taken at the slot's first packet, so that any number of switches never adds up to a drift.
 * 2. A packet from before the switch is dropped.
 * 3. Within one source, gaps and order stay as the network made them.
 * 4. Timestamps never go back while sequence numbers grow.
 */
import { OPUS_CLOCK_RATE, OPUS_FRAME_TICKS } from './packet.ts';

/** Length of a slot's row, 32-bit words: one cache line, so that rows of two threads never share one. */
export const SLOT_WORDS = 16;

/** Words of a row. All are signed views of 32 bits. */
export const Slot = {
  /** Outgoing SSRC; set by {@link openSlot}. */
  Ssrc: 0,
  /** Outgoing payload types: those that the listener's offer gave Opus and RED, see {@link opusOf} and {@link redOf}. */
  PayloadTypes: 1,
  /** The connection that the slot belongs to; the caller's. */
  Connection: 2,
  /** Newest sequence number sent, 0 … 65535. */
  LastSequence: 3,
  /** Timestamp of that packet. */
  LastTimestamp: 4,
  /** Clock when it was sent, ticks. */
  LastClock: 5,
  /** Timestamp minus clock, both in ticks, taken at the first packet. */
  Anchor: 6,
  /** Key of the source being sent; 0 for none. */
  Source: 7,
  /** What turns an incoming index into an outgoing sequence number. */
  SequenceOffset: 8,
  TimestampOffset: 9,
  /** Incoming index of the packet of the switch. */
  SwitchIndex: 10,
  /** Results of {@link renumber}. */
  OutSequence: 11,
  OutTimestamp: 12,
  /** Packets and payload bytes sent, modulo 2^32: what a sender report tells (RFC 3550, section 6.4.1). */
  Packets: 13,
  Octets: 14,
  /** Number of the speaker who has the slot, 0 for nobody; the caller's. */
  Speaker: 15,
} as const;

const RED_SHIFT = 8;

/** The payload type of Opus in a `Slot.PayloadTypes`. */
export function opusOf(payloadTypes: number): number {
  return payloadTypes & 0x7f;
}

/** The payload type of RED (RFC 2198) in a `Slot.PayloadTypes`, 0 if the listener does not take RED. */
export function redOf(payloadTypes: number): number {
  return payloadTypes >> RED_SHIFT;
}

/** What {@link renumber} decided. */
export const Renumbered = {
  /** Send it as it is numbered. */
  Continue: 0,
  /** Send it with the marker bit: the first packet of a new source. */
  Switch: 1,
  /** Drop it: it is from before the switch. */
  BeforeSwitch: 2,
} as const;
export type RenumberVerdict = (typeof Renumbered)[keyof typeof Renumbered];

/** No source's key. */
export const NO_SOURCE = 0;

/**
 * How far a source may run ahead of the wall clock before it is anchored again, ticks. A sender whose timestamps race
 * would otherwise carry the slot's timestamps away for every source that follows.
 */
const MAX_AHEAD = 2 * OPUS_CLOCK_RATE;

/**
 * Makes a row ready for a new connection.
 *
 * @param words the table.
 * @param row index of the row's first word.
 * @param sequence first sequence number to send; random and below 2^15, so that the roll-over counter of SRTP cannot
 *   be guessed wrong at the start (RFC 3711, section 3.3.1).
 * @param timestamp first timestamp to send; random.
 * @param redPayloadType 0 if the listener does not take RED.
 */
export function openSlot(
  words: Int32Array,
  row: number,
  ssrc: number,
  payloadType: number,
  connection: number,
  sequence: number,
  timestamp: number,
  redPayloadType = 0,
): void {
  words.fill(0, row, row + SLOT_WORDS);
  words[row + Slot.Ssrc] = ssrc;
  words[row + Slot.PayloadTypes] = (redPayloadType << RED_SHIFT) | payloadType;
  words[row + Slot.Connection] = connection;
  words[row + Slot.LastSequence] = (sequence - 1) & 0xffff;
  words[row + Slot.LastTimestamp] = timestamp;
}

/** Takes the source out of a slot: whatever comes next is a new source, even the same one again. */
export function clearSlot(words: Int32Array, row: number): void {
  words[row + Slot.Source] = NO_SOURCE;
}

/**
 * Numbers the next packet of a slot; the result is in `Slot.OutSequence` and `Slot.OutTimestamp`.
 *
 * @param source key of the packet's source, never {@link NO_SOURCE}; a source that restarts its numbering has a new key.
 * @param index the packet's number as `SourceSequence` unwrapped it.
 * @param timestamp the packet's own timestamp.
 * @param octets length of its payload, bytes.
 * @param clock now, in ticks of 1/48000 s, modulo 2^32.
 */
export function renumber(
  words: Int32Array,
  row: number,
  source: number,
  index: number,
  timestamp: number,
  octets: number,
  clock: number,
): RenumberVerdict {
  if (words[row + Slot.Source] !== source) return switchSource(words, row, source, index, timestamp, octets, clock);
  if (((index - words[row + Slot.SwitchIndex]!) | 0) < 0) return Renumbered.BeforeSwitch;

  const outSequence = (index + words[row + Slot.SequenceOffset]!) & 0xffff;
  const outTimestamp = (timestamp + words[row + Slot.TimestampOffset]!) | 0;
  const ahead = ((outSequence - words[row + Slot.LastSequence]!) << 16) >> 16;
  if (ahead > 0) {
    const back = ((outTimestamp - words[row + Slot.LastTimestamp]!) | 0) < 0;
    const racing = ((outTimestamp - clock - words[row + Slot.Anchor]!) | 0) > MAX_AHEAD;
    if (back || racing) return switchSource(words, row, source, index, timestamp, octets, clock);
    words[row + Slot.LastSequence] = outSequence;
    words[row + Slot.LastTimestamp] = outTimestamp;
    words[row + Slot.LastClock] = clock;
  }
  count(words, row, octets);
  words[row + Slot.OutSequence] = outSequence;
  words[row + Slot.OutTimestamp] = outTimestamp;
  return Renumbered.Continue;
}

/**
 * Numbers a packet of the server's own behind the last one of a slot; whatever comes next is a new source.
 *
 * @param octets length of its payload, bytes.
 * @param clock now, ticks.
 */
export function insert(words: Int32Array, row: number, octets: number, clock: number): void {
  const sequence = (words[row + Slot.LastSequence]! + 1) & 0xffff;
  const timestamp = nextTimestamp(words, row, clock);
  words[row + Slot.Source] = NO_SOURCE;
  sent(words, row, sequence, timestamp, octets, clock);
}

function switchSource(
  words: Int32Array,
  row: number,
  source: number,
  index: number,
  timestamp: number,
  octets: number,
  clock: number,
): RenumberVerdict {
  const outSequence = (words[row + Slot.LastSequence]! + 1) & 0xffff;
  const outTimestamp = nextTimestamp(words, row, clock);
  words[row + Slot.Source] = source;
  words[row + Slot.SwitchIndex] = index;
  words[row + Slot.SequenceOffset] = (outSequence - index) | 0;
  words[row + Slot.TimestampOffset] = (outTimestamp - timestamp) | 0;
  sent(words, row, outSequence, outTimestamp, octets, clock);
  return Renumbered.Switch;
}

/** Takes note of the newest packet. */
function sent(
  words: Int32Array,
  row: number,
  sequence: number,
  timestamp: number,
  octets: number,
  clock: number,
): void {
  words[row + Slot.LastSequence] = sequence;
  words[row + Slot.LastTimestamp] = timestamp;
  words[row + Slot.LastClock] = clock;
  words[row + Slot.OutSequence] = sequence;
  words[row + Slot.OutTimestamp] = timestamp;
  count(words, row, octets);
}

function count(words: Int32Array, row: number, octets: number): void {
  words[row + Slot.Packets]!++;
  words[row + Slot.Octets]! += octets;
}

/**
 * The timestamp for the first packet of a source: where the wall clock is, but a whole frame after the last packet
 * where that is at most one frame ahead of the clock. A receiver throws away a frame that overlaps the one before.
 */
function nextTimestamp(words: Int32Array, row: number, clock: number): number {
  const last = words[row + Slot.LastTimestamp]!;
  if (words[row + Slot.Packets] === 0) {
    words[row + Slot.Anchor] = (last - clock) | 0;
    return last;
  }
  const now = (clock + words[row + Slot.Anchor]!) | 0;
  const since = (now - last) | 0;
  if (since < -2 * MAX_AHEAD) {
    // Nobody was heard here for so long (12 hours) that the clock's difference wrapped: the anchor is taken anew.
    const next = (last + OPUS_FRAME_TICKS) | 0;
    words[row + Slot.Anchor] = (next - clock) | 0;
    return next;
  }
  if (since >= OPUS_FRAME_TICKS) return now;
  return since >= 0 ? (last + OPUS_FRAME_TICKS) | 0 : (last + 1) | 0;
}
