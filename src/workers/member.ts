/** A member of a conversation: who it is, what it publishes, and what it wants to hear. */
import type { Publication } from './protocol.ts';
import type { Publisher, Source } from './source.ts';

/** What a member wants to hear; people are given by their numbers as speakers. */
export interface Wishes {
  /** Nothing at all. */
  readonly deafened: boolean;
  /** These first, in this order, whether they speak or not. */
  readonly pinned: readonly number[];
  /** These never. */
  readonly excluded: readonly number[];
}

/** Who a member is. */
export interface MemberInfo extends Publisher {
  readonly publication: Publication | null;
  readonly muted: boolean;
  readonly deafened: boolean;
  /** Rows of its slots in the slot table. */
  readonly rows: readonly number[];
}

export class Member {
  readonly info: MemberInfo;
  readonly source: Source | null;
  /** Who is in each of the slots. */
  readonly holders: (Source | null)[];
  excluded: ReadonlySet<number> = new Set();
  pinned: readonly number[] = [];
  private deafened: boolean;

  constructor(info: MemberInfo, source: Source | null) {
    this.info = info;
    this.source = source;
    this.deafened = info.deafened;
    this.holders = info.rows.map(() => null);
  }

  wish({ deafened, pinned, excluded }: Wishes): void {
    this.deafened = deafened;
    this.pinned = pinned;
    this.excluded = new Set(excluded);
  }

  /** Whether it wants a source first. */
  pins(source: Source): boolean {
    return this.pinned.includes(source.number);
  }

  /**
   * Who belongs into its slots: those it pinned, then the foremost, never its own user or whom it excluded.
   *
   * @param order foremost first.
   * @param bySpeaker sources by the speaker's number.
   * @param chosen takes the result.
   */
  choose(order: readonly Source[], bySpeaker: ReadonlyMap<number, Source>, chosen: Source[]): void {
    chosen.length = 0;
    if (this.deafened) return;
    for (const number of this.pinned) {
      const source = bySpeaker.get(number);
      // Of somebody who has not sent anything, or is muted, there is nothing to carry.
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
