/** What this instance knows of one other instance in one conversation. */
import type { RemoteParticipant } from '../../conversations/remote-participant.ts';
import {
  type Delta,
  MAX_REMOTE_PARTICIPANTS,
  type Place,
  type PresenceBeat,
  type State,
  type WireChange,
  type WireParticipant,
} from '../messages/presence.ts';
import { CollectedState } from './collected-state.ts';
import { Digest } from './digest.ts';
import { Doubt } from './doubt.ts';
import { isSame, type People } from './people.ts';

/** Nothing is known yet. Sequence numbers begin at 0. */
const NOTHING = -1;
/** For how long a participant whom media named before presence is believed to be new, milliseconds. */
const NAMED_MS = 1000;

export class Peer {
  readonly incarnation: string;
  readonly participants = new Map<number, RemoteParticipant>();
  wants = 0;
  pinned: readonly Place[] = [];
  dominant: Place | null = null;
  tapped = false;
  recorded = false;
  /** When a message came last, and when it was asked for its state last; milliseconds. */
  heardAt: number;
  askedAt = Number.NEGATIVE_INFINITY;
  /** Whether something is missing, so that it has to be asked for its state. */
  behind = true;
  private readonly people: People;
  private readonly doubt = new Doubt();
  /** Those whom media named and presence has not yet, and since when; milliseconds. */
  private readonly named = new Map<number, number>();
  private known = NOTHING;
  private readonly collected: CollectedState;

  constructor(incarnation: string, people: People, now: number) {
    this.incarnation = incarnation;
    this.people = people;
    this.collected = new CollectedState(people);
    this.heardAt = now;
  }

  /** The number of the last message that this instance knows the contents of; -1 for none. */
  get seq(): number {
    return this.known;
  }

  /** The peer has told all up to `seq`. @param count how many participants that were. */
  reached(seq: number, count: number | null = null): void {
    if (count === 0 && seq > this.known) {
      // It begins, or all of its participants have left. Packets of those who have just come may be faster.
      for (const source of this.participants.keys()) if (!this.isNewcomer(source)) this.leave(source);
      this.take({ wants: 0, dominant: null });
      this.pinned = [];
      this.finish(seq);
    } else if (this.isNew(seq)) this.behind ||= seq > this.known;
  }

  /** Takes a beat. If it was sent by somebody who has told something else, the peer is `behind`. */
  beat({ seq, digest }: PresenceBeat): void {
    this.reached(seq);
    if (digest === undefined || seq !== this.known) return;
    if (digest === this.digest()) this.doubt.agrees();
    else if (this.doubt.disagrees(this.heardAt)) this.behind = true;
  }

  /** Takes a delta. One that was taken before changes nothing; one that comes too early makes the peer `behind`. */
  delta(delta: Delta): void {
    if (!this.isNew(delta.seq) || delta.seq === this.known) return;
    if (this.known === NOTHING || delta.seq !== this.known + 1) {
      this.behind = true;
      return;
    }
    this.known = delta.seq;
    for (const source of delta.left) this.leave(source);
    for (const participant of delta.joined) this.update(participant);
    for (const change of delta.changed) tell(this.participants.get(change.s), change);
    this.take(delta);
    if (delta.pinned !== undefined) this.pinned = delta.pinned;
  }

  /** Takes a part of a state. With the last one, the state replaces what was known. */
  state(part: State): void {
    if (!this.isNew(part.seq) || part.part >= part.parts) return;
    const all = this.collected.add(part, this.heardAt);
    if (all !== null) this.replaceWith(all);
  }

  /**
   * Lists a participant that media named before presence did, and ends a mute: nothing is sent of whoever is muted. It
   * has to be in the next state.
   */
  announced(participant: WireParticipant): void {
    const { s, m } = participant;
    const known = this.participants.get(s);
    if (known === undefined) {
      this.update(participant);
      this.named.set(s, this.heardAt);
    } else if (!m && isSame(known, participant)) known.setMuted(false);
  }

  /** Takes all of its participants off the list. */
  end(): void {
    this.replace([]);
    this.collected.clear();
  }

  /** Whether a message tells at least as much as is known; if none does for a while, nothing counts as known. */
  private isNew(seq: number): boolean {
    if (seq >= this.known) {
      this.doubt.newer();
      return true;
    }
    if (!this.doubt.older(this.heardAt)) return false;
    this.known = NOTHING;
    this.behind = true;
    return true;
  }

  private digest(): number {
    const digest = new Digest(this);
    for (const { source, claim, publication, muted, speaks } of this.participants.values()) {
      digest.add({ source, ...claim, publication, muted, speaking: speaks });
    }
    return digest.value;
  }

  private replaceWith(parts: readonly State[]): void {
    const first = parts.find(({ part }) => part === 0)!;
    this.replace(parts.flatMap(({ participants }) => participants));
    this.take(first);
    this.pinned = first.pinned;
    this.finish(first.seq);
  }

  private finish(seq: number): void {
    this.known = seq;
    this.behind = false;
    this.collected.clear();
  }

  private replace(participants: readonly WireParticipant[]): void {
    const present = new Set(participants.map(({ s }) => s));
    for (const source of this.participants.keys()) if (!present.has(source)) this.leave(source);
    for (const participant of participants) this.update(participant);
  }

  private take(wishes: Pick<Delta, 'wants' | 'dominant' | 'tapped' | 'recorded'>): void {
    const { wants, dominant, tapped = false, recorded = false } = wishes;
    this.wants = wants;
    this.dominant = dominant;
    this.tapped = tapped;
    this.recorded = recorded;
  }

  private isNewcomer(source: number): boolean {
    return this.heardAt - (this.named.get(source) ?? Number.NEGATIVE_INFINITY) < NAMED_MS;
  }

  private update(participant: WireParticipant): void {
    const { s } = participant;
    this.named.delete(s);
    const known = this.participants.get(s);
    if (known !== undefined && isSame(known, participant)) return tell(known, participant);
    this.leave(s);
    if (this.participants.size >= MAX_REMOTE_PARTICIPANTS) return;
    const listed = this.people.list(this.incarnation, participant);
    if (listed !== null) this.participants.set(s, listed);
  }

  private leave(source: number): void {
    this.named.delete(source);
    const participant = this.participants.get(source);
    if (participant === undefined) return;
    this.participants.delete(source);
    this.people.drop(participant);
  }
}

function tell(participant: RemoteParticipant | undefined, { m, t, d = false, h = false, q }: WireChange): void {
  participant?.setMuted(m);
  participant?.setSpeaking(t);
  participant?.setShown(d, h, q);
}
