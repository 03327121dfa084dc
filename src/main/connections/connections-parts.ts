/** The parts that the connections work with. */
import type { Config } from '../config.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { IndexPool } from '../conversations/index-pool.ts';
import type { Seats } from '../conversations/seats.ts';
import type { ThrottleConfig } from '../limits/throttle.ts';
import type { Log } from '../log/log.ts';
import type { Ingress } from '../media/ingress.ts';
import type { PeerFactory } from '../media/media-peer.ts';
import type { Telemetry } from '../telemetry.ts';
import type { ClientConnection } from './client-connection.ts';
import type { ConnectionEvents } from './connection-events.ts';
import type { MembershipSource } from './membership-fetch.ts';
import type { SetupLimits } from './setups.ts';

type ConnectionsConfig = ThrottleConfig &
  Pick<Config, 'MAX_CONNECTIONS' | 'MAX_CONNECTIONS_PER_USER' | 'MAX_SLOTS' | 'GATHER_TIMEOUT_MS'> &
  SetupLimits;

export interface ConnectionsParts {
  readonly config: ConnectionsConfig;
  readonly conversations: Conversations<ClientConnection>;
  /** Left out where this process' registry knows all memberships. */
  readonly memberships?: MembershipSource;
  readonly seats: Seats;
  readonly ingress: Ingress;
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
