/**
 * RTP as a hostile or broken publisher may send it: mostly valid, so that it gets far, and wrong now and then in every
 * field.
 */
import { below, type Random } from '../support/prng.ts';
import { oneIn, pick } from './target.ts';

/** Longest packet made, bytes: longer than the server accepts, and as long as a ring's record. */
export const MAX_MADE_BYTES = 2032;

/** A publisher's numbering, and what its offer declared. */
export interface PublisherState {
  readonly payloadType: number;
  /** 0 for none. */
  readonly redPayloadType: number;
  /** 0 for none. */
  readonly levelExtension: number;
  /** Whether its offer declared the SSRC. */
  readonly declared: boolean;
  ssrc: number;
  sequence: number;
  timestamp: number;
}

const POOL_BYTES = 65_536;
const FRAME_TICKS = 960;
const ONE_BYTE_PROFILE = 0xbede;

/** Changes some bytes. @returns the new length, 1 … `most`. */
export function mutateBytes(random: Random, bytes: Buffer, length: number, most: number): number {
  let end = length;
  for (let changes = 1 + below(random, 4); changes > 0; changes--) {
    const at = below(random, end);
    switch (below(random, 8)) {
      case 0:
        bytes[at] = bytes[at]! ^ (1 << below(random, 8));
        break;
      case 1:
        bytes[at] = random() & 0xff;
        break;
      case 2:
        bytes[at] = pick(random, [0, 1, 0x7f, 0x80, 0xfe, 0xff]);
        break;
      case 3:
        // Most errors that matter are in the fixed header.
        bytes[below(random, Math.min(end, 16))] = random() & 0xff;
        break;
      case 4:
        end = 1 + at;
        break;
      case 5:
        end = Math.min(most, end + below(random, 64));
        break;
      case 6:
        bytes.copyWithin(at, below(random, end), end);
        break;
      default:
        bytes.fill(random() & 0xff, at, Math.min(end, at + below(random, 32)));
    }
  }
  return Math.max(1, end);
}

/** Writes packets into one buffer, one at a time. */
export class PacketMaker {
  private readonly buffer = Buffer.alloc(MAX_MADE_BYTES + 64);
  private readonly pool: Buffer;

  constructor(random: Random) {
    this.pool = Buffer.alloc(POOL_BYTES);
    for (let i = 0; i < POOL_BYTES; i += 4) this.pool.writeUInt32LE(random(), i);
  }

  /** Returns the publisher's next packet, which is valid until the next call. */
  next(random: Random, publisher: PublisherState): Buffer {
    if (oneIn(random, 64)) return this.garbage(random);
    step(random, publisher);
    const length = this.write(random, publisher);
    if (!oneIn(random, 8)) return this.buffer.subarray(0, length);
    return this.buffer.subarray(0, mutateBytes(random, this.buffer, length, MAX_MADE_BYTES));
  }

  private garbage(random: Random): Buffer {
    return this.buffer.subarray(0, this.fill(random, 0, 1 + below(random, oneIn(random, 8) ? MAX_MADE_BYTES : 60)));
  }

  private write(random: Random, publisher: PublisherState): number {
    const { buffer } = this;
    const csrcs = oneIn(random, 16) ? below(random, 16) : 0;
    const extended = random() % 2 === 0;
    const padded = oneIn(random, 16);
    const red = publisher.redPayloadType !== 0 && random() % 2 === 0;
    const payloadType = oneIn(random, 32) ? below(random, 128) : red ? publisher.redPayloadType : publisher.payloadType;
    buffer[0] = 0x80 | (padded ? 0x20 : 0) | (extended ? 0x10 : 0) | csrcs;
    buffer[1] = (below(random, 8) === 0 ? 0x80 : 0) | payloadType;
    buffer.writeUInt16BE(publisher.sequence, 2);
    buffer.writeInt32BE(publisher.timestamp | 0, 4);
    buffer.writeUInt32BE((oneIn(random, 64) ? random() : publisher.ssrc) >>> 0, 8);
    let end = this.fill(random, 12, csrcs * 4);
    if (extended) end = this.extension(random, end, publisher.levelExtension);
    end = red ? this.red(random, end, publisher) : this.payload(random, end);
    if (!padded) return end;
    const padding = 1 + below(random, 20);
    end = this.fill(random, end, padding);
    buffer[end - 1] = oneIn(random, 4) ? random() & 0xff : padding;
    return end;
  }

