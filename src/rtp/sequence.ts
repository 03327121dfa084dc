/**
 * What one source's sequence numbers say about a packet: in order, late, seen before, or a restart.
 *
 * This is decided once for each received packet, so that a thousand listeners need not ask again. It follows RFC 3550,
 * appendix A.1, with thresholds that suit 20 ms voice packets.
 */

/** A forward jump by more than this many packets (5 s of voice) is a restart, not loss. */
const MAX_FORWARD = 256;
/** Packets this far behind the newest are dropped, and duplicates are remembered this long. A multiple of 32. */
const WINDOW = 512;
const NOTHING = -1;

/** Verdicts of {@link SourceSequence.take}. */
export const Arrival = {
  /** Newer than all before it; numbers may be missing in between. */
  Advance: 0,
  /** Fills a hole. */
  Late: 1,
  /** The numbering starts over here: the first packet, a jump, or a restarted sender. */
  Restart: 2,
  Duplicate: 3,
  TooOld: 4,
  /** Fills a hole that was rebuilt ({@link SourceSequence.rebuild}): news only to those not sent the rebuilt packet. */
  Rebuilt: 5,
} as const;
export type ArrivalVerdict = (typeof Arrival)[keyof typeof Arrival];

/** Returns the signed distance from `b` to `a` in 16-bit sequence numbers, -32768 … 32767: RFC 1982. */
export function sequenceDistance(a: number, b: number): number {
  return ((a - b) << 16) >> 16;
}

/**
 * Follows the sequence numbers of one SSRC. Allocates nothing after construction.
 *
 * Packets that are not passed on have sequence numbers like all others. {@link index} does not count them: packets that
 * follow them move up, and late packets from before them still find their place. If such a packet is itself late, its
 * hole stays, because the packets that follow it have already gone out.
 */
export class SourceSequence {
  /**
   * The number of the packet taken last, without wraps and without counting packets that are not passed on: a 32-bit
   * count that has a meaning only to this class.
   */
  index = 0;
  /**
   * After an `Advance`, the distance from the newest packet that was passed on to this one: 1 if no packet to be passed
   * on is missing in between. Otherwise 0.
   */
  steps = 0;
  /** {@link index} of the newest packet that was passed on. */
  private newestIndex = 0;
  /** Number of the newest packet, without wraps. */
  private newest = 0;
  /** How many packets were not passed on. */
  private skips = 0;
  private started = false;
  /** The number that would confirm a restart further back: RFC 3550's `bad_seq`. */
  private expectedAfterRestart = NOTHING;
  /** One bit for each of the last {@link WINDOW} numbers: set once its packet came. */
  private readonly seen = new Int32Array(WINDOW / 32);
  /** The same for numbers whose packets were not passed on and left no hole. */
  private readonly skipped = new Int32Array(WINDOW / 32);
  /** One bit for each {@link index}: set if the packet was rebuilt before it came. */
  private readonly rebuilt = new Int32Array(WINDOW / 32);

  /**
   * Takes the next packet's number.
   *
   * @param sequence 0 … 65535.
   * @param passes whether the packet is to be passed on.
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
      // Two consecutive packets so far behind come from a sender that started over; a single one is a straggler.
      if (sequence === this.expectedAfterRestart) return this.restart(sequence, passes);
      this.expectedAfterRestart = (sequence + 1) & 0xffff;
      return Arrival.TooOld;
    }
    const number = (this.newest + distance) | 0;
    if (isMarked(this.seen, number)) return Arrival.Duplicate;
    mark(this.seen, number);
    this.index = (number - this.skipsBefore(number)) | 0;
    // If the newest packets were not passed on, a late one may be the newest of those that are.
    if (passes && ((this.index - this.newestIndex) | 0) > 0) this.passOn();
    return isMarked(this.rebuilt, this.index) ? Arrival.Rebuilt : Arrival.Late;
  }

  /** Returns whether a packet of this number would belong to the current run: neither a restart nor too old. */
  isWithinReach(sequence: number): boolean {
    const distance = sequenceDistance(sequence, this.newest & 0xffff);
    return this.started && distance <= MAX_FORWARD && distance > -WINDOW;
  }

  /** Remembers that a missing packet was rebuilt. @param index less than {@link WINDOW} behind the newest packet's. */
  rebuild(index: number): void {
    mark(this.rebuilt, index);
  }

  /** Forgets everything, for example because the source changed its SSRC. The next packet is a `Restart`. */
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

  /** Moves on to a new newest packet. @param number its number without wraps. */
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

  /** Makes the packet of {@link index} the newest that was passed on. */
  private passOn(): void {
    forget(this.rebuilt, this.newestIndex, (this.index - this.newestIndex) | 0);
    this.newestIndex = this.index;
  }

  /** Returns how many packets before a number, one of the last {@link WINDOW}, were not passed on. */
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

/** Clears the bits of the `count` numbers that follow `after`, which the ring of bits is about to reuse. */
function forget(bits: Int32Array, after: number, count: number): void {
  for (let i = 1; i <= count; i++) {
    const bit = (after + i) & (WINDOW - 1);
    bits[bit >> 5]! &= ~(1 << (bit & 31));
  }
}
