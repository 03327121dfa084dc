/** `GET /connect`: reserves a connection, then starts its signalling on the websocket. */
import type { Claim } from '../claim.ts';
import type { Connections } from '../connections/connections.ts';
import type { Log } from '../log/log.ts';
import { Signalling, type SignallingConfig } from '../signalling/signalling.ts';
import type { Telemetry } from '../telemetry.ts';
import type { Upgrade } from './routes.ts';

export interface ConnectParts {
  readonly memberships: { checkConnect(claim: Claim): void };
  readonly connections: Connections;
  readonly config: SignallingConfig;
  readonly log: Log;
  readonly telemetry: Telemetry;
}

/** Returns the handler. It throws a RequestError if the user may not connect now. */
export function connectHandler({ memberships, connections, config, log, telemetry }: ConnectParts) {
  return (claim: Claim, request: string): Upgrade => {
    memberships.checkConnect(claim);
    const connection = connections.reserve(claim, request);
    return {
      opened: (socket) => new Signalling(socket, connection, connections, config, log, telemetry),
      abandoned: () => connections.end(connection, 'signalling', 'no websocket came of the request', 'abandoned'),
    };
  };
}
