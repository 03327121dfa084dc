/**
 * What this instance has told the others of its own participants in one conversation, and what it has to tell next.
 *
 * This is state, not a log: it is compared with the conversation, so whatever happens between two comparisons is told
 * as one change. Each message that tells something has the next number; who misses one asks for the whole state.
 */
import { connectionIndex, SOURCE_WORDS, SourceWord } from '../../../workers/protocol.ts';
import type { Participant } from '../../conversations/participant.ts';
import type { QualityWord } from '../../rtcp/quality-word.ts';
import type { Delta, State, WireChange, WireParticipant } from '../messages/presence.ts';
import { Digest } from './digest.ts';
import { NO_WISHES, samePlace, samePlaces, tapsOf, type Wishes } from './wishes.ts';

/** Participants in one message. With the longest ids, all of their characters escaped, it stays below NATS' 1 MiB. */
export const MAX_ENTRIES = 200;

/** A delta or a part of a state, without who sends it and of which conversation it is. */
export type DeltaBody = Omit<Delta, 'conversation' | 'from'>;
export type StateBody = Omit<State, 'conversation' | 'from'>;

/** One participant as it was told. */
interface Told {
  readonly participant: Participant;
  number: number;
  muted: boolean;
  speaking: boolean;
  deafened: boolean;
  hand: boolean;
  quality: QualityWord | null;
  /** The last comparison that found it. */
  seen: number;
}

export class Outgoing {
  private lastSeq: number;
  private readonly sources: Int32Array;
  /** By source, which is the connection id. */
  private readonly told = new Map<number, Told>();
  private wishes: Wishes = NO_WISHES;
  private round = 0;

  /** @param seq greater than all that this process has used in this conversation. @param sources the source table. */
  constructor(seq: number, sources: Int32Array) {
    this.lastSeq = seq;
    this.sources = sources;
  }

  /** The number of what was told last. */
  get seq(): number {
    return this.lastSeq;
  }

  /** Participants that were told of. */
  get count(): number {
    return this.told.size;
  }

  /** Returns the digest of all that was told. */
  digest(): number {
    const digest = new Digest(this.wishes);
    for (const { participant, muted, speaking } of this.told.values()) {
      const { id, claim, publication } = participant;
      digest.add({ source: id, ...claim, publication, muted, speaking });
    }
    return digest.value;
  }

  /** Returns the number in the conversation of a source of this instance; 0 if it is none. */
  numberOf(source: number): number {
    return this.told.get(source)?.number ?? 0;
  }

  /**
   * Compares with the conversation.
   *
   * @param own this instance's participants by their numbers.
   * @returns the deltas to send, in this order; they count as told.
   */
  compare(own: ReadonlyMap<number, Participant>, wishes: Wishes): DeltaBody[] {
    const deltas = new Deltas();
    this.round++;
    for (const [number, participant] of own) this.look(number, participant, deltas);
    if (this.told.size > own.size) this.removeUnseen(deltas);
    const { wants, dominant, pinned, tapped = false, recorded = false } = this.wishes;
    const repinned = !samePlaces(pinned, wishes.pinned);
    const retapped = tapped !== (wishes.tapped ?? false) || recorded !== (wishes.recorded ?? false);
    if (retapped || repinned || wants !== wishes.wants || !samePlace(dominant, wishes.dominant)) deltas.next();
    this.wishes = wishes;
    return deltas.all.map((changes, i) => ({
      seq: ++this.lastSeq,
      ...changes,
      wants: wishes.wants,
      dominant: wishes.dominant,
      ...tapsOf(wishes),
      ...(repinned && i === 0 ? { pinned: [...wishes.pinned] } : {}),
    }));
  }

  /** Returns the whole state, as it was told, in parts. */
  state(): StateBody[] {
    const participants = [...this.told.values()].map(describe);
    const parts = Math.max(1, Math.ceil(participants.length / MAX_ENTRIES));
    const { wants, dominant, pinned } = this.wishes;
    const taps = tapsOf(this.wishes);
    return Array.from({ length: parts }, (_, part) => ({
      seq: this.lastSeq,
      part,
      parts,
      participants: participants.slice(part * MAX_ENTRIES, (part + 1) * MAX_ENTRIES),
      wants,
      dominant,
      ...taps,
      pinned: part === 0 ? [...pinned] : [],
    }));
  }

  private look(number: number, participant: Participant, deltas: Deltas): void {
    const { id, muted, deafened, hand = false, quality = null } = participant;
    const speaking = !muted && this.sources[connectionIndex(id) * SOURCE_WORDS + SourceWord.Speaking] === 1;
    const known = this.told.get(id);
    if (known === undefined) {
      const told = { participant, number, muted, speaking, deafened, hand, quality, seen: this.round };
      this.told.set(id, told);
      deltas.next().joined.push(describe(told));
      return;
    }
    // It may have left and come back since.
    known.number = number;
    known.seen = this.round;
    const same = known.muted === muted && known.speaking === speaking;
    if (same && known.deafened === deafened && known.hand === hand && known.quality === quality) return;
    known.muted = muted;
    known.speaking = speaking;
    known.deafened = deafened;
    known.hand = hand;
    known.quality = quality;
    deltas.next().changed.push({ s: id, ...stateOf(known) });
  }

  private removeUnseen(deltas: Deltas): void {
    for (const [source, { seen }] of this.told) {
      if (seen === this.round) continue;
      this.told.delete(source);
      deltas.next().left.push(source);
    }
  }
}

type Lists = Pick<Delta, 'joined' | 'left' | 'changed'>;

/** The changes of one comparison, as many deltas as they need. */
class Deltas {
  readonly all: Lists[] = [];
  private space = 0;

  /** Returns the lists for one more change. */
  next(): Lists {
    if (this.space === 0) {
      this.all.push({ joined: [], left: [], changed: [] });
      this.space = MAX_ENTRIES;
    }
    this.space--;
    return this.all.at(-1)!;
  }
}

function describe(told: Told): WireParticipant {
  const { id, claim, publication } = told.participant;
  return { s: id, u: claim.userid, c: claim.clientid, p: wireOf(publication), ...stateOf(told) };
}

function stateOf({ muted, speaking, deafened, hand, quality }: Told): Omit<WireChange, 's'> {
  return {
    ...{ m: muted, t: speaking },
    ...(deafened ? { d: deafened } : {}),
    ...(hand ? { h: hand } : {}),
    ...(quality === null ? {} : { q: quality }),
  };
}

/** The SSRCs of a source concern its own instance alone, which keeps its slots from having them. */
function wireOf(publication: Participant['publication']): WireParticipant['p'] {
  if (publication === null) return null;
  const { payloadType, redPayloadType, levelExtension } = publication;
  return { payloadType, redPayloadType, levelExtension };
}
