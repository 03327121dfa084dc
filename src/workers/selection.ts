/**
 * Which sources of a conversation are heard: one order for the whole conversation, of which each listener takes as
 * many as it has slots, leaving out its own user.
 *
 * Whoever speaks stands before whoever is quiet, and stays in place: with as many speakers as slots or fewer nobody
 * competes. With more, somebody further behind passes the one in front by being clearly louder for some hundred
 * milliseconds, as often as {@link Captures} allows; or at once, within two packets, if the one in front is pausing. Whoever was passed in a pause comes back
 * with the strength of before it, so that nobody loses more than a syllable to a noise or a softer voice. Quiet sources are not sent away: a listener with slots to
 * spare goes on carrying their comfort noise, those who spoke last first.
 */
import { HANG_OVER, type Loudness, VOLUME_UNIT } from '../rtp/loudness.ts';
import { OPUS_CLOCK_RATE } from '../rtp/packet.ts';

/** How much stronger one must be to pass somebody who is talking: 6 dB. */
const MARGIN = 6 * VOLUME_UNIT;
/** After this much silence one is pausing, ticks: longer than between words, shorter than for a breath. */
const PAUSE = 0.3 * OPUS_CLOCK_RATE;
/** How often a user may take the slot of somebody who is talking: this many times in a row, and once in this many ticks. */
const CAPTURES = 8;
const CAPTURE_TICKS = OPUS_CLOCK_RATE;

/** What is left of a user's right to take slots from people who are talking; shared by their connections. */
export class Captures {
  private left = CAPTURES;
  private since = 0;

  /** @returns whether there was one left. */
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

  /** Whether none is missing, so that a new one is the same. @param clock now, ticks. */
  full(clock: number): boolean {
    const earned = Math.floor(((clock - this.since) | 0) / CAPTURE_TICKS);
    return earned < 0 || this.left + earned >= CAPTURES;
  }
}

/** What the selection keeps of a source. */
export interface Candidate {
  /** Place in the order; -1 while it has none. */
  rank: number;
  speaking: boolean;
  readonly loudness: Loudness;
  readonly captures: Captures;
}

/** The order of one conversation's sources. */
export class Selection<C extends Candidate> {
  /** Foremost first: those who speak, then those who are quiet. */
  readonly order: C[] = [];
  /** How many of the foremost can be in anybody's slot; what changes behind them is of no account. */
  depth = 0;
  /** The fewest of the foremost that fill a listener's slots: from there to {@link depth} a place lost may be a slot lost. */
  shallowest = 1;
  private speakers = 0;
  /**
   * Those who spent one {@link Captures} and may pass others for it until somebody passes them or they stop: to climb
   * past a crowd costs as much as past one voice, and to come back costs again.
   */
  private readonly captors = new Set<C>();

  /**
   * Takes note of a packet whose level the candidate's loudness has heard.
   *
   * @param sound whether there was any in it.
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

  /** Moves those who fell quiet behind those who speak. @returns whether the first {@link depth} changed. */
  expire(clock: number): boolean {
    let changed = false;
    for (let i = this.speakers - 1; i >= 0; i--) {
      const candidate = this.order[i]!;
      if (((clock - candidate.loudness.lastSound) | 0) <= HANG_OVER) continue;
      candidate.loudness.interrupted = false;
      this.remove(candidate);
      // In front of those who have been quiet for longer.
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

  /** Passes as many as it can. @returns whether the first {@link depth} changed. */
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
