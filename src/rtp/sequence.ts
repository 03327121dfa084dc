/**
 * What one source's sequence numbers say: in order, late, seen before, or begun anew.
 *
 * Done once per received packet, so that a thousand listeners need not ask again. RFC 3550, appendix A.1, with the
 * thresholds that suit 20 ms voice packets.
 */

/** A forward jump over this many packets (5 s of voice) is a new beginning, not loss. */
const MAX_FORWARD = 256;
/** Packets older than this many behind the newest are dropped; also the memory for duplicates. A multiple of 32. */
const WINDOW = 512;
const NOTHING = -1;

/** Verdicts of {@link SourceSequence.take}. */
export const Arrival = {
  /** Newer than all before it; numbers may be missing between. */
  Advance: 0,
  /** Fills a hole. */
  Late: 1,
  /** The numbering begins anew here: the first packet, a jump, or a restarted sender. */
  Restart: 2,
  Duplicate: 3,
  TooOld: 4,
  /** Fills a hole that {@link SourceSequence.rebuild} had filled: news only to who was not sent the rebuilt packet. */
  Rebuilt: 5,
} as const;
export type ArrivalVerdict = (typeof Arrival)[keyof typeof Arrival];

/** Signed distance from `b` to `a` in 16-bit sequence numbers, -32768 … 32767: RFC 1982. */
export function sequenceDistance(a: number, b: number): number {
  return ((a - b) << 16) >> 16;
}

/** Follows the sequence numbers of one SSRC. Allocates nothing after construction. */
export class SourceSequence {
  /** The last taken packet's number without wraps: a 32-bit count that only this class gives a meaning to. */
  index = 0;
  /** After an `Advance`: from the packet that was the newest to this one, 1 if nothing is missing between; else 0. */
  steps = 0;
  /** {@link index} of the newest packet. */
  private newest = 0;
  private started = false;
  /** The number that would confirm a restart further back: RFC 3550's `bad_seq`. */
  private expectedAfterRestart = NOTHING;
  /** One bit a number of the last {@link WINDOW}: set once it came. */
  private readonly seen = new Int32Array(WINDOW / 32);
  /** The same for those that were rebuilt before they came. */
  private readonly rebuilt = new Int32Array(WINDOW / 32);

  /**
   * Takes the next packet's number.
   *
   * @param sequence 0 … 65535.
   * @returns the verdict; on `Advance`, `Late`, `Restart` and `Rebuilt`, {@link index} is this packet's.
   */
  take(sequence: number): ArrivalVerdict {
    this.steps = 0;
    if (!this.started) return this.restart(sequence);
    const distance = sequenceDistance(sequence, this.newest & 0xffff);
    if (distance > MAX_FORWARD) return this.restart(sequence);
    if (distance > 0) {
      this.forget(distance);
      this.newest = (this.newest + distance) | 0;
      mark(this.seen, this.newest);
      this.steps = distance;
      this.index = this.newest;
      this.expectedAfterRestart = NOTHING;
      return Arrival.Advance;
    }
    if (distance <= -WINDOW) {
      // Two in a row so far behind are a sender that started over, one alone is a straggler.
      if (sequence === this.expectedAfterRestart) return this.restart(sequence);
      this.expectedAfterRestart = (sequence + 1) & 0xffff;
      return Arrival.TooOld;
    }
    const index = (this.newest + distance) | 0;
    if (isMarked(this.seen, index)) return Arrival.Duplicate;
    mark(this.seen, index);
    this.index = index;
    return isMarked(this.rebuilt, index) ? Arrival.Rebuilt : Arrival.Late;
  }

  /** Remembers that a missing packet was rebuilt. @param index its own, at most {@link WINDOW} behind the newest. */
  rebuild(index: number): void {
    mark(this.rebuilt, index);
  }

  /** Forgets everything, as for a source that changed its SSRC: the next packet is a `Restart`. */
  reset(): void {
    this.started = false;
  }

  private restart(sequence: number): ArrivalVerdict {
    this.started = true;
    this.expectedAfterRestart = NOTHING;
    this.seen.fill(0);
    this.rebuilt.fill(0);
    this.newest = sequence;
    mark(this.seen, sequence);
    this.index = sequence;
    return Arrival.Restart;
  }

  /** Clears the bits of the `count` numbers after the newest, which the ring of bits is about to reuse. */
  private forget(count: number): void {
    for (let i = 1; i <= count; i++) {
      const bit = (this.newest + i) & (WINDOW - 1);
      const others = ~(1 << (bit & 31));
      this.seen[bit >> 5]! &= others;
      this.rebuilt[bit >> 5]! &= others;
    }
  }
}

function mark(bits: Int32Array, index: number): void {
  const bit = index & (WINDOW - 1);
  bits[bit >> 5]! |= 1 << (bit & 31);
}

function isMarked(bits: Int32Array, index: number): boolean {
  const bit = index & (WINDOW - 1);
  return (bits[bit >> 5]! & (1 << (bit & 31))) !== 0;
}
