/**
 * One conversation in its worker: its participants, and which source is in which listener's slot.
 *
 * This file handles no packets and no threads, and time is an argument. Slots are assigned when somebody comes, goes,
 * or passes somebody else in the order, never for each packet: a packet only walks its source's list of targets.
 */
import { DECISION_TICKS, lead } from '../rtp/dominant.ts';
import { VOLUME_UNIT } from '../rtp/loudness.ts';
import { clearSlot, Slot } from '../rtp/rewriter.ts';
import type { Fades } from './fades.ts';
import { Participant, type ParticipantInfo, type Preferences } from './participant.ts';
import { connectionIndex, SOURCE_WORDS, SourceWord, Wakes, type WakesValue } from './protocol.ts';
import { type Captures, Selection } from './selection.ts';
import { Source } from './source.ts';
import { Users } from './users.ts';

/** A source stronger than this is reported as speaking: some 60 ms of voice reach it. */
const ANNOUNCED_STRENGTH = 25 * VOLUME_UNIT;

/** Up to this many slots it is cheaper to update their listeners one by one than to update the whole conversation. */
const FEW = 16;

/** What a conversation works on. */
export interface ConversationParts {
  /** The slot table. */
  readonly slots: Int32Array;
  /** The source table. */
  readonly sources: Int32Array;
  readonly fades: Fades;
  /** Called with the number of the dominant speaker when that changes; 0 for nobody. */
  readonly dominant: (speaker: number) => void;
}

export class Conversation {
  private readonly participants = new Map<number, Participant>();
  private readonly bySpeaker = new Map<number, Source>();
  private readonly users = new Users();
  private readonly selection = new Selection<Source>();
  private readonly parts: ConversationParts;
  private readonly chosen: Source[] = [];
  private dominant: Source | null = null;
  private lastDecision = 0;

  constructor(parts: ConversationParts) {
    this.parts = parts;
    this.measureDepth();
  }

  get size(): number {
    return this.participants.size;
  }

  /** Adds a participant. @param clock now, ticks. @returns its source, or null if it publishes nothing. */
  join(info: ParticipantInfo, clock: number): Source | null {
    const captures = this.users.add(info);
    const participant = new Participant(info, this.sourceOf(info, captures));
    // A worker that ended abruptly has left its own keys in the rows.
    for (const row of info.rows) clearSlot(this.parts.slots, row);
    this.participants.set(info.connection, participant);
    if (participant.source !== null) this.bySpeaker.set(info.number, participant.source);
    // Going through everybody at each of thousands of joins would keep a new worker busy for seconds.
    if (this.users.participantsOf(info.user) > 1) this.measureDepth();
    else this.includeInDepth(participant);
    this.refill(participant, clock);
    return participant.source;
  }

  /** Takes a participant out, and frees the slots that carried it. */
  leave(connection: number, clock: number): void {
    const participant = this.participants.get(connection);
    if (participant === undefined) return;
    this.participants.delete(connection);
    this.removeTargets(participant);
    const { slots, fades } = this.parts;
    for (const row of participant.info.rows) {
      clearSlot(slots, row);
      fades.close(row, slots[row + Slot.Speaker]!);
      slots[row + Slot.Speaker] = 0;
    }
    if (participant.source !== null) {
      this.bySpeaker.delete(participant.source.number);
      this.withdraw(participant.source, clock);
    }
    this.users.remove(participant.info);
    this.measureDepth();
  }

  /** Stops or resumes forwarding what a participant publishes. */
  mute(connection: number, muted: boolean, clock: number): void {
    const source = this.participants.get(connection)?.source;
    if (source === undefined || source === null || source.muted === muted) return;
    source.muted = muted;
    source.resumes = !muted;
    if (muted) this.withdraw(source, clock);
    this.write(source, SourceWord.Wakes, muted ? Wakes.None : Wakes.All);
  }

  /** Changes what a participant hears. */
  listen(connection: number, preferences: Preferences, clock: number): void {
    const participant = this.participants.get(connection);
    if (participant === undefined) return;
    participant.setPreferences(preferences);
    this.measureDepth();
    this.refill(participant, clock);
  }

  /**
   * Takes note of a packet of `source`, before it is forwarded, so that a packet that wins a slot is itself heard.
   *
   * @param level 0 (loudest) … 127 (silence), or `NO_LEVEL`.
   * @param silent whether it is comfort noise.
   */
  heard(source: Source, level: number, silent: boolean, clock: number): void {
    const { loudness } = source;
    const sound = loudness.hear(level, silent, clock);
    source.activity.hear(loudness.volume, clock);
    // The first packet makes it possible to carry a source. Far back in the order nobody has it, unless it is pinned.
    const awaited = source.rank < 0 && this.isPinned(source);
    if (this.selection.heard(source, sound, clock) || awaited) this.refillAll(clock);
    if (sound && !source.announced && loudness.strengthAt(clock) > ANNOUNCED_STRENGTH) this.announce(source, true);
  }

  /** Does what depends on time alone. Call it a few times a second. */
  tick(clock: number): void {
    this.users.forgetDeparted(clock);
    if (this.selection.expire(clock)) this.refillAll(clock);
    for (const source of this.selection.order) {
      if (source.announced && !source.speaking) this.announce(source, false);
      this.write(source, SourceWord.Rank, source.rank + 1);
      this.write(source, SourceWord.Wakes, this.wakesOf(source));
    }
    if (((clock - this.lastDecision) | 0) >= DECISION_TICKS || ((clock - this.lastDecision) | 0) < 0) {
      this.lastDecision = clock;
      this.decideDominant(clock);
    }
  }

