/**
 * The parts of NATS's client that have no public name. Everything else uses its published interface.
 *
 * The version of the client is exact in package.json; `test/server/cluster-link.test.ts` fails if these parts change.
 */
import type { Socket } from 'node:net';
import type { NatsConnection } from '@nats-io/transport-node';

interface Internals {
  readonly protocol?: {
    readonly transport?: { readonly socket?: Socket };
    readonly servers?: { readonly servers?: readonly { lastConnect: number }[] };
  };
}

/**
 * Destroys the socket of a connection. When the client gives up a stale connection, it first waits until everything is
 * written, which never happens if NATS has stopped reading.
 */
export function cutSocket(connection: NatsConnection): void {
  (connection as Internals).protocol?.transport?.socket?.destroy();
}

/**
 * Lets the client try servers again whose last try seems to be in the future, because the wall clock was set back. It
 * would wait until the clock is there again.
 */
export function forgetFutureTries(connection: NatsConnection): void {
  const now = Date.now();
  for (const server of (connection as Internals).protocol?.servers?.servers ?? []) {
    if (server.lastConnect > now) server.lastConnect = 0;
  }
}
