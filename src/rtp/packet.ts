/**
 * RTP packets, read and written in place.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                           timestamp                           |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |           synchronization source (SSRC) identifier            |
 * +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
 * |            contributing source (CSRC) identifiers             |
 * |                             ....                              |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 * RFC 3550, section 5.1. Every 32-bit field is kept as a signed integer: 64-bit Node never boxes such a number, and
 * differences that wrap come out right with `| 0`.
 */

/** Length of the fixed header, bytes. */
export const RTP_HEADER_BYTES = 12;
/** Length of the header that the SFU sends, bytes: the fixed header and one CSRC. */
export const SENT_HEADER_BYTES = 16;
/** Longest packet that the SFU takes or sends, bytes: as much as an Ethernet frame holds, far above any Opus packet. */
export const MAX_PACKET_BYTES = 1500;
/** Clock rate of Opus in RTP, whatever its audio bandwidth: RFC 7587, section 4.1. Ticks a second. */
export const OPUS_CLOCK_RATE = 48_000;
/** One Opus frame of 20 ms, ticks. */
export const OPUS_FRAME_TICKS = 960;

const VERSION = 2;
const OFFSET_SEQUENCE = 2;
const OFFSET_TIMESTAMP = 4;
const OFFSET_SSRC = 8;
const OFFSET_CSRC = 12;

/** What {@link readHeader} found wrong, or `Ok`. */
export const Header = {
  Ok: 0,
  TooShort: 1,
  TooLong: 2,
  WrongVersion: 3,
  Truncated: 4,
  BadPadding: 5,
  /** Well-formed, but without a payload: a keep-alive, or nothing but padding. */
  Empty: 6,
} as const;
export type HeaderVerdict = (typeof Header)[keyof typeof Header];

/** The fields of one header. One instance is reused for every packet. */
export class RtpHeader {
  /** 0 or 1. */
  marker = 0;
  /** 0 … 127. */
  payloadType = 0;
  /** 0 … 65535. */
  sequence = 0;
  /** The 32 bits as a signed integer. */
  timestamp = 0;
  /** The 32 bits as a signed integer. */
  ssrc = 0;
  /** Where the payload begins, bytes from the start of the buffer. */
  payloadOffset = 0;
  /** Length without padding, bytes; 0 only if the packet is `Header.Empty`. */
  payloadLength = 0;
  /** The 16 bits that state the form of the header extension; 0 if there is none. */
  extensionProfile = 0;
  /** Where the extension's elements begin, bytes from the start of the buffer. */
  extensionOffset = 0;
  /** Length of the extension's elements, bytes; 0 if there is none. */
  extensionLength = 0;
}

/**
 * Reads the header of the packet at `offset`, checking every length against the packet's end.
 *
 * @param bytes the buffer the packet lies in.
 * @param offset where the packet begins.
 * @param length its length in bytes.
 * @param header takes the fields; left half-written unless the result is `Header.Ok` or `Header.Empty`.
 * @returns `Header.Ok`, or what is wrong. Never throws, whatever the bytes.
 */
export function readHeader(bytes: Uint8Array, offset: number, length: number, header: RtpHeader): HeaderVerdict {
  if (length < RTP_HEADER_BYTES || offset + length > bytes.length) return Header.TooShort;
  if (length > MAX_PACKET_BYTES) return Header.TooLong;
  const first = bytes[offset]!;
  const second = bytes[offset + 1]!;
  if (first >> 6 !== VERSION) return Header.WrongVersion;

  let headerLength = RTP_HEADER_BYTES + (first & 0x0f) * 4;
  header.extensionLength = 0;
  if ((first & 0x10) !== 0) {
    // RFC 3550, section 5.3.1: 16 bits of profile, then 16 bits that count the 32-bit words that follow.
    const extension = offset + headerLength;
    if (headerLength + 4 > length) return Header.Truncated;
    header.extensionProfile = (bytes[extension]! << 8) | bytes[extension + 1]!;
    header.extensionOffset = extension + 4;
    header.extensionLength = ((bytes[extension + 2]! << 8) | bytes[extension + 3]!) * 4;
    headerLength += 4 + header.extensionLength;
  }
  if (headerLength > length) return Header.Truncated;

  let payloadLength = length - headerLength;
  if ((first & 0x20) !== 0) {
    // The last byte counts the padding, including itself.
    if (payloadLength === 0) return Header.BadPadding;
    const padding = bytes[offset + length - 1]!;
    if (padding === 0 || padding > payloadLength) return Header.BadPadding;
    payloadLength -= padding;
  }

  header.marker = second >> 7;
  header.payloadType = second & 0x7f;
  header.sequence = (bytes[offset + OFFSET_SEQUENCE]! << 8) | bytes[offset + OFFSET_SEQUENCE + 1]!;
  header.timestamp = readInt32(bytes, offset + OFFSET_TIMESTAMP);
  header.ssrc = readInt32(bytes, offset + OFFSET_SSRC);
  header.payloadOffset = offset + headerLength;
  header.payloadLength = payloadLength;
  return payloadLength === 0 ? Header.Empty : Header.Ok;
}

/**
 * Returns whether a packet is RTCP if RTP and RTCP share a port: RFC 5761, section 4. The second byte is then
 * 192 … 223, which in RTP would be a payload type of 64 … 95 with the marker bit.
 */
export function isRtcp(bytes: Uint8Array): boolean {
  const second = bytes[1];
  return second !== undefined && second >= 192 && second <= 223;
}

/**
 * Writes the 16-byte header that all listeners of one packet share: version, one CSRC, and zeros where
 * {@link writeFields} fills in the fields that differ.
 *
 * @param view over the whole buffer.
 * @param csrc the speaker's number in the conversation, 32 bits.
 */
export function writeSharedHeader(view: DataView, offset: number, csrc: number): void {
  view.setInt32(offset, (VERSION << 30) | (1 << 24));
  view.setInt32(offset + OFFSET_TIMESTAMP, 0);
  view.setInt32(offset + OFFSET_SSRC, 0);
  view.setInt32(offset + OFFSET_CSRC, csrc);
}

/**
 * Writes the fields that differ from listener to listener.
 *
 * @param view over the whole buffer; keep one view for long, because creating one is expensive.
 * @param marker 0 or 1.
 */
export function writeFields(
  view: DataView,
  offset: number,
  marker: number,
  payloadType: number,
  sequence: number,
  timestamp: number,
  ssrc: number,
): void {
  view.setUint8(offset + 1, (marker << 7) | payloadType);
  view.setUint16(offset + OFFSET_SEQUENCE, sequence);
  view.setInt32(offset + OFFSET_TIMESTAMP, timestamp);
  view.setInt32(offset + OFFSET_SSRC, ssrc);
}

function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