  private sourceOf(info: ParticipantInfo, captures: Captures): Source | null {
    return info.publication === null ? null : new Source(info, info.publication, info.muted, this, captures);
  }

  private isPinned(source: Source): boolean {
    for (const listener of this.participants.values()) if (listener.pins(source)) return true;
    return false;
  }

  /** Takes a source out of the order and out of all slots. */
  private withdraw(source: Source, clock: number): void {
    this.selection.remove(source);
    this.write(source, SourceWord.Rank, 0);
    source.loudness.restart();
    const held = source.targets.count + source.redTargets.count;
    source.clearTargets();
    if (held > FEW) this.refillAll(clock);
    else if (held > 0) {
      for (const listener of this.participants.values())
        if (listener.holders.includes(source)) this.refill(listener, clock);
    }
    if (source.announced) this.announce(source, false);
    if (this.dominant === source) this.setDominant(null);
  }

  private announce(source: Source, speaking: boolean): void {
    source.announced = speaking;
    this.write(source, SourceWord.Speaking, speaking ? 1 : 0);
  }

  private write({ connection }: Source, word: number, value: number): void {
    this.parts.sources[connectionIndex(connection) * SOURCE_WORDS + word] = value;
  }

  private wakesOf({ targets, redTargets, speaking, user }: Source): WakesValue {
    if (targets.count + redTargets.count > 0) return Wakes.All;
    return speaking || !this.users.hear(user) ? Wakes.None : Wakes.Sound;
  }

  private decideDominant(clock: number): void {
    const { dominant } = this;
    dominant?.activity.rate(clock);
    let winner: Source | null = null;
    let furthest = 0;
    for (const source of this.selection.order) {
      if (!source.speaking) break;
      if (source === dominant) continue;
      source.activity.rate(clock);
      const ahead = lead(source.activity, dominant === null ? null : dominant.activity);
      if (ahead <= furthest) continue;
      winner = source;
      furthest = ahead;
    }
    if (winner !== null) this.setDominant(winner);
  }

  private setDominant(source: Source | null): void {
    this.dominant = source;
    this.parts.dominant(source?.number ?? 0);
  }

  /** Recomputes which places in the order matter to anybody's slots. */
  private measureDepth(): void {
    this.selection.depth = 0;
    this.selection.shallowest = Number.MAX_SAFE_INTEGER;
    for (const listener of this.participants.values()) this.includeInDepth(listener);
  }

  /** Includes one more listener. It skips its user's own sources and excluded ones, and takes pinned ones first. */
  private includeInDepth({ info, excluded, pinned }: Participant): void {
    const slots = info.rows.length;
    if (slots === 0) return;
    const { selection } = this;
    selection.depth = Math.max(selection.depth, slots + this.users.publishersOf(info.user) + excluded.size);
    selection.shallowest = Math.min(selection.shallowest, Math.max(1, slots - pinned.length));
  }

  /** Puts the foremost sources into everybody's slots, and lists for each source the slots that carry it. */
  private refillAll(clock: number): void {
    for (const source of this.selection.order) source.clearTargets();
    for (const listener of this.participants.values()) {
      this.fillSlots(listener, clock);
      this.addTargets(listener);
    }
    // Whoever has just won a slot is heard without delay.
    for (const source of this.selection.order) this.write(source, SourceWord.Wakes, this.wakesOf(source));
  }

  /** Refills one listener's slots alone, so that a join, a mute or new preferences cost no more than that. */
  private refill(listener: Participant, clock: number): void {
    this.removeTargets(listener);
    this.fillSlots(listener, clock);
    this.addTargets(listener);
  }

  private addTargets({ holders, info }: Participant): void {
    holders.forEach((source, i) => {
      const row = info.rows[i]!;
      source?.addTarget(row, this.parts.slots[row + Slot.PayloadTypes]!);
    });
  }

  private removeTargets({ holders, info }: Participant): void {
    holders.forEach((source, i) => {
      source?.removeTarget(info.rows[i]!);
    });
  }

  /** Returns the slot that a source gets: the one it has just had, if that is free. */
  private freeSlot({ holders, info }: Participant, { number }: Source): number {
    const { fades } = this.parts;
    const last = info.rows.findIndex((row, i) => holders[i] === null && fades.speakerOf(row) === number);
    return last < 0 ? holders.indexOf(null) : last;
  }

  /** Fills a listener's slots. Sources that stay keep their slots; others make room for those that are newly chosen. */
  private fillSlots(listener: Participant, clock: number): void {
    const { chosen } = this;
    const { slots, fades } = this.parts;
    const { info, holders } = listener;
    listener.choose(this.selection.order, this.bySpeaker, chosen);
    for (let i = 0; i < holders.length; i++) {
      const holder = holders[i]!;
      if (holder === null || chosen.includes(holder)) continue;
      holders[i] = null;
      clearSlot(slots, info.rows[i]!);
    }
    for (const source of chosen) {
      if (holders.includes(source)) continue;
      const free = this.freeSlot(listener, source);
      const row = info.rows[free]!;
      const before = slots[row + Slot.Speaker]!;
      holders[free] = source;
      slots[row + Slot.Speaker] = source.number;
      // A quiet source may send nothing for long, so the previous voice is ended as if nobody followed it.
      if (source.speaking) fades.end(row);
      else if (before !== 0) fades.begin(row, before, clock);
    }
    for (let i = 0; i < holders.length; i++) {
      const row = info.rows[i]!;
      if (holders[i] !== null || slots[row + Slot.Speaker] === 0) continue;
      fades.begin(row, slots[row + Slot.Speaker]!, clock);
      slots[row + Slot.Speaker] = 0;
    }
  }
}
