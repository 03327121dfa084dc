/** Websockets that end because of the server's time-outs, its shutdown, or the client. */
import { equal, is, match } from 'uvu/assert';
import { ClientHost } from '../support/client.ts';
import { createNativeClient } from '../support/native-client.ts';
import { readOffer } from '../support/offers.ts';
import { scenarios } from '../support/scenario.ts';
import { type RunningServer, startServer, withRequestId } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';

const test = scenarios('ends of signalling');

const UNREACHABLE = readOffer('chromium-156-mdns');

let running: Promise<RunningServer> | undefined;
/** Starts a server for one connection at a time, with short time-outs and two announced addresses. */
function serve(): Promise<RunningServer> {
  running ??= startServer({
    MAX_CONNECTIONS: '1',
    OFFER_TIMEOUT_MS: '500',
    CONNECT_TIMEOUT_MS: '1000',
    ANNOUNCED_ADDRESS: '203.0.113.7,2001:db8::7',
  });
  return running;
}

test('a client that sends no offer in time gets 4408', async () => {
  const { url } = await serve();
  const { closed, messages } = await openSocket(url, 'silent', 'client', withRequestId('silent', 'r-1'));
  equal(await closed, { code: 4408, reason: 'no offer in time: within 500 ms [r-1]' });
  is(messages.length, 0);
});

test('a websocket dropped before the offer leaves nothing behind: the next one has its place', async () => {
  const { url, logged } = await serve();
  for (let i = 0; i < 5; i++) {
    const { socket } = await openSocket(url, `dropped ${i}`);
    socket.terminate();
    await logged('"msg":"connection ended"', `"userid":"dropped ${i}"`);
  }
});

test('a websocket dropped around the answer leaves nothing behind', async () => {
  const { url, logged } = await serve();
  for (let i = 0; i < 2; i++) {
    const { socket } = await openSocket(url, `hasty ${i}`);
    await new Promise<void>((resolve) => socket.send(UNREACHABLE, () => resolve()));
    socket.terminate();
    await logged('"msg":"connection ended"', `"userid":"hasty ${i}"`);
  }
});

test("announced addresses stand in the answer in place of the host's own", async () => {
  const { url, logged } = await serve();
  const signal = await openSocket(url, 'announced');
  signal.socket.send(UNREACHABLE);
  const candidates = (await signal.next()).match(/(?<=^a=)candidate:.*(?=\r$)/gm) ?? [];
  const addresses = candidates.map((candidate) => candidate.split(' ')[4]).sort();
  equal(addresses, ['2001:db8::7', '203.0.113.7']);
  const ports = new Set(candidates.map((candidate) => candidate.split(' ')[5]));
  is(ports.size, 1);
  is(Number([...ports][0]), JSON.parse(await logged('"msg":"listening"')).mediaPorts[0]);
  is((await signal.closed).code, 4504);
});

test('the server of all these scenarios stops with code 0', async () => {
  const server = await serve();
  is(await server.stop(), 0);
  equal(
    server.logs.filter((line) => JSON.parse(line).level >= 50),
    [],
  );
});

test('a client that hangs up its websocket after the answer connects all the same', async () => {
  const server = await startServer();
  const client = await createNativeClient('hangs up');
  const { socket, next, closed } = await openSocket(server.url, 'hangs up');
  socket.send(client.offer);
  for (const candidate of client.candidates) socket.send(candidate);
  const answer = await next();
  socket.close(1000);
  await closed;
  client.accept(answer);
  await client.becomes('connected');
  await server.logged('"msg":"connection established"', 'hangs up');
  await client.close();
  is(await server.stop(), 0);
});

test('a user beyond the limit of users gets 1013 once connected', async () => {
  const server = await startServer({ MAX_MEMBERSHIPS: '1' });
  const clients = new ClientHost();
  const first = await clients.connect(server.url, 'first');
  is(first.close.code, 1000);
  const second = await clients.connect(server.url, 'second');
  is(second.close.code, 1013);
  match(second.close.reason, 'no room for another user');
  await second.end();
  await first.end();
  clients.kill();
  is(await server.stop(), 0);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} closes websockets with 1012 and ends the server with code 0, whatever its clients are doing`, async () => {
    const server = await startServer();
    const clients = new ClientHost();
    const standing = await clients.connect(server.url, 'standing');
    is(standing.close.code, 1000);
    const silent = await openSocket(server.url, 'silent');
    const answered = await openSocket(server.url, 'answered');
    answered.socket.send(UNREACHABLE);
    await answered.next();
    const half = await openSocket(server.url, 'half');
    half.socket.send(UNREACHABLE);
    server.process.kill(signal);
    for (const { closed } of [silent, answered, half]) {
      const { code, reason } = await closed;
      is(code, 1012);
      match(reason, /^the server is shutting down: connect again \[[\w-]{12}\]$/);
    }
    is(await server.exited, 0);
    await server.logged('"msg":"stopped"');
    clients.kill();
  });
}

test('a server with no clients ends at once with code 0', async () => {
  // Without this address the server warns that it has loopback only.
  const server = await startServer({ ANNOUNCED_ADDRESS: '127.0.0.1' });
  is(await server.stop(), 0);
  equal(
    server.logs.filter((line) => JSON.parse(line).level >= 40),
    [],
  );
});

test.run();
