/** The report block that a publisher gets on its own packets: RFC 3550, section 6.4.1. */
import type { RtcpReceiverInfo } from 'werift-rtp';
import { OPUS_CLOCK_RATE } from '../../rtp/packet.ts';
import type { Reception } from '../../rtp/reception.ts';
import { middleOf, reportBlock } from './packets.ts';

const FRACTION_STEPS = 256;
const NOTHING: Pick<Reception, 'run' | 'base' | 'ssrc'> & { expected: number; received: number } = {
  run: 0,
  base: 0,
  ssrc: 0,
  expected: 0,
  received: 0,
};

/** A report block, and the figures in it. */
export interface UplinkReport {
  readonly block: RtcpReceiverInfo;
  /** Loss from the publisher to the server since the report before, 0 … 1. */
  readonly loss: number;
  readonly jitterMs: number;
}

/** Makes the reports to one publisher. */
export class Uplink {
  /** The publisher's own loss in the last report, 0 … 255. */
  fraction = 0;
  private prior = NOTHING;
  private sender: { readonly ssrc: number; readonly middle: number; readonly at: number } | null = null;

  /**
   * Notes the publisher's sender report.
   *
   * @param middle the middle 32 bits of its NTP time. @param now milliseconds since 1970.
   */
  noteSender(ssrc: number, middle: number, now: number): void {
    this.sender = { ssrc, middle, at: middleOf(now) };
  }

  /**
   * Makes the next report: RFC 3550, appendix A.3.
   *
   * @param listeners loss of its worst listener, 0 … 255. The report has the higher of this and the publisher's own.
   * @param now milliseconds since 1970.
   * @returns null if nothing was received since the last report.
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
