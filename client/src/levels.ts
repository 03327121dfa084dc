/** Measures whose voices arrive, and how loud they are. */
import { Loudness } from './loudness.ts';
import type { Peer } from './peer.ts';
import type { OutputSlot } from './slot.ts';
import type { Speaker } from './types.ts';

/** How long a packet's speaker number overrides the events, milliseconds: packets arrive sooner. */
const FRESH_MS = 400;

export class Levels {
  speakers: readonly Speaker[] = [];
  readonly #slots: readonly OutputSlot[];
  readonly #report: (speakers: readonly Speaker[]) => void;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  /** The newest packet seen in each slot, and when it was first seen. */
  readonly #seen = new Map<OutputSlot, { source: number; timestamp: number; at: number }>();
  /** Meters of the current tracks. */
  readonly #loudness = new Map<OutputSlot, Loudness>();
  #peer: Peer | null = null;
  #sampling = false;

  /** @param interval in milliseconds; 0 for never. */
  constructor(slots: readonly OutputSlot[], interval: number, report: (speakers: readonly Speaker[]) => void) {
    this.#slots = slots;
    this.#report = report;
    if (interval > 0) this.#timer = setInterval(() => this.#sample(), interval);
  }

  attach(peer: Peer): void {
    this.#peer = peer;
    this.#seen.clear();
    this.#forget();
    if (this.#timer === undefined) return;
    for (const slot of this.#slots) {
      const loudness = slot.receiver === null ? null : Loudness.of(slot.receiver.track);
      if (loudness !== null) this.#loudness.set(slot, loudness);
    }
  }

  /** Stops measuring: without a connection there are no voices. */
  detach(): void {
    this.#peer = null;
    this.#forget();
    if (this.speakers.length === 0) return;
    this.speakers = [];
    this.#report([]);
  }

  close(): void {
    clearInterval(this.#timer);
    this.detach();
  }

  #forget(): void {
    for (const loudness of this.#loudness.values()) loudness.close();
    this.#loudness.clear();
  }

  #sample(): void {
    const peer = this.#peer;
    if (peer === null || this.#sampling) return;
    this.#sampling = true;
    this.#measure(peer)
      .then((speakers) => {
        if (this.#peer !== peer) return;
        const news = speakers.length > 0 || this.speakers.length > 0;
        this.speakers = speakers;
        if (news) this.#report(speakers);
      })
      .catch(() => undefined)
      .finally(() => {
        this.#sampling = false;
      });
  }

  async #measure(peer: Peer): Promise<Speaker[]> {
    const found: { slot: OutputSlot; number: number }[] = [];
    for (const slot of this.#slots) {
      const number = this.#occupant(slot);
      if (number === 0 || peer.people.participants.get(number)?.speaking === false) continue;
      found.push({ slot, number });
    }
    const measured = await Promise.all(found.map(({ slot }) => this.#loudness.get(slot)?.level() ?? null));
    const levels = found.some(({ slot }) => !this.#loudness.has(slot)) ? await levelsByMid(peer.pc) : null;
    return found
      .map(({ slot, number }, i) => ({
        number,
        slot,
        participant: peer.people.participants.get(number) ?? null,
        level: measured[i] ?? levels?.get(slot.mid ?? '') ?? null,
      }))
      .sort((a, b) => (b.level ?? 0) - (a.level ?? 0));
  }

  /** Returns the number of the speaker in a slot, from recent packets if there are any, otherwise from the events. */
  #occupant(slot: OutputSlot): number {
    const sources = slot.receiver?.getContributingSources?.() ?? [];
    const newest = sources.reduce<RTCRtpContributingSource | null>(
      (best, one) => (best === null || one.timestamp > best.timestamp ? one : best),
      null,
    );
    const now = performance.now();
    if (newest !== null) {
      const seen = this.#seen.get(slot);
      const { source, timestamp } = newest;
      if (seen?.timestamp !== timestamp) this.#seen.set(slot, { source, timestamp, at: now });
    }
    const seen = this.#seen.get(slot);
    if (slot.number === 0 || seen === undefined || now - seen.at > FRESH_MS) return slot.number;
    return seen.source;
  }
}

/** Returns the level that each media line receives, by mid. */
async function levelsByMid(pc: RTCPeerConnection): Promise<Map<string, number>> {
  const levels = new Map<string, number>();
  for (const entry of (await pc.getStats()).values()) {
    if (entry.type === 'inbound-rtp' && typeof entry.audioLevel === 'number') levels.set(entry.mid, entry.audioLevel);
  }
  return levels;
}
