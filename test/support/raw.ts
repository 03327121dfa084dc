import { connect } from 'node:net';

/**
 * Sends bytes to a port of this machine and returns the answer as Latin-1. The answer ends when the server closes the
 * connection, or when it matches `enough`.
 */
export function exchange(port: number, request: string | Uint8Array, enough?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (enough?.test(Buffer.concat(chunks).toString('latin1')) === true) socket.destroy();
    });
    socket.once('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
    socket.once('error', reject);
  });
}

/** Header lines of a websocket handshake, for requests written by hand. */
export const HANDSHAKE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
