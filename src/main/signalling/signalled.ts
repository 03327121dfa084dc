/** What the course of a websocket needs of its connection. `Connections` is the real thing; tests make others. */
import type { ClientConnection, ConnectionWatcher } from '../connections/client-connection.ts';
import type { MediaPeer } from '../media/media-peer.ts';
import type { SlotSsrcs } from '../sdp/answer.ts';
import type { Plan } from '../sdp/plan.ts';
import type { LocalTransport } from '../sdp/transport.ts';
import type { EndReason, SetupFailure } from '../telemetry.ts';

/** One connection. */
export type SignalledConnection = Pick<
  ClientConnection,
  'answeredAt' | 'awaitsMembership' | 'id' | 'logged' | 'reachable' | 'request' | 'state'
> & {
  readonly peer: Pick<MediaPeer, 'addCandidate'> | null;
};

/** All connections. */
export interface SignalledConnections<C extends SignalledConnection> {
  /** The connection's websocket is open. */
  begin(connection: C, watcher: ConnectionWatcher): void;

  /** A connection's offer came, and waits for its turn. */
  offered(connection: C): void;

  /** Gives a place to a connection whose offer's turn came. @returns false if there is none. */
  admit(connection: C): boolean;

  /**
   * Sets a connection up as planned.
   *
   * @param addresses where its client may be seen, as of `remote`.
   * @throws Error if the native library refuses.
   */
  open(
    connection: C,
    plan: Plan,
    addresses: readonly string[],
  ): Promise<{ readonly local: LocalTransport; readonly ssrcs: SlotSsrcs }>;

  /** Ends a connection, and tells its watcher. @param detail goes into the log, without any of the client's words. */
  end(connection: C, reason: EndReason, detail: string, cause?: SetupFailure): void;
}
