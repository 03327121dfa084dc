/** What this instance knows of one other instance in one conversation. */
import type { RemoteParticipant } from '../../conversations/remote-participant.ts';
import {
  type Delta,
  MAX_REMOTE_PARTICIPANTS,
  type Place,
  type State,
  type WireParticipant,
} from '../messages/presence.ts';
import { isSame, type People } from './people.ts';

/** Nothing is known yet. Sequence numbers begin at 0. */
const NOTHING = -1;

/** Parts of a state that came so far. */
interface Collected {
  readonly seq: number;
  readonly parts: number;
  readonly got: Map<number, State>;
}

export class Peer {
  readonly incarnation: string;
  readonly participants = new Map<number, RemoteParticipant>();
  wants = 0;
  pinned: readonly Place[] = [];
  dominant: Place | null = null;
  /** When a message came last, and when it was asked for its state last; milliseconds. */
  heardAt: number;
  askedAt = Number.NEGATIVE_INFINITY;
  /** Whether something is missing, so that it has to be asked for its state. */
  behind = true;
  private readonly people: People;
  private known = NOTHING;
  private collected: Collected | null = null;

  constructor(incarnation: string, people: People, now: number) {
    this.incarnation = incarnation;
    this.people = people;
    this.heardAt = now;
  }

  /** The number of the last message that this instance knows the contents of; -1 for none. */
  get seq(): number {
    return this.known;
  }

  /** The peer has told all up to `seq`. @param count how many participants that were. */
  reached(seq: number, count: number | null = null): void {
    if (count === 0 && seq > this.known) {
      // It begins, or all of its participants have left.
      this.replace([]);
      this.take({ wants: 0, dominant: null });
      this.pinned = [];
      this.finish(seq);
    } else if (seq > this.known) this.behind = true;
  }

  /** Takes a delta. One that was taken before changes nothing; one that comes too early makes the peer `behind`. */
  delta(delta: Delta): void {
    if (delta.seq <= this.known) return;
    if (this.known === NOTHING || delta.seq !== this.known + 1) {
      this.behind = true;
      return;
    }
    this.known = delta.seq;
    for (const source of delta.left) this.leave(source);
    for (const participant of delta.joined) this.update(participant);
    for (const { s, m, t } of delta.changed) tell(this.participants.get(s), m, t);
    this.take(delta);
    if (delta.pinned !== undefined) this.pinned = delta.pinned;
  }

  /** Takes a part of a state. With the last one, the state replaces what was known. */
  state(part: State): void {
    if (part.seq < this.known || part.part >= part.parts) return;
    const { collected } = this;
    const got = collected?.seq === part.seq && collected.parts === part.parts ? collected.got : new Map();
    if (collected !== null && part.seq < collected.seq) return;
    got.set(part.part, part);
    this.collected = { seq: part.seq, parts: part.parts, got };
    if (countOf(got) > MAX_REMOTE_PARTICIPANTS) this.collected = null;
    else if (got.size === part.parts) this.replaceWith([...got.values()]);
  }

  /** Lists a participant that media named before presence did. It has to be in the next state. */
  announced(participant: WireParticipant): void {
    if (!this.participants.has(participant.s)) this.update(participant);
  }

  /** Takes all of its participants off the list. */
  end(): void {
    this.replace([]);
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
    this.collected = null;
  }

  private replace(participants: readonly WireParticipant[]): void {
    const present = new Set(participants.map(({ s }) => s));
    for (const source of this.participants.keys()) if (!present.has(source)) this.leave(source);
    for (const participant of participants) this.update(participant);
  }

  private take({ wants, dominant }: Pick<Delta, 'wants' | 'dominant'>): void {
    this.wants = wants;
    this.dominant = dominant;
  }

  private update(participant: WireParticipant): void {
    const { s, m, t } = participant;
    const known = this.participants.get(s);
    if (known !== undefined && isSame(known, participant)) return tell(known, m, t);
    this.leave(s);
    if (this.participants.size >= MAX_REMOTE_PARTICIPANTS) return;
    this.participants.set(s, this.people.list(this.incarnation, participant));
  }

  private leave(source: number): void {
    const participant = this.participants.get(source);
    if (participant === undefined) return;
    this.participants.delete(source);
    this.people.drop(participant);
  }
}

function tell(participant: RemoteParticipant | undefined, muted: boolean, speaking: boolean): void {
  participant?.setMuted(muted);
  participant?.setSpeaking(speaking);
}

function countOf(parts: ReadonlyMap<number, State>): number {
  let count = 0;
  for (const { participants } of parts.values()) count += participants.length;
  return count;
}
