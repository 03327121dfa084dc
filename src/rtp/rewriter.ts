/**
 * The numbering of one slot: one outgoing SSRC whose source changes, numbered so that the receiver sees one stream.
 *
 * A slot is a row of {@link SLOT_WORDS} 32-bit words in a table that the caller owns. It is a row rather than an object
 * so that it can live in shared memory: the numbering then outlasts the worker that wrote it, and continues when the
 * slot's connection moves to another worker. Exactly one thread writes a row at a time.
 *
 * The rules follow from RFC 3550, sections 5.1 and 7.1, and from RFC 3711, section 3.3.1, because of which numbering
 * never restarts:
 * 1. A new source continues at the next sequence number, with the marker bit, where the previous sound ends: a receiver
 *    discards a packet that overlaps the one before. After a pause the timestamp follows the wall clock, from an anchor
 *    taken at the slot's first packet.
 * 2. A packet from before the switch is dropped.
 * 3. Within one source, gaps and order stay as the network made them.
 * 4. Timestamps never go back while sequence numbers grow.
 */
import { MAX_OPUS_TICKS } from './opus.ts';
import { OPUS_CLOCK_RATE, OPUS_FRAME_TICKS } from './packet.ts';

/** Length of a slot's row, 32-bit words: one cache line, so that two threads never write to the same line. */
export const SLOT_WORDS = 16;

/** Words of a row, each a signed view of 32 bits. */
export const Slot = {
  /** Outgoing SSRC; set by {@link openSlot}. */
  Ssrc: 0,
  /** Outgoing payload types, from the listener's offer, of Opus and RED: see {@link opusOf} and {@link redOf}. */
  PayloadTypes: 1,
  /** The connection that the slot belongs to; for the caller's use. */
  Connection: 2,
  /** Newest sequence number sent, 0 … 65535. */
  LastSequence: 3,
  /** Timestamp of that packet. */
  LastTimestamp: 4,
  /**
   * That timestamp minus the clock when it was sent, ticks. It is this one word, and not the clock, so that a reader
   * gets the right timestamp for now while the worker writes, whichever packet the word belongs to.
   */
  ClockOffset: 5,
  /** Timestamp minus clock, both in ticks, taken at the first packet. */
  Anchor: 6,
  /** Key of the source being sent; 0 for none. */
  Source: 7,
  /** Added to an incoming index to get the outgoing sequence number. */
  SequenceOffset: 8,
  TimestampOffset: 9,
  /** Incoming index of the first packet after the switch. */
  SwitchIndex: 10,
  /** Timestamp at which the sound of the newest packet ends. */
  End: 11,
  /** Who published the newest packet of a source: `SlotPacket.publisher`. */
  Publisher: 12,
  /** Packets and payload bytes sent, modulo 2^32, for sender reports (RFC 3550, section 6.4.1). */
  Packets: 13,
  Octets: 14,
  /** Number of the speaker who has the slot, 0 for nobody; for the caller's use. */
  Speaker: 15,
} as const;

const RED_SHIFT = 8;

/** Returns the payload type of Opus in a `Slot.PayloadTypes`. */
export function opusOf(payloadTypes: number): number {
  return payloadTypes & 0x7f;
}

/** Returns the payload type of RED (RFC 2198) in a `Slot.PayloadTypes`, 0 if the listener does not take RED. */
export function redOf(payloadTypes: number): number {
  return payloadTypes >> RED_SHIFT;
}

/** What {@link renumber} decided. */
export const Renumbered = {
  /** Send it with its new numbers. */
  Continue: 0,
  /** Send it with the marker bit: the first packet of a new source. */
  Switch: 1,
  /** Drop it: it is from before the switch. */
  BeforeSwitch: 2,
} as const;
export type RenumberVerdict = (typeof Renumbered)[keyof typeof Renumbered];

/** The key that no source has. */
export const NO_SOURCE = 0;

/**
 * How far a source may run ahead of the wall clock before it is anchored again, ticks. Otherwise, a sender whose
 * timestamps race would carry the slot's timestamps away for every source that follows.
 */
