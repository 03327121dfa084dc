import { createSocket, type Socket } from 'node:dgram';

/** Where the tests' UDP sockets are. */
export const LOOPBACK = '127.0.0.1';

/** Returns a UDP socket at a free port on loopback, which ignores later errors such as a port that nobody has. */
export function boundSocket(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, LOOPBACK, () => {
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}
