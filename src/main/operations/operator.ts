/** Everything that operators can see and do, without HTTP. */
import { performance } from 'node:perf_hooks';
import { connectionIndex, SOURCE_WORDS, SourceWord } from '../../workers/protocol.ts';
import type { Config } from '../config.ts';
import type { ClientConnection } from '../connections/client-connection.ts';
import type { Connections } from '../connections/connections.ts';
import type { Conversations } from '../conversations/conversations.ts';
import { RequestError } from '../errors.ts';
import type { Done, Memberships } from '../memberships/memberships.ts';
import type { Health, HealthCheck } from './health.ts';

/** What the operators' view is based on. */
export interface OperatorParts {
  readonly config: Pick<Config, 'MAX_CONNECTIONS' | 'MAX_MEMBERSHIPS'>;
  readonly conversations: Conversations<ClientConnection>;
  readonly connections: Connections;
  readonly memberships: Memberships;
  readonly health: HealthCheck;
  /** The source table, which shows who speaks. */
  readonly sources: Int32Array;
  readonly metrics: { render(): Promise<{ contentType: string; body: string }> };
}

/** The body of `/readyz`. */
export interface Readiness {
  readonly ready: boolean;
  readonly status: 'ready' | 'draining' | 'full' | 'unhealthy';
  readonly connections: number;
  readonly maxConnections: number;
  readonly users: number;
  readonly maxUsers: number;
}

/** The body of `/conversations`. */
export interface ConversationPage {
  /** Number of all conversations. */
  readonly total: number;
  readonly conversations: readonly { readonly id: string; readonly users: number }[];
  /** The `after` of the next page; null on the last one. */
  readonly next: number | null;
}

/** One connection in `/conversations/:id`. */
export interface ConnectionDetail {
  readonly connection: number;
  readonly clientid: string;
  /** Time since its request. */
  readonly seconds: number;
  readonly number: number;
  readonly slots: number;
  readonly publishes: boolean;
  /** Muted by the client itself. */
  readonly muted: boolean;
  readonly deafened: boolean;
  readonly speaking: boolean;
}

/** The body of `/conversations/:id`. */
export interface ConversationDetail {
  readonly id: string;
  readonly users: readonly {
    readonly userid: string;
    /** Muted by an operator. */
    readonly silenced: boolean;
    readonly connections: readonly ConnectionDetail[];
  }[];
}

export class Operator {
  private readonly parts: OperatorParts;

  constructor(parts: OperatorParts) {
    this.parts = parts;
  }

  health(): Health {
    return this.parts.health.check();
  }

  /** Returns whether this instance should get new clients. */
  readiness(): Readiness {
    const { config, connections, conversations, health, memberships } = this.parts;
    const { MAX_CONNECTIONS: maxConnections, MAX_MEMBERSHIPS: maxUsers } = config;
    const users = conversations.userCount;
    const full = connections.full || users >= maxUsers;
    const status = memberships.draining ? 'draining' : !health.check().healthy ? 'unhealthy' : full ? 'full' : 'ready';
    return { ready: status === 'ready', status, connections: connections.placed, maxConnections, users, maxUsers };
  }

  metrics(): Promise<{ contentType: string; body: string }> {
    return this.parts.metrics.render();
  }

  conversations(after: number, limit: number): ConversationPage {
    const { conversations } = this.parts;
    const page = conversations.list(after, limit);
    return {
      total: conversations.conversationCount,
      conversations: page.map(({ id, users }) => ({ id, users })),
      next: page.length === limit ? page.at(-1)!.key : null,
    };
  }

  /** Describes a conversation. @throws RequestError `not-found` */
  conversation(id: string): ConversationDetail {
    const members = this.parts.conversations.members(id);
    if (members.length === 0) throw new RequestError('not-found', 'Nobody is in that conversation.');
    const users = members.map(({ userid, mutedByOperator: silenced, connections }) => {
      return { userid, silenced, connections: connections.map((connection) => this.describe(connection)) };
    });
    return { id, users };
  }

  /** Takes a user out of a conversation. Throws, or rejects, as {@link Memberships.kick} does. */
  kick(conversation: string, userid: string): Done {
    return this.parts.memberships.kick(userid, conversation, 'operator');
  }

  /** Mutes a user, or ends such a mute. Throws, or rejects, as {@link Memberships.mute} does. */
  mute(conversation: string, userid: string, muted: boolean): Done {
    return this.parts.memberships.mute(userid, conversation, muted, 'operator');
  }

  private describe(connection: ClientConnection): ConnectionDetail {
    const { id, claim, since, seat, slotCount, publication, selfMuted, deafened, rtcp } = connection;
    const speaking = this.parts.sources[connectionIndex(id) * SOURCE_WORDS + SourceWord.Speaking] === 1;
    return {
      connection: id,
      clientid: claim.clientid,
      seconds: Math.round((performance.now() - since) / 1000),
      number: seat.number,
      slots: slotCount,
      publishes: publication !== null,
      muted: selfMuted,
      deafened,
      speaking: speaking && !connection.muted,
      ...rtcp.quality.summary(),
    };
  }
}
