/** A participant of a conversation: its numbers, what it publishes, and what it wants to hear. */
import type { Publication } from './protocol.ts';
import type { Identity, Source } from './source.ts';

/** What a participant wants to hear. Other participants are given by their speaker numbers. */
export interface Preferences {
  /** Whether it hears nobody at all. */
  readonly deafened: boolean;
  /** Those it hears first, in this order, whether they speak or not. */
  readonly pinned: readonly number[];
  /** Those it never hears. */
  readonly excluded: readonly number[];
}

/** What main says about a participant that joins. */
export interface ParticipantInfo extends Identity {
  readonly publication: Publication | null;
  readonly muted: boolean;
  readonly deafened: boolean;
  /** Rows of its slots in the slot table. A listener has at least one. */
  readonly rows: readonly number[];
}

export class Participant {
  readonly info: ParticipantInfo;
  readonly source: Source | null;
  /** The source in each of its slots. */
  readonly holders: (Source | null)[];
  excluded: ReadonlySet<number> = new Set();
  pinned: readonly number[] = [];
  private deafened: boolean;

  constructor(info: ParticipantInfo, source: Source | null) {
    this.info = info;
    this.source = source;
    this.deafened = info.deafened;
    this.holders = info.rows.map(() => null);
  }

  setPreferences({ deafened, pinned, excluded }: Preferences): void {
    this.deafened = deafened;
    this.pinned = pinned;
    this.excluded = new Set(excluded);
  }

  /** Returns whether it wants to hear a source first. */
  pins(source: Source): boolean {
    return this.pinned.includes(source.number);
  }

  /**
   * Chooses the sources for its slots: pinned ones, then the foremost, never its own user's or excluded ones.
   *
   * @param order all ranked sources, foremost first.
   * @param bySpeaker sources by speaker number.
   * @param chosen takes the result.
   */
  choose(order: readonly Source[], bySpeaker: ReadonlyMap<number, Source>, chosen: Source[]): void {
    chosen.length = 0;
    if (this.deafened) return;
    for (const number of this.pinned) {
      const source = bySpeaker.get(number);
      // A pinned source that has sent nothing, or is muted, takes no slot.
      if (source !== undefined && source.rank >= 0) this.add(source, chosen);
    }
    for (let i = 0; i < order.length && chosen.length < this.holders.length; i++) this.add(order[i]!, chosen);
  }

  private add(source: Source, chosen: Source[]): void {
    if (chosen.length === this.holders.length || source.user === this.info.user) return;
    if (this.excluded.has(source.number) || chosen.includes(source)) return;
    chosen.push(source);
  }
}
