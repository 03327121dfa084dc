/**
 * The loss that the server reports to a publisher.
 *
 * The server measures the publisher's own loss. It adds the loss that listeners report, so that the publisher's encoder
 * uses as much redundancy as the worst of them needs. The rules for a listener's report:
 *
 * - It counts for each publisher that was in the slot since the report before. If speakers took turns, the report does
 *   not say whose packets were lost. Loss on the way to the listener strikes all of them alike, so each publisher gets
 *   only the part that the other publishers' own loss, on the way to the server, does not explain.
 * - It counts only if {@link MIN_PACKETS} were sent since the report before, so that one lost packet of three is not
 *   taken for a third, and only if its sequence numbers are recent.
 * - Loss above {@link MAX_FRACTION} counts as that: an encoder's redundancy goes no further, and a listener that claims
 *   more than it loses costs the others little. A report above {@link HOPELESS_FRACTION} does not count: no redundancy
 *   would help, and a listener that always claims the maximum has no effect.
 * - It holds until the same listener's next report, until the two are no longer in one conversation, and at most for
 *   {@link MAX_AGE_MS}.
 * - Of the listeners of another instance, that instance reports the worst, once a second.
 */
import { sequenceDistance } from '../../rtp/sequence.ts';

/** 20 %, in 256ths: the highest loss that browsers pass to their Opus encoders. */
export const MAX_FRACTION = 51;
/** 50 %, in 256ths. */
export const HOPELESS_FRACTION = 128;
/** Packets sent since the report before, from which on a report counts. */
export const MIN_PACKETS = 20;
/** How long a report holds, milliseconds: two intervals of browsers, which report every five seconds. */
export const MAX_AGE_MS = 10_000;
/** How far a report may be behind the newest packet sent, packets. */
const MAX_BEHIND = 512;
/** Speakers in a slot between two reports; with more of them, the report counts for none. */
const MAX_TURNS = 4;
const NOBODY = -1;
/** Listeners from here on down are those of other instances. */
const ELSEWHERE = -2;

/** The highest loss that a listener of one publisher reports. */
export class WorstListener {
  /** Connection id of that listener; -1 for none, and less for one of another instance. */
  listener = NOBODY;
  private loss = 0;
  private at = 0;

  /** Takes a listener's report. @param fraction loss, 0 … 255. @param now milliseconds. */
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

  /** Takes what another instance says of its worst listener. @param instance a number of it, 0 or greater. */
  noteElsewhere(instance: number, fraction: number, now: number): void {
    this.note(ELSEWHERE - instance, fraction, now);
  }

  /** Whether the listener is one of another instance. */
  get isElsewhere(): boolean {
    return this.listener <= ELSEWHERE;
  }

  /** Returns the highest loss in force, 0 … {@link MAX_FRACTION}. */
  fraction(now: number): number {
    return now - this.at > MAX_AGE_MS ? 0 : this.loss;
  }

  forget(): void {
    this.listener = NOBODY;
    this.loss = 0;
  }
}

/**
 * Returns the part of a listener's loss that the other publishers in its slot do not explain.
 *
 * @param fraction the listener's loss, 0 … 255.
 * @param others the loss of each other publisher on its way to the server, 0 … 255.
 */
export function unexplained(fraction: number, others: Iterable<number>): number {
  return Math.max(0, fraction - Math.max(0, ...others));
}

/** The publishers in one slot since its listener's last report. */
export class SlotWatch {
  /** Connection ids in the order of their last turns. */
  private publishers: number[] = [];
  private packets = 0;

  /** Notes who is in the slot. An empty slot need not be noted. */
  see(publisher: number): void {
    const { publishers } = this;
    if (publishers.at(-1) === publisher) return;
    const before = publishers.indexOf(publisher);
    if (before >= 0) publishers.splice(before, 1);
    publishers.push(publisher);
    if (publishers.length > MAX_TURNS + 1) publishers.shift();
  }

  /**
   * Takes the listener's report on the slot.
   *
   * @param reported highest sequence number that the listener received; only the low 16 bits of it are used.
   * @param sent newest sequence number that was sent; only the low 16 bits of it are used.
   * @param packets sent in the slot so far, modulo 2^32.
   * @returns the connection ids of the publishers for which the report counts.
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
