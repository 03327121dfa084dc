/**
 * Decides which sources of a conversation are heard. The whole conversation has one order; each listener takes as many
 * from its front as it has slots, and leaves out its own user.
 *
 * Sources that speak come before quiet ones and keep their places: nobody competes while there are no more speakers
 * than slots. With more speakers, a source passes the one in front of it by being clearly louder for some hundred
 * milliseconds, as often as {@link Captures} allows. If the one in front is pausing, it is passed within two packets. A
 * source that was passed in a pause comes back with the strength it had before, so that nobody loses more than a
 * syllable to a noise or a softer voice. Quiet sources stay in the order: a listener with slots to spare goes on
 * carrying their comfort noise, beginning with those that spoke last.
 */
import { HANG_OVER, type Loudness, VOLUME_UNIT } from '../rtp/loudness.ts';
import { OPUS_CLOCK_RATE } from '../rtp/packet.ts';

/** How much stronger a source must be to pass one that is talking: 6 dB. */
const MARGIN = 6 * VOLUME_UNIT;
/** A source is pausing after this long without sound, ticks: longer than between words, shorter than for a breath. */
const PAUSE = 0.3 * OPUS_CLOCK_RATE;
/** A user may take slots from people who are talking this many times in a row, and then once in this many ticks. */
const CAPTURES = 8;
const CAPTURE_TICKS = OPUS_CLOCK_RATE;

/** A user's right to take slots from people who are talking. All connections of the user share it. */
export class Captures {
  private left = CAPTURES;
  private since = 0;

  /** Uses the right once. @param clock now, ticks. @returns false if nothing was left of it. */
  take(clock: number): boolean {
    const earned = Math.floor(((clock - this.since) | 0) / CAPTURE_TICKS);
    if (earned > 0 || earned < 0) {
      this.left = earned < 0 ? CAPTURES : Math.min(CAPTURES, this.left + earned);
      this.since = clock;
    }
    if (this.left === 0) return false;
    this.left--;
    return true;
  }

  /** Returns whether nothing is used up, so that a new one would be the same. @param clock now, ticks. */
  full(clock: number): boolean {
    const earned = Math.floor(((clock - this.since) | 0) / CAPTURE_TICKS);
    return earned < 0 || this.left + earned >= CAPTURES;
  }
}

/** What the selection needs from a source. */
export interface Candidate {
  /** Place in the order, 0 for the foremost; -1 while it has none. */
  rank: number;
  speaking: boolean;
  readonly loudness: Loudness;
  readonly captures: Captures;
}

/** The order of one conversation's sources. */
export class Selection<C extends Candidate> {
  /** All ranked sources, foremost first: those that speak, then those that are quiet. */
  readonly order: C[] = [];
  /** How many of the foremost can be in anybody's slot; changes further back are not reported. */
  depth = 0;
  /**
   * The fewest of the foremost that fill some listener's slots. Between it and {@link depth}, a lost place may cost a
   * slot.
   */
  shallowest = 1;
  private speakers = 0;
  /**
   * Sources that used their {@link Captures} once, and may pass others until somebody passes them or they stop. So
   * passing a crowd costs as much as passing one voice, and coming back costs again.
   */
  private readonly captors = new Set<C>();

  /**
   * Takes note of a packet whose level the candidate's loudness has already taken.
   *
   * @param sound whether the packet holds sound.
   * @param clock now, ticks.
   * @returns whether the first {@link depth} of the order changed.
   */
  heard(candidate: C, sound: boolean, clock: number): boolean {
    const { rank } = candidate;
    if (!sound) return rank < 0 && this.insert(candidate, this.order.length);
    if (rank >= 0 && candidate.speaking) return this.climb(candidate, clock);
    const wasHeard = this.remove(candidate);
    candidate.speaking = true;
    const isHeard = this.insert(candidate, this.speakers++);
    return this.climb(candidate, clock) || wasHeard || isHeard;
  }

  /** Moves sources that fell quiet behind those that speak. @returns whether the first {@link depth} changed. */
  expire(clock: number): boolean {
    let changed = false;
    for (let i = this.speakers - 1; i >= 0; i--) {
      const candidate = this.order[i]!;
      if (((clock - candidate.loudness.lastSound) | 0) <= HANG_OVER) continue;
      candidate.loudness.interrupted = false;
      this.remove(candidate);
      // It goes in front of those that have been quiet for longer.
      this.insert(candidate, this.speakers);
      changed ||= i < this.depth;
    }
    return changed;
  }

  /** Takes a source out. @returns whether it was among the first {@link depth}. */
  remove(candidate: C): boolean {
    const { rank } = candidate;
    if (rank < 0) return false;
    this.order.splice(rank, 1);
    this.captors.delete(candidate);
    if (candidate.speaking) this.speakers--;
    candidate.rank = -1;
    candidate.speaking = false;
    this.renumber(rank);
    return rank < this.depth;
  }

  private insert(candidate: C, at: number): boolean {
    this.order.splice(at, 0, candidate);
    this.renumber(at);
    return at < this.depth;
  }

  private renumber(from: number): void {
    for (let i = from; i < this.order.length; i++) this.order[i]!.rank = i;
  }

  /** Moves a candidate past as many as it can pass. @returns whether the first {@link depth} changed. */
  private climb(candidate: C, clock: number): boolean {
    const { order } = this;
    const from = candidate.rank;
    let at = from;
    while (at > 0 && this.passes(candidate, order[at - 1]!, clock)) {
      const other = order[at - 1]!;
      if (pauses(other, clock)) other.loudness.interrupted = true;
      this.captors.delete(other);
      order[at] = other;
      other.rank = at;
      order[--at] = candidate;
      candidate.rank = at;
    }
    return at < from && at < this.depth;
  }

  private passes(candidate: C, other: C, clock: number): boolean {
    if (pauses(other, clock)) return candidate.loudness.score > other.loudness.strengthAt(clock);
    if (candidate.loudness.strength <= other.loudness.strength + MARGIN) return false;
    if (other.rank < this.shallowest - 1 || other.rank >= this.depth || this.captors.has(candidate)) return true;
    if (!candidate.captures.take(clock)) return false;
    this.captors.add(candidate);
    return true;
  }
}

function pauses({ loudness }: Candidate, clock: number): boolean {
  return ((clock - loudness.lastSound) | 0) > PAUSE;
}
