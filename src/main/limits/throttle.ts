/**
 * Bounds what one publisher may send, before it takes room from others in the ingress ring: packets and bits a second,
 * each by the generic cell rate algorithm (ITU-T I.371, annex A), which is a token bucket that keeps nothing but a time.
 */

import type { Config } from '../config.ts';

/** What may come at once, as the time in which it would come at the rate, microseconds: a stall of the network's, say. */
const BURST_US = 1_000_000;
const US_PER_S = 1e6;
const BITS_PER_BYTE = 8;

export type ThrottleConfig = Pick<Config, 'MAX_PACKETS_PER_SECOND' | 'MAX_KBPS'>;

/** The bounds of every publisher. */
export class ThrottleLimits {
  /** What a packet costs, microseconds. */
  readonly perPacket: number;
  /** What a kibibyte costs, microseconds. */
  readonly perKibibyte: number;

  static of(config: ThrottleConfig): ThrottleLimits {
    return new ThrottleLimits(config.MAX_PACKETS_PER_SECOND, config.MAX_KBPS);
  }

  /** @param packets a second. @param kilobits a second. */
  constructor(packets: number, kilobits: number) {
    this.perPacket = Math.floor(US_PER_S / packets);
    this.perKibibyte = Math.floor((1024 * BITS_PER_BYTE * US_PER_S) / (kilobits * 1000));
  }
}

/** What came of a packet. */
export const Throttled = { No: 0, Packets: 1, Bits: 2 } as const;
export type ThrottleVerdict = (typeof Throttled)[keyof typeof Throttled];

export class Throttle {
  private readonly limits: ThrottleLimits;
  /** When all that came would have come at the rate; microseconds, modulo 2^32. */
  private packetsUntil = 0;
  private bitsUntil = 0;

  constructor(limits: ThrottleLimits) {
    this.limits = limits;
  }

  /**
   * Takes a packet into account, unless it is one too many.
   *
   * @param now microseconds, modulo 2^32.
   */
  take(bytes: number, now: number): ThrottleVerdict {
    const { perPacket, perKibibyte } = this.limits;
    const packets = ahead(this.packetsUntil, now);
    if (packets > BURST_US) return Throttled.Packets;
    const bits = ahead(this.bitsUntil, now);
    if (bits > BURST_US) return Throttled.Bits;
    this.packetsUntil = (now + packets + perPacket) | 0;
    this.bitsUntil = (now + bits + ((bytes * perKibibyte) >>> 10)) | 0;
    return Throttled.No;
  }
}

/** How far a time lies ahead, microseconds; 0 for one in the past, however long ago. */
function ahead(until: number, now: number): number {
  const distance = (until - now) | 0;
  // Nobody is ever further ahead than a burst and one packet; what looks like it lies half a turn of the clock back.
  return distance < 0 || distance > 2 * BURST_US ? 0 : distance;
}
