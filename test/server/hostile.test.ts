/** Attacks of hostile clients that harmed earlier versions. */
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { is, match, ok } from 'uvu/assert';
import { ClientHost } from '../support/client.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('hostile clients');

const FLOOD: readonly string[] = Array(3000).fill('0123456789');

async function joins(server: RunningServer): Promise<number> {
  const signal = AbortSignal.timeout(5000);
  return (await fetch(`${server.url}/join/room`, { method: 'POST', headers: claimHeader('bystander'), signal })).status;
}

test('floods on data channels that nobody reads neither stop the service nor its end', async () => {
  // With the default limit they would be disconnected, which has a test of its own.
  const server = await startServer({ MAX_MESSAGES_PER_SECOND: '10000' });
  const host = new ClientHost();
  const flooders = await Promise.all(
    ['ann', 'bob', 'cid'].map((name) => host.connect(server.url, name, { label: 'other' })),
  );
  for (const flooder of flooders) await flooder.say(...FLOOD);
  is(await joins(server), 200);
  const again = await host.connect(server.url, 'ann');
  is(again.close.code, 1000, 'another connection replaces the flooding one');
  is(await joins(server), 200);
  is(await server.stop(), 0);
  host.kill();
}, 40);

test('an upgrade behind another request on the same socket is answered like the first', async () => {
  const server = await startServer();
  const first = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  const h2c = await exchange(
    server.port,
    `${first}GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`,
  );
  is(h2c.match(/HTTP\/1\.1 404/g)?.length, 2, h2c);
  const refused = await exchange(server.port, `${first}GET /connect HTTP/1.1\r\nHost: x\r\n${HANDSHAKE}\r\n`);
  match(refused, /HTTP\/1\.1 404[\s\S]*HTTP\/1\.1 400/);
  is(await server.stop(), 0);
});

test('refused upgrades leave no socket behind, whether their clients hang up or not', async () => {
  const server = await startServer();
  const descriptors = (): number => readdirSync(`/proc/${server.process.pid}/fd`).length;
  // The library opens its own descriptors with the first peer.
  await server.logged('clients will get these candidates');
  const before = descriptors();
  const sockets = Array.from({ length: 50 }, (_, i) => {
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => undefined);
    socket.write(`GET /connect HTTP/1.1\r\nHost: x\r\n${HANDSHAKE}\r\n`);
    if (i % 2 === 0) socket.once('data', () => socket.write('x'));
    if (i % 4 === 0) socket.once('data', () => socket.end());
    return socket;
  });
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('data', resolve))));
  ok(descriptors() > before);
  await until('no socket is left', () => descriptors() <= before);
  for (const socket of sockets) socket.destroy();
  is(await server.stop(), 0);
});

test('the target of an upgrade may have any form that other requests may have', async () => {
  const server = await startServer();
  const claim = `X-User-Claim: ${claimHeader('ann')['X-User-Claim']}\r\n`;
  for (const target of ['/connect?token=x', 'http://x/connect', '/%63onnect']) {
    const answer = await exchange(
      server.port,
      `GET ${target} HTTP/1.1\r\nHost: x\r\n${claim}${HANDSHAKE}\r\n`,
      /\r\n\r\n/,
    );
    match(answer, /^HTTP\/1\.1 101 /, target);
  }
  is(await server.stop(), 0);
});

test('a native fault ends the process at once, as its supervisor expects', async () => {
  const server = await startServer();
  const signal = new Promise((resolve) => server.process.once('exit', (_code, name) => resolve(name)));
  server.process.kill('SIGSEGV');
  is(await signal, 'SIGSEGV');
});

test('offers of nothing but lines are refused before they take time', async () => {
  const server = await startServer();
  const { WebSocket } = await import('ws');
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/connect`, { headers: claimHeader('ann') });
  const closed = new Promise<string>((resolve) => socket.once('close', (code, reason) => resolve(`${code} ${reason}`)));
  socket.once('open', () => socket.send(`v=0\r\n${'a=\n'.repeat(20_000)}`));
  match(await closed, /^4400 bad SDP: the offer has more than \d+ lines/);
  is(await server.stop(), 0);
});

test('with all memberships in use a connection is told so', async () => {
  const server = await startServer({ MAX_MEMBERSHIPS: '1' });
  const host = new ClientHost();
  is(await joins(server), 200);
  const { code, reason } = (await host.connect(server.url, 'late')).close;
  is(code, 1013);
  match(reason, 'the server is full');
  is(await server.stop(), 0);
  host.kill();
});

test.run();
