/**
 * What travels on a media subject: packets of one instance, or the announcement of a source.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |    version    |     kind      |          incarnation          |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
 * |                                                               |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 *
 * An announcement follows as JSON (`announcement.ts`). Packets follow one after the other, each as:
 *
 * ```
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                            source                             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |             arrival at its instance, microseconds             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  uplink loss  |            length             |     RTP …
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
import { MAX_PACKET_BYTES } from '../../../rtp/packet.ts';

const VERSION = 1;
/** What a message holds. Receivers ignore kinds that they do not know. */
export const Kind = { Packets: 1, Announcement: 2 } as const;
export type MessageKind = (typeof Kind)[keyof typeof Kind];

/** Length of the head of each message, bytes. */
export const HEAD_BYTES = 8;
/** What a packet takes besides its own bytes. */
export const RECORD_BYTES = 11;
/** Longest message, bytes. NATS takes 1 MiB as it comes. */
export const MAX_MESSAGE_BYTES = 64 * 1024;
const EMPTY = new Uint8Array();
const INCARNATION = /^[0-9a-f]{12}$/;

/** Returns the head of messages. @param incarnation 12 hex digits. @throws RangeError if it is none. */
export function messageHead(kind: MessageKind, incarnation: string): Uint8Array {
  if (!INCARNATION.test(incarnation)) throw new RangeError(`no incarnation: ${incarnation}`);
  return Buffer.concat([Uint8Array.of(VERSION, kind), Buffer.from(incarnation, 'hex')]);
}

/**
 * Writes one packet into a message.
 *
 * @param at where it begins.
 * @param source connection id on this instance.
 * @param stamp its arrival, of `toStamp`.
 * @param loss of its source on the way here, 0 … 255.
 * @returns where the next one begins.
 */
export function writeRecord(
  bytes: Uint8Array,
  at: number,
  source: number,
  stamp: number,
  loss: number,
  packet: Uint8Array,
): number {
  writeInt32(bytes, at, source);
  writeInt32(bytes, at + 4, stamp);
  bytes[at + 8] = loss;
  bytes[at + 9] = packet.length >> 8;
  bytes[at + 10] = packet.length;
  bytes.set(packet, at + RECORD_BYTES);
  return at + RECORD_BYTES + packet.length;
}

/** Reads messages. One instance is reused for all, so that no packet allocates anything. Never throws. */
export class MessageReader {
  /** Of the message: a {@link Kind}, or a number that this version does not know. */
  kind = 0;
  /** The upper and the lower half of the incarnation, 24 bits each. */
  high = 0;
  low = 0;
  /** Where what follows the head begins, and after {@link next} the packet; bytes from the message's start. */
  offset = 0;
  /** Length of the packet, bytes. */
  length = 0;
  /** Connection id of the packet's source on its own instance. */
  source = 0;
  /** Its arrival there, microseconds modulo 2^32 by that instance's clock. */
  stamp = 0;
  /** Loss of its source on the way there, 0 … 255. */
  loss = 0;
  private bytes: Uint8Array = EMPTY;

  /** Begins to read a message. @returns false if it is none of this version. */
  begin(bytes: Uint8Array): boolean {
    if (bytes.length < HEAD_BYTES || bytes.length > MAX_MESSAGE_BYTES || bytes[0] !== VERSION) return false;
    this.bytes = bytes;
    this.kind = bytes[1]!;
    this.high = (bytes[2]! << 16) | (bytes[3]! << 8) | bytes[4]!;
    this.low = (bytes[5]! << 16) | (bytes[6]! << 8) | bytes[7]!;
    this.offset = HEAD_BYTES;
    this.length = 0;
    return true;
  }

  /** Whether all packets were read. */
  get done(): boolean {
    return this.offset + this.length === this.bytes.length;
  }

  /** Reads the next packet. @returns false if the rest of the message is malformed. Not for one that is done. */
  next(): boolean {
    const { bytes } = this;
    const at = this.offset + this.length;
    const offset = at + RECORD_BYTES;
    if (offset > bytes.length) return false;
    const length = (bytes[at + 9]! << 8) | bytes[at + 10]!;
    if (length === 0 || length > MAX_PACKET_BYTES || offset + length > bytes.length) return false;
    this.source = readInt32(bytes, at);
    this.stamp = readInt32(bytes, at + 4);
    this.loss = bytes[at + 8]!;
    this.offset = offset;
    this.length = length;
    return true;
  }

  /** Forgets the message, so that its memory is free. */
  end(): void {
    this.bytes = EMPTY;
    this.offset = 0;
    this.length = 0;
  }
}

/** Returns an incarnation by its halves. */
export function incarnationOf(high: number, low: number): string {
  return hex(high) + hex(low);
}

function hex(half: number): string {
  return half.toString(16).padStart(6, '0');
}

function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24;
  bytes[at + 1] = value >> 16;
  bytes[at + 2] = value >> 8;
  bytes[at + 3] = value;
}
