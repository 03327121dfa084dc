/** What operators see of this instance's own connections. */
import { performance } from 'node:perf_hooks';
import { connectionIndex, SOURCE_WORDS, SourceWord } from '../../workers/protocol.ts';
import type { ClientConnection } from '../connections/client-connection.ts';
import type { Connections } from '../connections/connections.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { ConnectionDetail } from './views.ts';

export interface LocalViewParts {
  readonly conversations: Pick<Conversations<ClientConnection>, 'members'>;
  readonly connections: Pick<Connections, 'of'>;
  /** The source table, which shows who speaks. */
  readonly sources: Int32Array;
}

/** A connection with the id of its user. */
export type OwnedConnection = ConnectionDetail & { readonly userid: string };

export class LocalView {
  private readonly parts: LocalViewParts;

  constructor(parts: LocalViewParts) {
    this.parts = parts;
  }

  /** Describes the connections of users in a conversation. */
  conversation(id: string): OwnedConnection[] {
    const { conversations } = this.parts;
    return conversations.members(id).flatMap(({ connections }) => connections.map((one) => this.describe(one)));
  }

  /** Describes a user's connections, also those that are being set up. */
  user(userid: string): OwnedConnection[] {
    return Array.from(this.parts.connections.of(userid), (connection) => this.describe(connection));
  }

  private describe(connection: ClientConnection): OwnedConnection {
    const { id, logged, claim, state, since, seat, slotCount, publication, selfMuted, deafened, rtcp } = connection;
    const row = connectionIndex(id) * SOURCE_WORDS;
    const speaking = logged !== null && this.parts.sources[row + SourceWord.Speaking] === 1;
    return {
      userid: claim.userid,
      connection: logged,
      clientid: claim.clientid,
      state,
      seconds: Math.round((performance.now() - since) / 1000),
      number: seat.number,
      slots: slotCount,
      publishes: publication !== null,
      muted: selfMuted,
      deafened,
      speaking: speaking && !connection.muted,
      hand: connection.hand,
      ...rtcp.quality.summary(),
    };
  }
}
