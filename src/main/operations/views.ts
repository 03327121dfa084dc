/** What operators get as answers, and what a cluster has to tell for them. */
import type { QualitySummary } from '../rtcp/quality.ts';

/** The body of `/readyz`. */
export interface Readiness {
  readonly ready: boolean;
  readonly status: 'ready' | 'draining' | 'full' | 'unhealthy' | 'degraded';
  /** What is wrong with the cluster; absent without one. */
  readonly problems?: readonly string[];
  readonly connections: number;
  readonly maxConnections: number;
  readonly users: number;
  readonly maxUsers: number;
}

/** The body of `/conversations`. */
export interface ConversationPage {
  /** Number of all conversations. */
  readonly total: number;
  readonly conversations: readonly {
    readonly id: string;
    readonly users: number;
    /** Number of instances that have connections of its users; absent without a cluster. */
    readonly instances?: number;
  }[];
  /** The `after` of the next page; null on the last one. */
  readonly next: number | null;
}

/** One connection. */
export interface ConnectionDetail extends QualitySummary {
  /** Its id in the log; null before its offer. */
  readonly connection: number | null;
  readonly clientid: string;
  /** `waiting`, `signalling` or `established`; an instance of another version may know more. */
  readonly state: string;
  /** Time since its request. */
  readonly seconds: number;
  readonly number: number;
  readonly slots: number;
  readonly publishes: boolean;
  /** Muted by the client itself. */
  readonly muted: boolean;
  readonly deafened: boolean;
  readonly speaking: boolean;
  /** Whether the client raises its hand. */
  readonly hand: boolean;
}

/** A connection with the id of its instance, which is absent without a cluster. */
export interface LocatedConnection extends ConnectionDetail {
  readonly instance?: string;
}

/** What other instances did not tell; absent without a cluster. */
interface Gaps {
  /** Ids of the instances that did not answer in time. */
  readonly missing?: readonly string[];
}

/** The body of `/conversations/:id`. */
export interface ConversationDetail extends Gaps {
  readonly id: string;
  readonly users: readonly {
    readonly userid: string;
    /** Muted by an operator. */
    readonly silenced: boolean;
    /** Whether they may speak there. */
    readonly speak: boolean;
    readonly connections: readonly LocatedConnection[];
  }[];
}

/** The body of `/users/:userid`. */
export interface UserDetail extends Gaps {
  readonly userid: string;
  /** Null for none. */
  readonly conversation: string | null;
  /** Muted by an operator. */
  readonly silenced: boolean;
  /** Whether they may speak there. */
  readonly speak: boolean;
  /** Conversations that an operator keeps them out of, and for how long; absent without any. */
  readonly bans?: readonly { readonly conversation: string; readonly seconds: number }[];
  readonly connections: readonly LocatedConnection[];
}

/** One instance in `/cluster`. */
export interface InstanceDetail {
  readonly id: string;
  readonly incarnation: string;
  /** Whether it is the one that answers. */
  readonly self: boolean;
  readonly version: string;
  readonly host: string;
  /** Time since this instance has known it. */
  readonly seconds: number;
  /** Time since its last heartbeat. */
  readonly silentMs: number;
  /** Round trip over NATS; null until it is measured. */
  readonly rttMs: number | null;
  readonly draining: boolean;
  readonly connections: number;
  readonly conversations: number;
  /** Packets a second: from other instances, to them, and dropped; null until two heartbeats gave them. */
  readonly relay: { readonly in: number; readonly out: number; readonly dropped: number } | null;
}

/** The body of `/cluster`. */
export interface ClusterOverview {
  readonly whole: boolean;
  /** What keeps this instance from the others; null if nothing does. */
  readonly problem: string | null;
  /** What else is wrong. */
  readonly warnings: readonly string[];
  readonly instances: readonly InstanceDetail[];
  readonly spanning: {
    /** Number of conversations with connections on more than one instance. */
    readonly total: number;
    /** Those that span the most instances. */
    readonly conversations: readonly { readonly id: string; readonly instances: readonly string[] }[];
  };
}

/** Tells whether this instance reaches all others. */
export interface ClusterHealth {
  /** What is wrong, and where to look; null if nothing is. */
  readonly problem: string | null;
  /** What is wrong though this instance reaches others, and new clients may come. */
  readonly warnings: readonly string[];
}

/** Connections on other instances. */
export interface Elsewhere {
  readonly connections: readonly (ConnectionDetail & { readonly userid: string; readonly instance: string })[];
  /** Ids of the instances that did not answer in time. */
  readonly missing: readonly string[];
}

/** What operators see of a cluster. `src/main/cluster` has it, and `service.ts` passes it on. */
export interface ClusterView extends ClusterHealth {
  /** Id of this instance. */
  readonly instance: string;
  /** Returns on how many instances each conversation has connections; those without any are left out. */
  spans(): ReadonlyMap<string, number>;
  /** Asks the other instances for their connections of users in a conversation. Takes a second at most; never rejects. */
  conversation(id: string): Promise<Elsewhere>;
  /** Asks the other instances for a user's connections. Takes a second at most; never rejects. */
  user(userid: string): Promise<Elsewhere>;
  overview(): ClusterOverview;
}
