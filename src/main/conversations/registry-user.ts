/** A user as the registry keeps them. */
import type { ConversationSummary } from './occupied.ts';
import type { Connected, Membership, Placement } from './registry-types.ts';
import { areLasting, FULL_RIGHTS, maySpeak, type Rights } from './rights.ts';

export interface User<C> {
  readonly key: number;
  readonly connections: Set<C>;
  conversation: ConversationSummary | null;
  mutedByOperator: boolean;
  rights: Rights;
  /** Connections on other living instances. */
  elsewhere: number;
  /** Whether the cluster has a record of the user, so that only the cluster forgets them. */
  recorded: boolean;
  /** When a membership without a connection is forgotten; milliseconds on the caller's clock. */
  forgetAt: number;
}

/** A placement by the registry itself. */
interface Placed<C> extends Placement<C> {
  readonly conversation: ConversationSummary | null;
}

/** Returns a user of whom nothing is known. */
export function newUser<C>(key: number): User<C> {
  const state = { conversation: null, mutedByOperator: false, rights: FULL_RIGHTS };
  return { key, connections: new Set(), ...state, elsewhere: 0, recorded: false, forgetAt: 0 };
}

/** Whether nothing of a user has to be remembered. Leaving and coming back must end neither a mute nor a word. */
export function isIdle({ connections, conversation, recorded, mutedByOperator, rights }: User<unknown>): boolean {
  if (connections.size > 0 || conversation !== null || recorded) return false;
  return !mutedByOperator && !areLasting(rights);
}

/** Returns where a user's connections belong. */
export function placementOf<C>({ connections, conversation, rights }: User<C>): Placed<C> {
  return { connections: [...connections], conversation, maySpeak: maySpeak(rights, conversation?.id ?? null) };
}

/** Returns what one more connection of a user has to know. */
export function connectedTo({ key, conversation, mutedByOperator, rights }: User<unknown>): Connected {
  return { user: key, conversation, mutedByOperator, maySpeak: maySpeak(rights, conversation?.id ?? null) };
}

/** Describes a user of a conversation. */
export function membershipOf<C>(userid: string, user: User<C>): Membership<C> {
  const { connections, elsewhere, mutedByOperator, rights, conversation } = user;
  const speak = maySpeak(rights, conversation?.id ?? null);
  return { userid, connections: [...connections], elsewhere, mutedByOperator, maySpeak: speak };
}
