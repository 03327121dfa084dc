/**
 * How late the packets of one source are, compared with its fastest ones: the clock when a packet comes, minus its timestamp,
 * is that of the fastest and what held this one up (RFC 3550, section 6.4.1, calls it the relative transit time).
 *
 * A machine or a network that stood still delivers at once what it held. The place of such a packet in time is where it
 * would have come, not where it came.
 */
import { OPUS_CLOCK_RATE } from './packet.ts';

/** What looks later is not late: its sender's clock stood still, or began anew. Ticks. */
const MAX_LATENESS = OPUS_CLOCK_RATE;
/** With each packet the fastest is forgotten by this part, as networks and the drift of clocks have it: 2^-8, some seconds. */
const FORGOTTEN_SHIFT = 8;

/** Of one source. Allocates nothing after construction. */
export class Lateness {
  /** Of the newest packet, ticks. */
  ticks = 0;
  private fastest = 0;

  /**
   * Takes the next packet, unless it came out of order.
   *
   * @param clock when it came, ticks.
   * @param first whether its timestamps have begun anew.
   */
  take(timestamp: number, clock: number, first: boolean): void {
    const transit = (clock - timestamp) | 0;
    const late = (transit - this.fastest) | 0;
    const known = !first && late >= 0 && late <= MAX_LATENESS;
    this.ticks = known ? late : 0;
    this.fastest = known ? (this.fastest + (late >> FORGOTTEN_SHIFT) + 1) | 0 : transit;
  }
}
