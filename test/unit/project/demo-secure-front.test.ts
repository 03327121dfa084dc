/** The demo's port for HTTPS and HTTP, and connections that begin something and then say no more. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { match, not } from 'uvu/assert';
import { makeCertificate } from '../../../demo/certificate.ts';
import { secureFront } from '../../../demo/secure-front.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('demo secure front');
const UPGRADE = 'GET / HTTP/1.1\r\nHost: here\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';

async function withFront(body: (open: (secure: boolean) => Promise<Socket>) => Promise<void>): Promise<void> {
  const servers = [createSecureServer(makeCertificate(['127.0.0.1'], Date.now())), createServer()] as const;
  for (const server of servers) server.on('upgrade', (_req, socket) => socket.write('HTTP/1.1 101 Yes\r\n\r\n'));
  const front = secureFront(...servers, { first: 50, later: 100 });
  await once(front.listen(0, '127.0.0.1'), 'listening');
  const { port } = front.address() as AddressInfo;
  const opened: Socket[] = [];
  const open = async (secure: boolean): Promise<Socket> => {
    const where = { port, host: '127.0.0.1' };
    const socket = secure ? connectSecurely({ ...where, rejectUnauthorized: false }) : connect(where);
    opened.push(socket);
    await once(socket, secure ? 'secureConnect' : 'connect');
    return socket;
  };
  try {
    await body(open);
  } finally {
    for (const socket of opened) socket.destroy();
    front.close();
  }
}

test('a connection that falls silent ends, before, within and after its first bytes', () =>
  withFront(async (open) => {
    for (const secure of [false, true]) {
      for (const text of ['', 'G', 'GET / HTTP/1.1\r\nHost: here']) {
        const socket = await open(secure);
        const closed = once(socket.resume(), 'close');
        if (text !== '') socket.write(text);
        await closed;
      }
    }
  }));

test('one that is upgraded may be silent', () =>
  withFront(async (open) => {
    for (const secure of [false, true]) {
      const socket = await open(secure);
      socket.write(UPGRADE);
      match(String((await once(socket, 'data'))[0]), '101');
      // This one began later, and has ended as silent by now.
      const other = await open(secure);
      other.resume().write('G');
      await once(other, 'close');
      not.ok(socket.closed || socket.readableEnded);
    }
  }));

test.run();