const MAX_AHEAD = 2 * OPUS_CLOCK_RATE;
/** How far ahead of the wall clock a source may begin, ticks. */
const MAX_LEAD = MAX_AHEAD + MAX_OPUS_TICKS;
/**
 * When voices take turns without a pause, each turn may give a slot up to a packet more sound than there was time for.
 * Receivers catch up by playing faster. The anchor follows by 2^-3 of the time that passes, so that the lead does not
 * add up until the source seems to race.
 */
const CAUGHT_UP_SHIFT = 3;
/** How much a slot that is ahead gives back in a pause, ticks. More at once would look like a delay to the receiver. */
const GIVEN_BACK = OPUS_FRAME_TICKS;
/** A shorter gap than this is closed, because the receiver would have to make up sound for it. Ticks. */
const LEAST_GAP = OPUS_FRAME_TICKS;
/**
 * Silence that ends a sound follows it without a gap if the sound was there this recently, ticks, for the same reason.
 * Its packets may have been slow, and the clock ahead of their timestamps; nobody notices when exactly silence begins.
 */
const JUST_HEARD = 5 * OPUS_FRAME_TICKS;

/** A packet to be numbered, and its numbers in the slot that was numbered last. One instance is reused. */
export class SlotPacket {
  /** Key of its source, never {@link NO_SOURCE}; a source that restarts its numbering has a new key. */
  source: number = NO_SOURCE;
  /** Tells who published the source; unlike {@link source} it stays the same when the numbering restarts. */
  publisher = 0;
  /** Its number as `SourceSequence` unwrapped it. */
  index = 0;
  /** Its own timestamp. */
  timestamp = 0;
  /** Duration of its sound, ticks, 1 … `MAX_OPUS_TICKS`. */
  duration = OPUS_FRAME_TICKS;
  /** Length of its payload, bytes. */
  octets = 0;
  /** When it would have come if nothing had delayed it, in ticks of 1/48000 s, modulo 2^32. */
  clock = 0;
  /** The numbers to send it with: 0 … 65535, and a signed view of 32 bits. */
  outSequence = 0;
  outTimestamp = 0;
}

/**
 * Makes a row ready for a new connection.
 *
 * @param words the table.
 * @param row index of the row's first word.
 * @param sequence first sequence number to send; random and below 2^15, so that a receiver cannot guess SRTP's
 *   roll-over counter wrong at the start (RFC 3711, section 3.3.1).
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

/** Takes the source out of a slot: the next packet begins a new source, even if it is of the same one. */
export function clearSlot(words: Int32Array, row: number): void {
  words[row + Slot.Source] = NO_SOURCE;
}

/** Numbers the next packet of a slot. */
export function renumber(words: Int32Array, row: number, packet: SlotPacket): RenumberVerdict {
  const { index, clock } = packet;
  if (words[row + Slot.Source] !== packet.source) return switchSource(words, row, packet);
  if (((index - words[row + Slot.SwitchIndex]!) | 0) < 0) return Renumbered.BeforeSwitch;

  const sequence = (index + words[row + Slot.SequenceOffset]!) & 0xffff;
  const timestamp = (packet.timestamp + words[row + Slot.TimestampOffset]!) | 0;
  const ahead = ((sequence - words[row + Slot.LastSequence]!) << 16) >> 16;
  if (ahead > 0) {
    const back = ((timestamp - words[row + Slot.LastTimestamp]!) | 0) < 0;
    const racing = ((timestamp - clock - words[row + Slot.Anchor]!) | 0) > MAX_AHEAD;
    if (back || racing) return switchSource(words, row, packet);
    recordNewest(words, row, packet, sequence, timestamp);
  }
  recordSent(words, row, packet, sequence, timestamp);
  return Renumbered.Continue;
}

/**
 * Numbers a packet of silence that the server made itself, right after the slot's newest one. The next packet of a
 * source is then a new source.
 *
 * @param packet only its duration, octets and clock count.
 */
