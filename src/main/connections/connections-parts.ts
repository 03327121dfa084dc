/** The parts that the connections work with. */
import type { Config } from '../config.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { IndexPool } from '../conversations/index-pool.ts';
import type { Seats } from '../conversations/seats.ts';
import type { ThrottleConfig } from '../limits/throttle.ts';
import type { Log } from '../log/log.ts';
import type { Ingress } from '../media/ingress.ts';
import type { PeerFactory } from '../media/media-peer.ts';
import type { Rtcp } from '../rtcp/rtcp.ts';
import type { EndReason, Telemetry } from '../telemetry.ts';
import type { ClientConnection } from './client-connection.ts';
import type { ConnectionEvents } from './connection-events.ts';
import type { MembershipSource } from './membership-fetch.ts';
import type { SetupLimits } from './setups.ts';

type ConnectionsConfig = ThrottleConfig &
  Pick<Config, 'MAX_CONNECTIONS' | 'MAX_CONNECTIONS_PER_USER' | 'MAX_SLOTS' | 'GATHER_TIMEOUT_MS'> &
  SetupLimits;

/** Told of established connections. Must not throw. */
export interface ConnectionObserver {
  /** A connection is established, and where its user's membership says. */
  established(connection: ClientConnection): void;
  /** An established connection ended. */
  ended(connection: ClientConnection, reason: EndReason): void;
}

export interface ConnectionsParts {
  readonly config: ConnectionsConfig;
  readonly conversations: Conversations<ClientConnection>;
  /** Left out where this process' registry knows all memberships. */
  readonly memberships?: MembershipSource;
  /** Returns the clients of a user that are connected to other instances. Left out where there are none. */
  readonly elsewhere?: (userid: string) => readonly string[];
  readonly observer?: ConnectionObserver;
  readonly seats: Seats;
  readonly ingress: Ingress;
  readonly rtcp: Rtcp;
  /** As many as `MAX_CONNECTIONS`. */
  readonly indexes: IndexPool;
  readonly openPeer: PeerFactory;
  readonly events: ConnectionEvents;
  /** The slot table. */
  readonly slots: Int32Array;
  /** The source table. */
  readonly sources: Int32Array;
  /** Connections by index: written by the connections, read by the shards for every packet. */
  readonly receivers: (ClientConnection | undefined)[];
  readonly log: Log;
  readonly telemetry: Telemetry;
  /** Milliseconds, of `performance.now()`. */
  readonly now?: () => number;
}
