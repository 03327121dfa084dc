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

/**
 * Follows the sequence numbers of one SSRC. Allocates nothing after construction.
 *
 * Packets that are not passed on have numbers like all others. They are left out of the count that {@link index} is, so
 * that what comes behind them moves up, and what comes late, from before them, still finds its place. One that comes late
 * itself leaves its hole: those behind it have gone.
 */
export class SourceSequence {
  /**
   * The last packet's number without wraps and without those that are not passed on: a 32-bit count that only this class
   * gives a meaning to.
   */
  index = 0;
  /**
   * After an `Advance`: from the newest packet that was passed on to this one, 1 if none of those to be passed on is
   * missing between; else 0.
   */
  steps = 0;
  /** {@link index} of the newest packet that was passed on. */
  private newestIndex = 0;
  /** Number of the newest packet, without wraps. */
  private newest = 0;
  /** How many were not passed on. */
  private skips = 0;
  private started = false;
  /** The number that would confirm a restart further back: RFC 3550's `bad_seq`. */
  private expectedAfterRestart = NOTHING;
  /** One bit a number of the last {@link WINDOW}: set once it came. */
  private readonly seen = new Int32Array(WINDOW / 32);
  /** The same for those that were not passed on and left no hole. */
  private readonly skipped = new Int32Array(WINDOW / 32);
  /** By {@link index}: set for those that were rebuilt before they came. */
  private readonly rebuilt = new Int32Array(WINDOW / 32);

  /**
   * Takes the next packet's number.
   *
   * @param sequence 0 … 65535.
   * @param passes whether the packet is one to be passed on.
   * @returns the verdict; on `Advance`, `Late`, `Restart` and `Rebuilt`, {@link index} is this packet's if it passes.
   */
  take(sequence: number, passes = true): ArrivalVerdict {
    this.steps = 0;
    if (!this.started) return this.restart(sequence, passes);
    const distance = sequenceDistance(sequence, this.newest & 0xffff);
    if (distance > MAX_FORWARD) return this.restart(sequence, passes);
    if (distance > 0) {
      forget(this.seen, this.newest, distance);
      forget(this.skipped, this.newest, distance);
      this.advance((this.newest + distance) | 0, passes);
      return Arrival.Advance;
    }
    if (distance <= -WINDOW) {
      // Two in a row so far behind are a sender that started over, one alone is a straggler.
      if (sequence === this.expectedAfterRestart) return this.restart(sequence, passes);
      this.expectedAfterRestart = (sequence + 1) & 0xffff;
      return Arrival.TooOld;
    }
    const number = (this.newest + distance) | 0;
    if (isMarked(this.seen, number)) return Arrival.Duplicate;
    mark(this.seen, number);
    this.index = (number - this.skipsBefore(number)) | 0;
    // Behind one that was not passed on, what is late may be the newest of those that are.
    if (passes && ((this.index - this.newestIndex) | 0) > 0) this.passOn();
    return isMarked(this.rebuilt, this.index) ? Arrival.Rebuilt : Arrival.Late;
  }

  /** Whether a packet of this number would be one of the run: neither a new beginning nor too old. */
  isWithinReach(sequence: number): boolean {
    const distance = sequenceDistance(sequence, this.newest & 0xffff);
    return this.started && distance <= MAX_FORWARD && distance > -WINDOW;
  }

  /** Remembers that a missing packet was rebuilt. @param index its own, less than {@link WINDOW} behind the newest's. */
  rebuild(index: number): void {
    mark(this.rebuilt, index);
  }

  /** Forgets everything, as for a source that changed its SSRC: the next packet is a `Restart`. */
  reset(): void {
    this.started = false;
  }

  private restart(sequence: number, passes: boolean): ArrivalVerdict {
    this.started = true;
    this.seen.fill(0);
    this.skipped.fill(0);
    this.rebuilt.fill(0);
    this.skips = 0;
    this.newestIndex = (sequence - 1) | 0;
    this.advance(sequence, passes);
    this.steps = 0;
    return Arrival.Restart;
  }

  /** @param number of what is now the newest packet. */
  private advance(number: number, passes: boolean): void {
    this.newest = number;
    this.expectedAfterRestart = NOTHING;
    mark(this.seen, number);
    if (!passes) {
      mark(this.skipped, number);
      this.skips++;
      return;
    }
    this.index = (number - this.skips) | 0;
    this.steps = (this.index - this.newestIndex) | 0;
    this.passOn();
  }

  /** The packet of {@link index} is the newest that is passed on. */
  private passOn(): void {
    forget(this.rebuilt, this.newestIndex, (this.index - this.newestIndex) | 0);
    this.newestIndex = this.index;
  }

  /** How many in front of a number of the last {@link WINDOW} were not passed on. */
  private skipsBefore(number: number): number {
    let skips = this.skips;
    if (skips === 0) return 0;
    for (let n = this.newest; n !== number; n = (n - 1) | 0) if (isMarked(this.skipped, n)) skips--;
    return skips;
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

/** Clears the bits of the `count` numbers after one, which the ring of bits is about to use again. */
function forget(bits: Int32Array, after: number, count: number): void {
  for (let i = 1; i <= count; i++) {
    const bit = (after + i) & (WINDOW - 1);
    bits[bit >> 5]! &= ~(1 << (bit & 31));
  }
}
