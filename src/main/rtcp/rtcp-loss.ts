/**
 * Which loss a publisher is told of.
 *
 * Its own is a fact. That of its listeners is what they say, and it is told only so that the publisher's encoder adds
 * as much redundancy as the worst of them needs. The rules:
 *
 * - A report counts for whoever was seen in the slot since the report before it. Where speakers took turns nobody can
 *   tell whose packets were lost, so each is told only of what the others' own losses, on their way here, do not
 *   explain: what was lost on the way to the listener strikes all alike.
 * - It counts only if {@link MIN_PACKETS} were sent meanwhile, so that one lost packet of three is no third, and only
 *   if it is about numbers that were sent of late.
 * - More than {@link MAX_FRACTION} is told as that: an encoder's redundancy goes no further, and so a listener who
 *   claims more than it loses costs the others little. Above {@link HOPELESS_FRACTION} it does not count at all: no
 *   redundancy mends that, and a listener who always claims the most is not heeded.
 * - It is in force until the same listener's next, until the two part, or for {@link MAX_AGE_MS}.
 */
import { sequenceDistance } from '../../rtp/sequence.ts';

/** 20 %, in 256ths: the most that the Opus encoders of browsers are told to reckon with. */
export const MAX_FRACTION = 51;
/** 50 %. */
export const HOPELESS_FRACTION = 128;
/** Packets sent between two reports that count. */
export const MIN_PACKETS = 20;
/** Two of the reports that browsers send every five seconds, milliseconds. */
export const MAX_AGE_MS = 10_000;
/** How far behind the newest packet a report may be, packets. */
const MAX_BEHIND = 512;
/** Speakers between two reports with more of whom a report counts for nobody. */
const MAX_TURNS = 4;
const NOBODY = -1;

/** Of one publisher: what its worst listener says. */
export class WorstListener {
  /** The listener's connection id. */
  listener = NOBODY;
  private loss = 0;
  private at = 0;

  /** A listener's report that counts. @param fraction 0 … 255. @param now milliseconds. */
  note(listener: number, fraction: number, now: number): void {
    if (fraction >= HOPELESS_FRACTION) {
      if (listener === this.listener) this.forget();
      return;
    }
    const loss = Math.min(fraction, MAX_FRACTION);
    if (listener !== this.listener && loss <= this.fraction(now)) return;
    this.listener = listener;
    this.loss = loss;
    this.at = now;
  }

  /** The worst that is in force, 0 … {@link MAX_FRACTION}. */
  fraction(now: number): number {
    return now - this.at > MAX_AGE_MS ? 0 : this.loss;
  }

  forget(): void {
    this.listener = NOBODY;
    this.loss = 0;
  }
}

/** What is left of a listener's loss without the worst of the own losses of those who took turns with a publisher. */
export function unexplained(fraction: number, others: Iterable<number>): number {
  return Math.max(0, fraction - Math.max(0, ...others));
}

/** Of one slot: who was in it since its listener's last report. */
export class SlotWatch {
  /** Connection ids, the last one seen at the end. */
  private publishers: number[] = [];
  private packets = 0;

  /** Somebody was seen in the slot. Pauses, in which it is nobody's, do not matter. */
  see(publisher: number): void {
    const { publishers } = this;
    if (publishers.at(-1) === publisher) return;
    const before = publishers.indexOf(publisher);
    if (before >= 0) publishers.splice(before, 1);
    publishers.push(publisher);
    if (publishers.length > MAX_TURNS + 1) publishers.shift();
  }

  /**
   * The listener reports on the slot.
   *
   * @param reported the highest number it received. @param sent the newest one sent; the low 16 bits of both count.
   * @param packets sent in the slot so far, modulo 2^32.
   * @returns the connection ids of the publishers whom the report counts for.
   */
  report(reported: number, sent: number, packets: number): readonly number[] {
    const { publishers } = this;
    const enough = ((packets - this.packets) | 0) >= MIN_PACKETS;
    const behind = sequenceDistance(sent, reported);
    this.packets = packets;
    this.publishers = publishers.slice(-1);
    return enough && publishers.length <= MAX_TURNS && behind >= 0 && behind <= MAX_BEHIND ? publishers : [];
  }
}
