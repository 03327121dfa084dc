/** What the conversations need to know of those who take part in them. */
import type { Publication } from '../../workers/protocol.ts';
import type { Claim } from '../claim.ts';
import type { QualityWord } from '../rtcp/quality-word.ts';

/**
 * Whoever takes part in a conversation: a client's connection, or somebody who is connected to another instance. It has
 * a publication, slots, both or neither.
 */
export interface Participant {
  /** Its index with a generation, from an `IndexPool`; -1 while it has none, and no worker knows it. */
  readonly id: number;
  /** Its name to the other participants. */
  readonly claim: Claim;
  /** Number of its user. Packets never go to participants of the same user. */
  readonly user: number;
  /** Whether a client of this process takes part through it. A process that drains waits for clients alone. */
  readonly isClient: boolean;
  readonly publication: Publication | null;
  readonly slotCount: number;
  /** If muted, the worker forwards nothing of its publication. */
  readonly muted: boolean;
  /** If deafened, it hears nothing. */
  readonly deafened: boolean;
  /** Whether it raises its hand, to be given the right to speak. Left out where nobody can. */
  readonly hand?: boolean;
  /** What others are told of its connection; null for nothing. Left out where nobody measures it. */
  readonly quality?: QualityWord | null;
  /** Whether it is known to speak, whatever its worker says. Left out where the worker alone can tell. */
  readonly speaks?: boolean;
}

/** Whom a listener wants to hear, by their numbers in its conversation. */
export interface ListenerPreferences {
  /** These first, in this order. */
  readonly pinned: readonly number[];
  /** These never. */
  readonly excluded: readonly number[];
}
