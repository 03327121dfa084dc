/**
 * What a tap's websocket brings in binary messages: packets as they came in. All numbers are big-endian.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  version = 1  |   kind = 1    |            packets            |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |       arrival of the first one, microseconds since 1970       |
 * |                                                               |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 *
 * Packets follow one after the other, each as:
 *
 * ```
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                        speaker number                         |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |         arrival after that of the first, microseconds         |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |            length             |     RTP …
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */

export const TAP_VERSION = 1;
/** What a message holds. Readers ignore kinds that they do not know. */
export const TapKind = { Packets: 1 } as const;
/** Length of the head of each message, bytes. */
export const HEAD_BYTES = 12;
/** What a packet takes besides its own bytes. */
export const RECORD_BYTES = 10;

const HIGH = 2 ** 32;

/** Writes the head of a message. @param arrival of its first packet, microseconds since 1970. */
export function writeHead(bytes: Uint8Array, packets: number, arrival: number): void {
  bytes[0] = TAP_VERSION;
  bytes[1] = TapKind.Packets;
  bytes[2] = packets >> 8;
  bytes[3] = packets;
  writeUint32(bytes, 4, Math.floor(arrival / HIGH));
  writeUint32(bytes, 8, arrival % HIGH);
}

/** Writes one packet. @param after its arrival after that of the first, microseconds. @returns where the next begins. */
export function writeRecord(bytes: Uint8Array, at: number, speaker: number, after: number, packet: Uint8Array): number {
  writeUint32(bytes, at, speaker);
  writeUint32(bytes, at + 4, after);
  bytes[at + 8] = packet.length >> 8;
  bytes[at + 9] = packet.length;
  bytes.set(packet, at + RECORD_BYTES);
  return at + RECORD_BYTES + packet.length;
}

/** A packet as a reader of a tap gets it. */
export interface TappedPacket {
  /** The speaker's number in the conversation. */
  readonly speaker: number;
  /** Microseconds since 1970. */
  readonly arrival: number;
  /** One RTP packet. */
  readonly bytes: Uint8Array;
}

/**
 * Reads a binary message. Never throws.
 *
 * @returns its packets, none if it is of a kind that this version does not know; null if it is malformed or of another
 *   version.
 */
export function readTapMessage(bytes: Uint8Array): TappedPacket[] | null {
  if (bytes.length < HEAD_BYTES || bytes[0] !== TAP_VERSION) return null;
  if (bytes[1] !== TapKind.Packets) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = view.getUint16(2);
  const first = view.getUint32(4) * HIGH + view.getUint32(8);
  const packets: TappedPacket[] = [];
  let at = HEAD_BYTES;
  while (packets.length < count) {
    const begin = at + RECORD_BYTES;
    if (begin > bytes.length) return null;
    const end = begin + view.getUint16(at + 8);
    if (end > bytes.length) return null;
    const arrival = first + view.getUint32(at + 4);
    packets.push({ speaker: view.getUint32(at), arrival, bytes: bytes.subarray(begin, end) });
    at = end;
  }
  return at === bytes.length ? packets : null;
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
