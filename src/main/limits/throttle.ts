/** Bounds the packets and bits per second of a publisher, before they take up room in the ingress ring. */

import type { Config } from '../config.ts';
import { Gcra } from './gcra.ts';

/** Largest burst, given as the time that it would take at the rate, microseconds. A stalled network causes bursts. */
const BURST_US = 1_000_000;
const US_PER_S = 1e6;
const BITS_PER_BYTE = 8;

export type ThrottleConfig = Pick<Config, 'MAX_PACKETS_PER_SECOND' | 'MAX_KBPS'>;

/** The bounds, which are the same for every publisher. */
export class ThrottleLimits {
  /** What a packet costs, microseconds. */
  readonly perPacket: number;
  /** What a kibibyte costs, microseconds. */
  readonly perKibibyte: number;

  static of(config: ThrottleConfig): ThrottleLimits {
    return new ThrottleLimits(config.MAX_PACKETS_PER_SECOND, config.MAX_KBPS);
  }

  /** @param packets per second. @param kilobits per second. */
  constructor(packets: number, kilobits: number) {
    this.perPacket = Math.floor(US_PER_S / packets);
    this.perKibibyte = Math.floor((1024 * BITS_PER_BYTE * US_PER_S) / (kilobits * 1000));
  }
}

/** What happened to a packet. */
export const Throttled = { No: 0, Packets: 1, Bits: 2 } as const;
export type ThrottleVerdict = (typeof Throttled)[keyof typeof Throttled];

export class Throttle {
  private readonly limits: ThrottleLimits;
  private readonly packets = new Gcra(BURST_US);
  private readonly bits = new Gcra(BURST_US);
  /** Time by the stamps, without their wraparound: microseconds. A pause of 2^32 µs or more counts modulo 2^32. */
  private time = 0;
  private lastStamp = 0;

  constructor(limits: ThrottleLimits) {
    this.limits = limits;
  }

  /**
   * Counts a packet, unless it exceeds a bound.
   *
   * @param stamp microseconds, modulo 2^32.
   */
  take(bytes: number, stamp: number): ThrottleVerdict {
    const { packets, bits, limits } = this;
    this.time += (stamp - this.lastStamp) >>> 0;
    this.lastStamp = stamp;
    const { time } = this;
    if (!packets.admits(time)) return Throttled.Packets;
    if (!bits.admits(time)) return Throttled.Bits;
    packets.charge(time, limits.perPacket);
    bits.charge(time, (bytes * limits.perKibibyte) >>> 10);
    return Throttled.No;
  }
}
