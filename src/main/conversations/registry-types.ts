/** What goes into the registry of conversations, and what comes out. */
import type { Conversation, ConversationSummary, OccupiedLimits } from './occupied.ts';
import type { Rights } from './rights.ts';

/** Where a user's connections belong after a change. */
export interface Placement<C> {
  readonly connections: readonly C[];
  readonly conversation: Conversation | null;
  /** Whether the user may speak there. */
  readonly maySpeak: boolean;
}

/** Why somebody is no longer in a conversation: on their own request, an operator's, or for want of a connection. */
export type Leaving = 'left' | 'kicked' | 'expired';

/** Told of each change of a membership, once it is made. Must neither throw nor wait. */
export interface MembershipObserver {
  /**
   * A user is in another conversation than before, or in none any more. A conversation that has no users now has ended;
   * one whose only user they are has begun.
   *
   * @param why counts where `to` is null.
   */
  moved(userid: string, from: ConversationSummary | null, to: ConversationSummary | null, why: Leaving): void;
  /** An operator's mute of a user of a conversation began or ended. */
  silenced(userid: string, conversation: string, silenced: boolean): void;
}

/** A user as the cluster knows them. */
export interface RecordedUser {
  /** Id of the conversation that the user is in; null for none. */
  readonly conversation: string | null;
  readonly mutedByOperator: boolean;
  /** Whether an operator took them out of the conversation that they were in last. */
  readonly kicked?: boolean;
  /** Left out for full ones. */
  readonly rights?: Rights;
  /** Their connections on other living instances. */
  readonly elsewhere: number;
}

/** What a change by the cluster led to. */
export interface Applied<C> extends Placement<C> {
  readonly mutedByOperator: boolean;
  /** Whether the user is in another conversation than before, or in none any more. */
  readonly moved: boolean;
  /** Whether the operator's mute began or ended. */
  readonly muteChanged: boolean;
  /** Whether the user came into a conversation that has more users than it may have now. */
  readonly overfull: boolean;
}

/** A user as one more connection finds them. */
export interface Connected {
  /** Number of the user. */
  readonly user: number;
  /** Where the connection belongs. */
  readonly conversation: Conversation | null;
  readonly mutedByOperator: boolean;
  readonly maySpeak: boolean;
}

/** The bounds of the registry. */
export interface ConversationLimits extends OccupiedLimits {
  /** Users known at a time: those who are connected, and those with a membership. */
  readonly users: number;
}

/** Which of the {@link ConversationLimits} a join would exceed. */
export type Full = keyof ConversationLimits;

/** One user of a conversation. */
export interface Membership<C> {
  readonly userid: string;
  readonly connections: readonly C[];
  /** Their connections on other living instances of a cluster. */
  readonly elsewhere: number;
  /** Muted by an operator. */
  readonly mutedByOperator: boolean;
  readonly maySpeak: boolean;
}
