/** What a publisher is told of its own packets: the report block of RFC 3550, section 6.4.1. */
import type { RtcpReceiverInfo } from 'werift-rtp';
import { OPUS_CLOCK_RATE } from '../../rtp/packet.ts';
import type { Reception } from '../../rtp/reception.ts';
import { middleOf, reportBlock } from './rtcp-packets.ts';

const FRACTION_STEPS = 256;
const NOTHING: Pick<Reception, 'run' | 'base' | 'ssrc'> & { expected: number; received: number } = {
  run: 0,
  base: 0,
  ssrc: 0,
  expected: 0,
  received: 0,
};

/** A report block, and what it is made of. */
export interface UplinkReport {
  readonly block: RtcpReceiverInfo;
  /** Loss since the report before on the way from the publisher alone, 0 … 1. */
  readonly loss: number;
  readonly jitterMs: number;
}

/** The reports to one publisher. */
export class Uplink {
  /** The publisher's own loss as of the last report, 0 … 255. */
  fraction = 0;
  private prior = NOTHING;
  private sender: { readonly ssrc: number; readonly middle: number; readonly at: number } | null = null;

  /** A sender report of the publisher's came. @param middle of its NTP time. @param now milliseconds since 1970. */
  noteSender(ssrc: number, middle: number, now: number): void {
    this.sender = { ssrc, middle, at: middleOf(now) };
  }

  /**
   * Makes the next report: RFC 3550, appendix A.3.
   *
   * @param listeners the fraction that its worst listener loses, 0 … 255: what is told is the worse of that and its own.
   * @param now milliseconds since 1970.
   * @returns null if nothing was received since the last one.
   */
  report(reception: Reception | null, listeners: number, now: number): UplinkReport | null {
    if (reception === null) return null;
    const { run, base, ssrc, highest, received } = reception;
    const known = this.prior.run === run && this.prior.base === base && this.prior.ssrc === ssrc;
    const prior = known ? this.prior : NOTHING;
    if (known && received === prior.received) return null;
    const expected = (highest - base + 1) | 0;
    this.prior = { run, base, ssrc, expected, received };
    const newlyExpected = (expected - prior.expected) | 0;
    const newlyLost = (newlyExpected - ((received - prior.received) | 0)) | 0;
    const loss = newlyExpected <= 0 || newlyLost <= 0 ? 0 : newlyLost / newlyExpected;
    this.fraction = Math.min(FRACTION_STEPS - 1, Math.floor(loss * FRACTION_STEPS));
    const sender = this.sender?.ssrc === ssrc ? this.sender : null;
    const block = reportBlock({
      ssrc,
      fractionLost: Math.max(this.fraction, listeners),
      packetsLost: (expected - received) | 0,
      highestSequence: highest,
      jitter: reception.jitter,
      lsr: sender === null ? 0 : sender.middle,
      dlsr: sender === null ? 0 : (middleOf(now) - sender.at) >>> 0,
    });
    return { block, loss, jitterMs: (reception.jitter * 1000) / OPUS_CLOCK_RATE };
  }
}
