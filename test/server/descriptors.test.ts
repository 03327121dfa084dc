/** A server under a crowd of sockets that take all of its file descriptors. */
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { equal, is, match, ok } from 'uvu/assert';
import { ClientHost } from '../support/client.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('file descriptors');
const DESCRIPTORS = 100;

/** Opens TCP connections that send nothing. */
function crowd(server: RunningServer, size: number): Socket[] {
  return Array.from({ length: size }, () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    return socket;
  });
}

function descriptors(server: RunningServer): number {
  return readdirSync(`/proc/${server.process.pid}/fd`).length;
}

/** Sends a request on a connection of its own. @returns the answer. */
function ask(server: RunningServer, line: string, userid: string): Promise<string> {
  const claim = claimHeader(userid)['X-User-Claim'];
  return exchange(server.port, `${line} HTTP/1.1\r\nHost: x\r\nX-User-Claim: ${claim}\r\nConnection: close\r\n\r\n`);
}

test('a crowd of TCP connections gets 503 or is closed, calls go on, and all is well afterwards', async () => {
  const server = await startServer({}, undefined, DESCRIPTORS);
  const host = new ClientHost();
  for (const name of ['ann', 'bob']) match(await ask(server, 'POST /join/room', name), 'HTTP/1.1 200');
  const [ann, bob] = [await host.connect(server.url, 'ann'), await host.connect(server.url, 'bob')];
  equal([ann.close.code, bob.close.code], [1000, 1000]);
  await ann.talk();
  const before = descriptors(server);
  const sockets = crowd(server, 2 * DESCRIPTORS);
  // Within a second the server closes those beyond the limit; before, it may have no descriptor for an answer.
  const isRefused = async (): Promise<boolean> => {
    if (/^HTTP\/1\.1 503 /.test(await ask(server, 'POST /join/room', 'late').catch(() => ''))) return true;
    sockets.push(...crowd(server, 3));
    return false;
  };
  await until('a request is answered with 503', isRefused, { interval: 100 });
  ok(sockets.some(({ closed }) => closed));
  for (const line of ['POST /join/room', 'GET /nothing', 'GET /connect']) {
    const answer = await ask(server, line, 'late');
    match(answer, /^HTTP\/1\.1 503 [\s\S]*"The server is full"[\s\S]*TCP connections are in use/);
  }
  const upgrade = `GET /connect HTTP/1.1\r\nHost: x\r\nX-User-Claim: ${claimHeader('late')['X-User-Claim']}\r\n`;
  match(await exchange(server.port, `${upgrade}${HANDSHAKE}\r\n`), /^HTTP\/1\.1 503 /);
  is((await fetch(`${server.adminUrl}/healthz`)).status, 200, 'operators are served');
  const counts = (await bob.take()).map(({ count }) => count);
  ok(counts.length > 0 && counts.every((count, i) => count === counts[0]! + i), 'those who talk have noticed nothing');
  for (const socket of sockets) socket.destroy();
  await until('the descriptors are free', () => descriptors(server) <= before + 2);
  match(await ask(server, 'POST /join/room', 'late'), 'HTTP/1.1 200');
  is((await host.connect(server.url, 'late')).close.code, 1000);
  host.kill();
  is(await server.stop(), 0);
  equal(
    server.logs.filter((line) => /"level":(50|60)/.test(line)),
    [],
  );
}, 40);

test.run();
