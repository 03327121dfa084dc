/**
 * Which sources of a conversation are heard: one order for the whole conversation, of which each listener takes as
 * many as it has slots, leaving out its own user.
 *
 * First come, first served: whoever began to speak first stands first, and keeps the place while speaking. Whoever has
 * been quiet for {@link HANG_OVER} stands behind everybody who speaks, but is not sent away: a listener with slots to
 * spare goes on carrying a quiet source's comfort noise.
 */
import { OPUS_CLOCK_RATE } from '../rtp/packet.ts';

/** How long a source counts as speaking after its last packet with sound in it, ticks: nobody is cut between words. */
export const HANG_OVER = OPUS_CLOCK_RATE;

/** What the selection keeps of a source. */
export interface Candidate {
  /** Set while it stands in the order. */
  ranked: boolean;
  speaking: boolean;
  /** Clock of its last packet with sound in it, ticks modulo 2^32. */
  lastSound: number;
}

/** The order of one conversation's sources. */
export class Selection<C extends Candidate> {
  /** Foremost first: those who speak, then those who are quiet. */
  readonly order: C[] = [];
  private speakers = 0;

  /**
   * Takes note of a packet.
   *
   * @param sound whether there is any in it.
   * @param clock now, ticks.
   * @returns whether the order changed.
   */
  heard(candidate: C, sound: boolean, clock: number): boolean {
    if (sound) candidate.lastSound = clock;
    if (candidate.ranked && (candidate.speaking || !sound)) return false;
    this.remove(candidate);
    candidate.ranked = true;
    candidate.speaking = sound;
    this.order.splice(sound ? this.speakers++ : this.order.length, 0, candidate);
    return true;
  }

  /** Moves those who fell quiet behind those who speak. @returns whether the order changed. */
  expire(clock: number): boolean {
    let changed = false;
    for (let i = this.speakers - 1; i >= 0; i--) {
      const candidate = this.order[i]!;
      if (((clock - candidate.lastSound) | 0) <= HANG_OVER) continue;
      this.order.splice(i, 1);
      this.speakers--;
      candidate.speaking = false;
      // In front of those who have been quiet for longer.
      this.order.splice(this.speakers, 0, candidate);
      changed = true;
    }
    return changed;
  }

  /** Takes a source out. @returns whether it was in. */
  remove(candidate: C): boolean {
    if (!candidate.ranked) return false;
    this.order.splice(this.order.indexOf(candidate), 1);
    if (candidate.speaking) this.speakers--;
    candidate.ranked = false;
    candidate.speaking = false;
    return true;
  }
}
