/** `GET /connect`: reserves a connection, then starts its signalling on the websocket. */
import type { Claim } from '../claim.ts';
import type { ClientConnection } from '../connections/client-connection.ts';
import type { Connections } from '../connections/connections.ts';
import type { Log } from '../log/log.ts';
import type { OfferQueue } from '../signalling/offer-queue.ts';
import { Signalling, type SignallingConfig } from '../signalling/signalling.ts';
import type { Telemetry } from '../telemetry.ts';
import type { Upgrade } from './routes.ts';

export interface ConnectParts {
  readonly memberships: { checkConnect(claim: Claim): void };
  readonly connections: Connections;
  readonly offers: OfferQueue<ClientConnection>;
  readonly config: SignallingConfig;
  readonly log: Log;
  readonly telemetry: Telemetry;
}

/** Returns the handler. It throws a RequestError if the user may not connect now. */
export function connectHandler({ memberships, connections, offers, config, log, telemetry }: ConnectParts) {
  return (claim: Claim, request: string): Upgrade => {
    memberships.checkConnect(claim);
    offers.makeSureOfRoom();
    const connection = connections.reserve(claim, request);
    offers.expect(connection);
    return {
      opened: (socket) => new Signalling(socket, connection, connections, offers, config, log, telemetry),
      abandoned: () => {
        offers.drop(connection);
        connections.end(connection, 'signalling', 'no websocket came of the request', 'abandoned');
      },
    };
  };
}