  private extension(random: Random, at: number, id: number): number {
    const { buffer } = this;
    const words = 1 + below(random, oneIn(random, 8) ? 20 : 2);
    buffer.writeUInt16BE(oneIn(random, 8) ? 0x1000 | below(random, 16) : ONE_BYTE_PROFILE, at);
    buffer.writeUInt16BE(oneIn(random, 32) ? random() & 0xffff : words, at + 2);
    const end = this.fill(random, at + 4, words * 4);
    if (id !== 0 && !oneIn(random, 8)) {
      buffer[at + 4] = id << 4;
      buffer[at + 5] = oneIn(random, 4) ? random() & 0xff : 0x80 | (10 + below(random, 60));
    }
    return end;
  }

  private payload(random: Random, at: number): number {
    switch (below(random, 16)) {
      case 0:
        return this.fill(random, at, below(random, 3));
      case 1:
        return this.fill(random, at, below(random, 1500));
      default:
        return this.fill(random, at, 3 + below(random, 80));
    }
  }

  /** Writes RED blocks (RFC 2198), mostly with the ages of the packets before. */
  private red(random: Random, at: number, { payloadType }: PublisherState): number {
    const { buffer } = this;
    const blocks = oneIn(random, 8) ? below(random, 12) : below(random, 4);
    let end = at;
    let bytes = 0;
    for (let i = blocks; i > 0; i--) {
      const length = oneIn(random, 32) ? below(random, 1024) : below(random, 40);
      const age = oneIn(random, 8) ? below(random, 16_384) : (i * FRAME_TICKS) & 0x3fff;
      buffer[end] = 0x80 | (oneIn(random, 64) ? below(random, 128) : payloadType);
      buffer[end + 1] = age >> 6;
      buffer[end + 2] = ((age & 0x3f) << 2) | (length >> 8);
      buffer[end + 3] = length & 0xff;
      end += 4;
      bytes += oneIn(random, 64) ? below(random, 40) : length;
    }
    buffer[end++] = payloadType;
    const room = MAX_MADE_BYTES - end - 64;
    return this.fill(random, end, Math.min(room, bytes + below(random, 40)));
  }

  /** Writes `length` random bytes. @returns the offset of their end. */
  private fill(random: Random, at: number, length: number): number {
    const end = Math.min(at + length, MAX_MADE_BYTES);
    const from = below(random, POOL_BYTES - MAX_MADE_BYTES);
    this.pool.copy(this.buffer, at, from, from + Math.max(0, end - at));
    return end;
  }
}

/** Numbers the next packet: in order, after a loss, twice, late, or with a new start. */
function step(random: Random, publisher: PublisherState): void {
  const dice = below(random, 256);
  let by = 1;
  if (dice < 16) by = 1 + below(random, 6);
  else if (dice < 24) by = 0;
  else if (dice < 36) by = -below(random, 10);
  else if (dice < 38) by = -below(random, 600);
  else if (dice < 40) by = below(random, 400);
  else if (dice === 40) by = random() & 0xffff;
  else if (dice === 41 && !publisher.declared) publisher.ssrc = random();
  publisher.sequence = (publisher.sequence + by) & 0xffff;
  publisher.timestamp = (publisher.timestamp + by * FRAME_TICKS) | 0;
  if (dice === 42) publisher.timestamp = random() | 0;
}
