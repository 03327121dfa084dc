/** RTP packets for tests, made by werift-rtp, an implementation independent of the one under test. */
import { RtpHeader, RtpPacket } from 'werift-rtp';
import { SlotPacket } from '../../src/rtp/rewriter.ts';
import { below, type Random } from './prng.ts';

export interface PacketFields {
  readonly payloadType?: number;
  readonly marker?: boolean;
  readonly sequence: number;
  readonly timestamp?: number;
  readonly ssrc?: number;
  readonly csrc?: number[];
  readonly payload?: Buffer;
  /** Audio level extension, RFC 6464. */
  readonly level?: { readonly id: number; readonly level: number };
}

/** Makes a packet. By default: payload type 111, no marker, timestamp 0, SSRC 1000, no CSRC, ten bytes of payload. */
export function rtp(fields: PacketFields): Buffer {
  const header = new RtpHeader({
    payloadType: fields.payloadType ?? 111,
    marker: fields.marker ?? false,
    sequenceNumber: fields.sequence & 0xffff,
    timestamp: (fields.timestamp ?? 0) >>> 0,
    ssrc: (fields.ssrc ?? 1000) >>> 0,
    csrc: fields.csrc ?? [],
  });
  if (fields.level !== undefined) {
    header.extension = true;
    header.extensions = [{ id: fields.level.id, payload: Buffer.from([0x80 | fields.level.level]) }];
  }
  return new RtpPacket(header, fields.payload ?? Buffer.from('0123456789')).serialize();
}

/** Makes a valid packet with any of the features of RTP: CSRCs, extensions of either form, padding. */
export function anyRtp(random: Random): Buffer {
  const header = new RtpHeader({
    payloadType: below(random, 128),
    marker: random() % 2 === 0,
    sequenceNumber: below(random, 65_536),
    timestamp: random(),
    ssrc: random(),
    csrc: Array.from({ length: below(random, 16) }, () => random()),
  });
  if (random() % 2 === 0) {
    header.extension = true;
    header.extensions = Array.from({ length: 1 + below(random, 3) }, (_, i) => ({
      id: i + 1,
      payload: bytes(random, 1 + below(random, 16)),
    }));
  }
  const packet = new RtpPacket(header, bytes(random, 1 + below(random, 200))).serialize();
  if (random() % 4 !== 0) return packet;
  const padding = Buffer.alloc(1 + below(random, 20));
  padding[padding.length - 1] = padding.length;
  packet[0]! |= 0x20;
  return Buffer.concat([packet, padding]);
}

export function bytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random() & 0xff));
}

/** Makes a packet for a slot. */
export function slotPacket(fields: Partial<SlotPacket>): SlotPacket {
  return Object.assign(new SlotPacket(), fields);
}
