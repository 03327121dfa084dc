/**
 * How long an Opus packet lasts, as its first bytes say: the table of contents (RFC 6716, section 3.1) and, for code 3,
 * the count of frames that follows it (section 3.2.5).
 *
 * ```
 *  0 1 2 3 4 5 6 7     0 1 2 3 4 5 6 7
 * +-+-+-+-+-+-+-+-+   +-+-+-+-+-+-+-+-+
 * | config  |s| c |   |v|p|     M     |
 * +-+-+-+-+-+-+-+-+   +-+-+-+-+-+-+-+-+
 * ```
 * `config` gives the duration of a frame, `c` how many there are: one, two, two, or M.
 */
import { OPUS_FRAME_TICKS } from './packet.ts';

/** The longest packet: 120 ms (RFC 6716, section 3.2.5). Ticks. */
export const MAX_OPUS_TICKS = 6 * OPUS_FRAME_TICKS;

/** Duration of a frame by configuration, ticks: SILK has 10 to 60 ms, hybrid 10 and 20 ms, CELT 2.5 to 20 ms. */
const FRAME_TICKS = Int32Array.from({ length: 32 }, (_, config) => {
  if (config < 12) return [480, 960, 1920, 2880][config & 3]!;
  return config < 16 ? [480, 960][config & 1]! : [120, 240, 480, 960][config & 3]!;
});
const COUNTED = 3;

/**
 * Returns the duration of a packet, ticks.
 *
 * @param offset where the packet begins in `bytes`.
 * @param length its bytes, at least 1.
 * @returns 0 if the bytes state no valid duration. Never throws.
 */
export function opusTicks(bytes: Uint8Array, offset: number, length: number): number {
  const toc = bytes[offset]!;
  const code = toc & 3;
  if (code === COUNTED && length < 2) return 0;
  const frames = code === COUNTED ? bytes[offset + 1]! & 0x3f : code === 0 ? 1 : 2;
  const ticks = frames * FRAME_TICKS[toc >> 3]!;
  return ticks <= MAX_OPUS_TICKS ? ticks : 0;
}

/** The longest payload that Opus sends during discontinuous transmission, bytes: RFC 6716, section 2.1.9. */
const DTX_BYTES = 2;

/**
 * Returns whether a packet cannot hold sound: it is discontinuous transmission, or digital silence as encoders write it
 * (`ff fe`, in any mode).
 */
export function isSilent(bytes: Uint8Array, offset: number, length: number): boolean {
  return length <= DTX_BYTES || (length === 3 && bytes[offset + 1] === 0xff && bytes[offset + 2] === 0xfe);
}

/** After a contradiction, the timestamps are believed instead for this many packets. */
const DISTRUST = 64;

/**
 * Tells how long the packets of one source last: as long as they say, unless the timestamps contradict. Packets that
 * claim to overlap are not plain Opus: their sender encrypts them end to end, and then their spacing decides.
 */
export class Durations {
  /** Duration of the newest packet, ticks, 1 … {@link MAX_OPUS_TICKS}. */
  ticks = OPUS_FRAME_TICKS;
  private claimed = 0;
  private spacing = OPUS_FRAME_TICKS;
  private distrust = 0;

  /**
   * Takes the next packet. Not for one that came late.
   *
   * @param claimed what {@link opusTicks} returned.
   * @param follows whether its number is the one after the previous packet's.
   * @param span from that packet to this one by their timestamps, ticks.
   */
  take(claimed: number, follows: boolean, span: number): void {
    if (follows && span > 0 && span <= MAX_OPUS_TICKS) {
      if (span < this.claimed) this.distrust = DISTRUST;
      this.spacing = span;
    }
    this.claimed = claimed;
    if (this.distrust > 0) this.distrust--;
    this.ticks = claimed === 0 || this.distrust > 0 ? this.spacing : claimed;
  }
}
