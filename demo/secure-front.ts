/** HTTPS and plain HTTP on one port: the first byte of a connection tells them apart. */
import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';

/** First byte of a TLS record that holds a handshake (RFC 8446, section 5.1). */
const HANDSHAKE = 0x16;
/** How long a connection may say nothing at first, milliseconds. */
const SILENT_MS = 10_000;

/**
 * Makes a listener that hands its connections to one of two servers.
 *
 * @param secure gets those that begin with TLS.
 * @param plain gets all others.
 */
export function secureFront(secure: HttpServer, plain: HttpServer): Server {
  return createServer((socket: Socket) => {
    const drop = (): void => void socket.destroy();
    socket.on('error', drop).setTimeout(SILENT_MS, drop);
    socket.once('data', (first) => {
      socket.pause();
      socket.off('timeout', drop).off('error', drop).setTimeout(0);
      socket.unshift(first);
      (first[0] === HANDSHAKE ? secure : plain).emit('connection', socket);
      // The server reads from now on, and has to have seen what came first.
      process.nextTick(() => socket.resume());
    });
  });
}
