/** Everything that operators can see and do, without HTTP. */
import type { Config } from '../config.ts';
import type { ClientConnection } from '../connections/client-connection.ts';
import type { Connections } from '../connections/connections.ts';
import type { Conversations } from '../conversations/conversations.ts';
import { FULL_RIGHTS, maySpeak, type Rights } from '../conversations/rights.ts';
import { RequestError } from '../errors.ts';
import type { Done, Memberships } from '../memberships/memberships.ts';
import type { Health, HealthCheck } from './health.ts';
import type { LocalView, OwnedConnection } from './local-view.ts';
import type {
  ClusterOverview,
  ClusterView,
  ConversationDetail,
  ConversationPage,
  Elsewhere,
  LocatedConnection,
  Readiness,
  UserDetail,
} from './views.ts';

/** What the operators' view is based on. */
export interface OperatorParts {
  readonly config: Pick<Config, 'MAX_CONNECTIONS' | 'MAX_MEMBERSHIPS'>;
  readonly conversations: Pick<
    Conversations<ClientConnection>,
    'userCount' | 'conversationCount' | 'list' | 'members' | 'find'
  >;
  readonly connections: Pick<Connections, 'full' | 'placed'>;
  readonly memberships: Pick<Memberships, 'draining' | 'kick' | 'ban' | 'mute' | 'letSpeak'>;
  readonly health: Pick<HealthCheck, 'check'>;
  readonly local: Pick<LocalView, 'conversation' | 'user'>;
  /** Null for an instance that knows no other. */
  readonly cluster: ClusterView | null;
  readonly metrics: { render(): Promise<{ contentType: string; body: string }> };
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
    const { config, connections, conversations, cluster } = this.parts;
    const { MAX_CONNECTIONS: maxConnections, MAX_MEMBERSHIPS: maxUsers } = config;
    const status = this.status();
    const problems =
      cluster === null
        ? {}
        : { problems: [...(cluster.problem === null ? [] : [cluster.problem]), ...cluster.warnings] };
    const users = conversations.userCount;
    return {
      ready: status === 'ready',
      status,
      ...problems,
      connections: connections.placed,
      maxConnections,
      users,
      maxUsers,
    };
  }

  metrics(): Promise<{ contentType: string; body: string }> {
    return this.parts.metrics.render();
  }

  /** Lists conversations, those of all instances. */
  conversations(after: number, limit: number): ConversationPage {
    const { conversations, cluster } = this.parts;
    const page = conversations.list(after, limit);
    const spans = cluster?.spans();
    return {
      total: conversations.conversationCount,
      conversations: page.map(({ id, users }) => {
        return { id, users, ...(spans === undefined ? {} : { instances: spans.get(id) ?? 0 }) };
      }),
      next: page.length === limit ? page.at(-1)!.key : null,
    };
  }

  /** Describes a conversation on all instances. Rejects with a RequestError `not-found` if nobody is in it. */
  async conversation(id: string): Promise<ConversationDetail> {
    const { conversations, local, cluster } = this.parts;
    const nobody = new RequestError('not-found', 'Nobody is in that conversation.');
    if (conversations.members(id).length === 0) throw nobody;
    const elsewhere = cluster === null ? null : await cluster.conversation(id);
    const connections = new Map<string, LocatedConnection[]>();
    for (const { userid, ...connection } of this.located(local.conversation(id), elsewhere)) {
      const own = connections.get(userid) ?? [];
      connections.set(userid, own);
      own.push(connection);
    }
    // Users may have left meanwhile.
    const users = conversations.members(id).map(({ userid, mutedByOperator: silenced, maySpeak: speak }) => {
      return { userid, silenced, speak, connections: connections.get(userid) ?? [] };
    });
    if (users.length === 0) throw nobody;
    return { id, users, ...gaps(elsewhere) };
  }

  /** Finds a user, in a conversation or not. Rejects with a RequestError `not-found` if nobody knows them. */
  async user(userid: string): Promise<UserDetail> {
    const { conversations, local, cluster } = this.parts;
    const elsewhere = cluster === null ? null : await cluster.user(userid);
    const connections = this.located(local.user(userid), elsewhere).map(({ userid: _, ...connection }) => connection);
    const known = conversations.find(userid);
    if (known === null && connections.length === 0) {
      const silent = elsewhere?.missing.join(', ') ?? '';
      const doubt = silent === '' ? '' : `, as far as is known: ${silent} did not answer`;
      throw new RequestError('not-found', `That user is neither connected nor in a conversation${doubt}.`);
    }
    const { conversation = null, mutedByOperator: silenced = false, rights = FULL_RIGHTS } = known ?? {};
    return {
      userid,
      conversation,
      silenced,
      speak: maySpeak(rights, conversation),
      ...bansOf(rights),
      connections,
      ...gaps(elsewhere),
    };
  }

  /** Describes the cluster. @throws RequestError `not-found` without one. */
  cluster(): ClusterOverview {
    const { cluster } = this.parts;
    if (cluster !== null) return cluster.overview();
    throw new RequestError('not-found', 'There is no cluster: this instance runs without NATS_URL, by itself.');
  }

  /** Takes a user out of a conversation. Throws, or rejects, as {@link Memberships.kick} does. */
  kick(conversation: string, userid: string): Done {
    return this.parts.memberships.kick(userid, conversation, 'operator');
  }

  /** Bans a user, or ends a ban. Throws, or rejects, as {@link Memberships.ban} does. */
  ban(conversation: string, userid: string, seconds: number | null): Done {
    return this.parts.memberships.ban(userid, conversation, seconds, 'operator');
  }

  /** Mutes a user, or ends such a mute. Throws, or rejects, as {@link Memberships.mute} does. */
  mute(conversation: string, userid: string, muted: boolean): Done {
    return this.parts.memberships.mute(userid, conversation, muted, 'operator');
  }

  /** Gives a user the right to speak, or takes it. Throws, or rejects, as {@link Memberships.letSpeak} does. */
  letSpeak(conversation: string, userid: string, speak: boolean): Done {
    return this.parts.memberships.letSpeak(userid, conversation, speak, 'operator');
  }

  private status(): Readiness['status'] {
    const { config, connections, conversations, health, memberships, cluster } = this.parts;
    if (memberships.draining) return 'draining';
    if (!health.check().healthy) return 'unhealthy';
    if (cluster !== null && cluster.problem !== null) return 'degraded';
    return connections.full || conversations.userCount >= config.MAX_MEMBERSHIPS ? 'full' : 'ready';
  }

  /** Adds the connections on other instances, if there are any, to those on this one. */
  private located(
    own: readonly OwnedConnection[],
    elsewhere: Elsewhere | null,
  ): readonly (LocatedConnection & { readonly userid: string })[] {
    const { cluster } = this.parts;
    if (cluster === null || elsewhere === null) return own;
    return [...own.map((connection) => ({ instance: cluster.instance, ...connection })), ...elsewhere.connections];
  }
}

/** Describes the bans that have not ended; nothing without any. */
function bansOf({ bans }: Rights): Pick<UserDetail, 'bans'> {
  const date = Date.now();
  const running = bans.filter(({ until }) => until > date);
  if (running.length === 0) return {};
  return {
    bans: running.map(({ conversation, until }) => ({ conversation, seconds: Math.ceil((until - date) / 1000) })),
  };
}

function gaps(elsewhere: Elsewhere | null): { missing?: readonly string[] } {
  return elsewhere === null ? {} : { missing: elsewhere.missing };
}
