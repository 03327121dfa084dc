/** What this instance's listeners in a conversation ask of the other instances. */
import type { HostedConversation } from '../../conversations/hosted-conversation.ts';
import { RemoteParticipant } from '../../conversations/remote-participant.ts';
import { MAX_PINS, MAX_WANTS, type Place } from '../messages/presence.ts';

/** See `wishes` in `messages/presence.ts`. */
export interface Wishes {
  readonly wants: number;
  readonly pinned: readonly Place[];
  readonly dominant: Place | null;
  /** Both are left out where they are false. */
  readonly tapped?: boolean;
  readonly recorded?: boolean;
}

export const NO_WISHES: Wishes = { wants: 0, pinned: [], dominant: null };

/**
 * Returns how many of the foremost sources the listeners here can hear between them, 0 if nobody listens. A listener
 * fills its slots from so many: it skips those that it excluded and those of its own user. A tap wants all; instances
 * that do not know taps send those that have a place in their order.
 */
export function wantedBy(hosted: HostedConversation): number {
  if (hosted.tapped) return MAX_WANTS;
  let most = 0;
  for (const [number, { slotCount, deafened, user }] of hosted.own) {
    if (slotCount === 0 || deafened) continue;
    const excluded = hosted.preferences.get(number)?.excluded.length ?? 0;
    most = Math.max(most, slotCount + excluded + hosted.publishersOf(user));
  }
  return most;
}

/** Returns the members that tell of taps, without those that are false. */
export function tapsOf({ tapped = false, recorded = false }: Pick<Wishes, 'tapped' | 'recorded'>): {
  tapped?: boolean;
  recorded?: boolean;
} {
  return { ...(tapped ? { tapped } : {}), ...(recorded ? { recorded } : {}) };
}

/** Returns the participants of other instances whom listeners here pinned: each once, {@link MAX_PINS} at most. */
export function pinnedBy(hosted: HostedConversation): Place[] {
  const pinned = new Set<RemoteParticipant>();
  for (const [listener, { pinned: numbers }] of hosted.preferences) {
    if (!hosted.own.has(listener)) continue;
    for (const number of numbers) {
      const participant = hosted.participants.get(number);
      if (participant instanceof RemoteParticipant && pinned.size < MAX_PINS) pinned.add(participant);
    }
  }
  return [...pinned].map(placeOf);
}

export function placeOf({ instance, source }: RemoteParticipant): Place {
  return [instance, source];
}

export function samePlace(one: Place | null, other: Place | null): boolean {
  if (one === null || other === null) return one === other;
  return one[0] === other[0] && one[1] === other[1];
}

/** Whether two lists have the same places in the same order. */
export function samePlaces(some: readonly Place[], others: readonly Place[]): boolean {
  return some.length === others.length && some.every((place, i) => samePlace(place, others[i]!));
}
