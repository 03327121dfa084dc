/**
 * One conversation in its worker: its members, and which source is in which listener's slot.
 *
 * No packets and no threads in here; time is an argument. Slots are assigned when somebody comes, goes, begins or
 * stops speaking, never for each packet: a packet only walks its source's list of targets.
 */
import { clearSlot, NO_SOURCE, Slot } from '../rtp/rewriter.ts';
import { SourceSequence } from '../rtp/sequence.ts';
import type { Publication } from './protocol.ts';
import { type Candidate, Selection } from './selection.ts';

/** How long the SSRC in use may be silent before an undeclared other one takes its place, ticks. */
const SSRC_PATIENCE = 48_000;

/** What a member publishes. */
export class Source implements Candidate {
  ranked = false;
  speaking = false;
  lastSound = 0;
  readonly connection: number;
  readonly conversation: Conversation;
  readonly user: number;
  readonly number: number;
  readonly payloadType: number;
  /** Id of its audio level extension, or 0. */
  readonly levelExtension: number;
  readonly sequence = new SourceSequence();
  /** Names this run of sequence numbers to the slots; changes whenever the numbering begins anew. */
  key = NO_SOURCE;
  /** Rows of the slots that carry this source. */
  targets = new Int32Array(4);
  targetCount = 0;
  private ssrc = 0;
  private ssrcKnown = false;
  private lastPacket = 0;
  private readonly declared: readonly number[];

  constructor(member: MemberInfo, publication: Publication, conversation: Conversation) {
    this.connection = member.connection;
    this.user = member.user;
    this.number = member.number;
    this.conversation = conversation;
    this.payloadType = publication.payloadType;
    this.levelExtension = publication.levelExtension;
    this.declared = publication.ssrcs;
  }

  /**
   * Whether a packet's SSRC is this source's: one that the offer declared or, where it declared none, the first one
   * seen, until that has been silent for {@link SSRC_PATIENCE}. A change begins the numbering anew.
   */
  accepts(ssrc: number, clock: number): boolean {
    if (ssrc !== this.ssrc || !this.ssrcKnown) {
      const allowed =
        this.declared.length > 0
          ? this.declared.includes(ssrc)
          : !this.ssrcKnown || (clock - this.lastPacket) >>> 0 > SSRC_PATIENCE;
      if (!allowed) return false;
      this.ssrc = ssrc;
      this.ssrcKnown = true;
      this.sequence.reset();
    }
    this.lastPacket = clock;
    return true;
  }

  addTarget(row: number): void {
    if (this.targetCount === this.targets.length) {
      const grown = new Int32Array(this.targets.length * 2);
      grown.set(this.targets);
      this.targets = grown;
    }
    this.targets[this.targetCount++] = row;
  }
}

/** Who a member is. */
export interface MemberInfo {
  readonly connection: number;
  readonly user: number;
  readonly number: number;
  readonly publication: Publication | null;
  /** Rows of its slots in the slot table. */
  readonly rows: readonly number[];
}

class Member {
  readonly info: MemberInfo;
  readonly source: Source | null;
  /** Who is in each of the slots. */
  readonly holders: (Source | null)[];

  constructor(info: MemberInfo, conversation: Conversation) {
    this.info = info;
    this.source = info.publication === null ? null : new Source(info, info.publication, conversation);
    this.holders = info.rows.map(() => null);
  }
}

export class Conversation {
  private readonly members = new Map<number, Member>();
  private readonly selection = new Selection<Source>();
  private readonly slots: Int32Array;

  /** @param slots the slot table. */
  constructor(slots: Int32Array) {
    this.slots = slots;
  }

  get size(): number {
    return this.members.size;
  }

  /** Adds a member. @returns its source, or null if it only listens. */
  join(info: MemberInfo): Source | null {
    const member = new Member(info, this);
    this.members.set(info.connection, member);
    this.assign();
    return member.source;
  }

  /** Takes a member out; slots that carried it are free. */
  leave(connection: number): void {
    const member = this.members.get(connection);
    if (member === undefined) return;
    this.members.delete(connection);
    for (const row of member.info.rows) {
      clearSlot(this.slots, row);
      this.slots[row + Slot.Speaker] = 0;
    }
    if (member.source !== null) this.selection.remove(member.source);
    this.assign();
  }

  /** Takes note of a packet of `source`, before it is forwarded: the one that wins a slot is itself heard. */
  heard(source: Source, sound: boolean, clock: number): void {
    if (this.selection.heard(source, sound, clock)) this.assign();
  }

  /** To be called a few times a second while packets flow. */
  tick(clock: number): void {
    if (this.selection.expire(clock)) this.assign();
  }

  /** Puts the foremost sources into everybody's slots and lists, for each source, the slots that carry it. */
  private assign(): void {
    for (const source of this.selection.order) source.targetCount = 0;
    for (const member of this.members.values()) {
      this.seat(member);
      for (let i = 0; i < member.holders.length; i++) member.holders[i]?.addTarget(member.info.rows[i]!);
    }
  }

  /** Whoever stays keeps the slot; those who no longer belong make room for those who newly do. */
  private seat({ info, holders }: Member): void {
    const chosen: Source[] = [];
    for (const source of this.selection.order) {
      if (chosen.length === holders.length) break;
      if (source.user !== info.user) chosen.push(source);
    }
    for (let i = 0; i < holders.length; i++) {
      const holder = holders[i]!;
      if (holder !== null && !chosen.includes(holder)) {
        holders[i] = null;
        clearSlot(this.slots, info.rows[i]!);
        this.slots[info.rows[i]! + Slot.Speaker] = 0;
      }
    }
    for (const source of chosen) {
      if (holders.includes(source)) continue;
      const free = holders.indexOf(null);
      holders[free] = source;
      this.slots[info.rows[free]! + Slot.Speaker] = source.number;
    }
  }
}
