/** What a conversation is told of a participant, besides who it is and whether it speaks. */
import type { Participant } from '../conversations/participant.ts';
import { maySpeak, type Rights } from '../conversations/rights.ts';
import type { QualityWord } from '../rtcp/quality-word.ts';

/** Returns the rights of a user in a conversation; null if they are not known to be in it. */
export type RightsIn = (userid: string, conversation: string) => Rights | null;

export interface Shown {
  muted: boolean;
  deafened: boolean;
  hand: boolean;
  /** Whether its user may speak. */
  speak: boolean;
  /** Of its connection; null for nothing to say. */
  quality: QualityWord | null;
  name: string | null;
  /** JSON of an object. */
  metadata: string | null;
}

export function newShown(): Shown {
  return { muted: false, deafened: false, hand: false, speak: true, quality: null, name: null, metadata: null };
}

/**
 * Notes how a participant is to be shown now.
 *
 * @param before how it was shown. What its rights say stays while they are not known: its user is just moving.
 */
export function note(shown: Shown, participant: Participant, before: Shown, rights: Rights | null, id: string): void {
  const { muted, deafened, hand = false, quality = null } = participant;
  const { name, metadata } = rights?.grant ?? before;
  shown.muted = muted;
  shown.deafened = deafened;
  shown.hand = hand;
  shown.quality = quality;
  shown.speak = rights === null ? before.speak : maySpeak(rights, id);
  shown.name = name;
  shown.metadata = metadata;
}

export function isShownAlike(one: Shown, other: Shown): boolean {
  if (one.muted !== other.muted || one.deafened !== other.deafened || one.hand !== other.hand) return false;
  if (one.quality !== other.quality) return false;
  return one.speak === other.speak && one.name === other.name && one.metadata === other.metadata;
}
