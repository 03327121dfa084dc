/**
 * How late the packets of one source are, compared with its fastest ones. The clock at a packet's arrival minus its
 * timestamp is the relative transit time (RFC 3550, section 6.4.1): that of the fastest packet plus this one's delay.
 *
 * A machine or a network that stood still delivers everything it held at once. Such a packet belongs at the time when
 * it would have come, not when it did come.
 */
import { OPUS_CLOCK_RATE } from './packet.ts';

/** A packet that looks later than this is not late: its sender's clock stood still or started over. Ticks. */
const MAX_LATENESS = OPUS_CLOCK_RATE;
/**
 * Each packet moves the fastest transit towards its own by 2^-8 of the difference, because networks change and clocks
 * drift. The old value is gone after some seconds.
 */
const FORGOTTEN_SHIFT = 8;

/** Measures the lateness of one source. Allocates nothing after construction. */
export class Lateness {
  /** How late the newest packet is, ticks. */
  ticks = 0;
  private fastest = 0;

  /**
   * Takes the next packet. Not for one that came out of order.
   *
   * @param clock when it came, ticks.
   * @param first whether the source's timestamps start over with it.
   */
  take(timestamp: number, clock: number, first: boolean): void {
    const transit = (clock - timestamp) | 0;
    const late = (transit - this.fastest) | 0;
    const known = !first && late >= 0 && late <= MAX_LATENESS;
    this.ticks = known ? late : 0;
    this.fastest = known ? (this.fastest + (late >> FORGOTTEN_SHIFT) + 1) | 0 : transit;
  }
}
