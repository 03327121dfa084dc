/** HTTPS and plain HTTP on one port: the first byte of a connection tells them apart. */
import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';

/** First byte of a TLS record that holds a handshake (RFC 8446, section 5.1). */
const HANDSHAKE = 0x16;

/** How long a connection may be silent, milliseconds. */
export interface Patience {
  /** At first. */
  readonly first: number;
  /** Later, unless it is upgraded. */
  readonly later: number;
}

/**
 * Makes a listener that hands its connections to one of two servers.
 *
 * @param secure gets those that begin with TLS.
 * @param plain gets all others.
 */
export function secureFront(
  secure: HttpServer,
  plain: HttpServer,
  { first, later }: Patience = { first: 10_000, later: 60_000 },
): Server {
  // Node.js watches for slow requests only where the server itself listens. It lets upgraded connections be.
  for (const server of [secure, plain]) server.setTimeout(later);
  return createServer((socket: Socket) => {
    const drop = (): void => void socket.destroy();
    socket.on('error', drop).setTimeout(first, drop);
    socket.once('data', (bytes) => {
      socket.pause();
      socket.off('timeout', drop).off('error', drop).setTimeout(0);
      socket.unshift(bytes);
      (bytes[0] === HANDSHAKE ? secure : plain).emit('connection', socket);
      // The server reads from now on, and has to have seen what came first.
      process.nextTick(() => socket.resume());
    });
  });
}
