/**
 * Reads and writes RTCP packets: RFC 3550, section 6.
 *
 * This module checks the framing of a client's bytes strictly, and gives werift-rtp only the reports, each with exactly
 * its own bytes. The library's converter reads on past a packet's end; a hostile client could make it do so hundreds of
 * times in one message.
 */
import {
  RtcpReceiverInfo,
  RtcpRrPacket,
  RtcpSenderInfo,
  RtcpSourceDescriptionPacket,
  RtcpSrPacket,
  SourceDescriptionChunk,
  SourceDescriptionItem,
} from 'werift-rtp';
import type { SlotReport } from '../../rtp/sender.ts';

/** Longest compound packet that is accepted, bytes. */
const MAX_COMPOUND_BYTES = 1500;
const HEADER_BYTES = 4;
const VERSION = 2;
/** Lengths in bytes of the part before the report blocks, in sender and receiver reports, and of one block. */
const SENDER_BYTES = 24;
const RECEIVER_BYTES = 4;
const BLOCK_BYTES = 24;
/** SDES item types: RFC 3550, section 12.2. */
const END = 0;
const CNAME = 1;
const CANONICAL_NAME = 'backend-webrtc';
/** Seconds from 1900 to 1970. */
const NTP_OFFSET_SECONDS = 2_208_988_800;
const FRACTIONS = 2 ** 32;

/** The parts of a client's compound packet that the server uses. */
export interface Compound {
  /** The SSRC of each sender report, unsigned, and the middle 32 bits of its NTP time. */
  readonly senders: readonly { readonly ssrc: number; readonly middle: number }[];
  /** Report blocks on the packets that the server sends; `packetsLost` is signed. */
  readonly blocks: readonly RtcpReceiverInfo[];
  /** Packets of other types: BYE, APP, feedback, extended reports. Source descriptions do not count. */
  readonly ignored: number;
}

/** Reads a compound packet or a single one. Never throws. @returns null if the framing is wrong. */
export function readCompound(bytes: Uint8Array): Compound | null {
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_COMPOUND_BYTES) return null;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const senders: { ssrc: number; middle: number }[] = [];
  const blocks: RtcpReceiverInfo[] = [];
  let ignored = 0;
  for (let at = 0; at < buffer.length; ) {
    if (at + HEADER_BYTES > buffer.length || buffer[at]! >> 6 !== VERSION) return null;
    const end = at + HEADER_BYTES + buffer.readUInt16BE(at + 2) * 4;
    if (end > buffer.length) return null;
    const count = buffer[at]! & 0x1f;
    const type = buffer[at + 1]!;
    // Padding, which only the last packet may have, comes after the parts that are read.
    const content = buffer.subarray(at + HEADER_BYTES, end);
    if (type === RtcpSrPacket.type) {
      if (content.length < SENDER_BYTES + count * BLOCK_BYTES) return null;
      const { ssrc, senderInfo, reports } = RtcpSrPacket.deSerialize(content, count);
      senders.push({ ssrc, middle: Number((senderInfo.ntpTimestamp >> 16n) & 0xffff_ffffn) });
      blocks.push(...reports);
    } else if (type === RtcpRrPacket.type) {
      if (content.length < RECEIVER_BYTES + count * BLOCK_BYTES) return null;
      blocks.push(...RtcpRrPacket.deSerialize(content, count).reports);
    } else if (type !== RtcpSourceDescriptionPacket.type) {
      ignored++;
    }
    at = end;
  }
  // The cumulative loss is signed: RFC 3550, section 6.4.1.
  for (const block of blocks) block.packetsLost = (block.packetsLost << 8) >> 8;
  return { senders, blocks, ignored };
}

/**
 * Writes a compound packet: a sender report for each slot, with the report block in the first one, and the canonical
 * name of each SSRC. Without slots it writes a receiver report with the block.
 *
 * @param reporter SSRC of the receiver report, unsigned.
 * @param now milliseconds since 1970.
 */
export function writeCompound(
  reporter: number,
  slots: readonly SlotReport[],
  block: RtcpReceiverInfo | null,
  now: number,
): Buffer {
  const reports = block === null ? [] : [block];
  const ntpTimestamp = ntpOf(now);
  const packets = slots.map(({ ssrc, timestamp, packets, octets }, i) =>
    new RtcpSrPacket({
      ssrc,
      senderInfo: new RtcpSenderInfo({
        ntpTimestamp,
        rtpTimestamp: timestamp,
        packetCount: packets,
        octetCount: octets,
      }),
      reports: i === 0 ? reports : [],
    }).serialize(),
  );
  if (slots.length === 0) packets.push(new RtcpRrPacket({ ssrc: reporter, reports }).serialize());
  const sources = slots.length === 0 ? [reporter] : slots.map(({ ssrc }) => ssrc);
  return Buffer.concat([...packets, names(sources)]);
}

/** Makes a report block. @param block its `packetsLost` may be negative. */
export function reportBlock(block: Omit<RtcpReceiverInfo, 'toJSON' | 'serialize'>): RtcpReceiverInfo {
  const packetsLost = Math.max(-0x80_0000, Math.min(0x7f_ffff, block.packetsLost)) & 0xff_ffff;
  return new RtcpReceiverInfo({ ...block, packetsLost });
}

/** Returns the middle 32 bits of the NTP time, unsigned: the unit of delays in reports, 1/65536 s. */
export function middleOf(now: number): number {
  return Number((ntpOf(now) >> 16n) & 0xffff_ffffn);
}

/** @param now milliseconds since 1970. */
function ntpOf(now: number): bigint {
  const seconds = Math.floor(now / 1000);
  const fraction = Math.min(FRACTIONS - 1, Math.floor(((now - seconds * 1000) / 1000) * FRACTIONS));
  return (BigInt(seconds + NTP_OFFSET_SECONDS) << 32n) | BigInt(fraction);
}

/**
 * Writes the source description, which every compound packet needs: RFC 3550, section 6.1. The library ends a chunk
 * with a null octet only if its length is not a multiple of four, so an END item is added explicitly.
 */
function names(sources: readonly number[]): Buffer {
  const items = [
    new SourceDescriptionItem({ type: CNAME, text: CANONICAL_NAME }),
    new SourceDescriptionItem({ type: END, text: '' }),
  ];
  const chunks = sources.map((source) => new SourceDescriptionChunk({ source, items }));
  return new RtcpSourceDescriptionPacket({ chunks }).serialize();
}