export function insert(words: Int32Array, row: number, packet: SlotPacket): void {
  words[row + Slot.Source] = NO_SOURCE;
  packet.publisher = words[row + Slot.Publisher]!;
  const timestamp = nextTimestamp(words, row, packet);
  const end = words[row + Slot.End]!;
  const since = (packet.clock + words[row + Slot.ClockOffset]! - end) | 0;
  const closes = words[row + Slot.Packets] !== 0 && since < JUST_HEARD && ((timestamp - end) | 0) > 0;
  append(words, row, packet, closes ? end : timestamp);
}

function switchSource(words: Int32Array, row: number, packet: SlotPacket): RenumberVerdict {
  const { source, index, timestamp } = packet;
  append(words, row, packet, nextTimestamp(words, row, packet));
  words[row + Slot.SwitchIndex] = index;
  words[row + Slot.SequenceOffset] = (packet.outSequence - index) | 0;
  words[row + Slot.TimestampOffset] = (packet.outTimestamp - timestamp) | 0;
  words[row + Slot.Source] = source;
  words[row + Slot.Publisher] = packet.publisher;
  return Renumbered.Switch;
}

/** Numbers a packet right after the slot's newest one. */
function append(words: Int32Array, row: number, packet: SlotPacket, timestamp: number): void {
  const sequence = (words[row + Slot.LastSequence]! + 1) & 0xffff;
  recordNewest(words, row, packet, sequence, timestamp);
  recordSent(words, row, packet, sequence, timestamp);
}

/** Records the newest packet. The end is written first: wherever a worker ends in here, time only goes forward. */
function recordNewest(
  words: Int32Array,
  row: number,
  { duration, clock }: SlotPacket,
  sequence: number,
  timestamp: number,
): void {
  words[row + Slot.End] = (timestamp + duration) | 0;
  catchUp(words, row, timestamp, clock);
  words[row + Slot.LastSequence] = sequence;
  words[row + Slot.LastTimestamp] = timestamp;
  words[row + Slot.ClockOffset] = (timestamp - clock) | 0;
}

/** Moves the anchor if the slot is ahead of it. @param timestamp of the packet that is about to be the newest. */
function catchUp(words: Int32Array, row: number, timestamp: number, clock: number): void {
  const lead = (timestamp - clock - words[row + Slot.Anchor]!) | 0;
  if (lead <= 0) return;
  const elapsed = (clock + words[row + Slot.ClockOffset]! - words[row + Slot.LastTimestamp]!) | 0;
  if (elapsed > 0) words[row + Slot.Anchor]! += Math.min(lead, elapsed >> CAUGHT_UP_SHIFT);
}

function recordSent(words: Int32Array, row: number, packet: SlotPacket, sequence: number, timestamp: number): void {
  words[row + Slot.Packets]!++;
  words[row + Slot.Octets]! += packet.octets;
  packet.outSequence = sequence;
  packet.outTimestamp = timestamp;
}

/** Returns the timestamp for a source's first packet: the wall clock's, but not before the newest packet ends. */
function nextTimestamp(words: Int32Array, row: number, { publisher, clock }: SlotPacket): number {
  const last = words[row + Slot.LastTimestamp]!;
  if (words[row + Slot.Packets] === 0) {
    words[row + Slot.Anchor] = (last - clock) | 0;
    return last;
  }
  const end = words[row + Slot.End]!;
  const since = (clock + words[row + Slot.Anchor]! - end) | 0;
  // Nobody was heard here for so long (12 hours) that the clock's difference wrapped: take a new anchor.
  const wrapped = since < -2 * MAX_AHEAD;
  if (wrapped || since < -MAX_LEAD) {
    // A publisher that sends more sound than there is time for, or at random times, must not carry the slot away.
    if (!wrapped && words[row + Slot.Publisher] === publisher) return (last + 1) | 0;
    words[row + Slot.Anchor] = (end - clock - (wrapped ? 0 : MAX_LEAD)) | 0;
    return end;
  }
  const goingOn = (clock + words[row + Slot.ClockOffset]! - GIVEN_BACK - end) | 0;
  const gap = Math.max(since, goingOn);
  return gap < LEAST_GAP ? end : (end + gap) | 0;
}
