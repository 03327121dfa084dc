/** Limits on HTTP clients and websockets: their answers and their counts. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { is, match, ok } from 'uvu/assert';
import { type Scrape, scrape } from '../support/metrics.ts';
import { startPermissionServer } from '../support/permission-server.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';
import { shortestOf, until } from '../support/waiting.ts';

const test = scenarios('floods of requests');

/** Runs `body` with a server, which must log no error and end with 0. */
async function withServer(env: Record<string, string>, body: (server: RunningServer) => Promise<void>): Promise<void> {
  const server = await startServer(env);
  try {
    await body(server);
    is(await server.stop(), 0);
    is(server.logs.filter((line) => /"level":(50|60)/.test(line)).join('\n'), '');
  } finally {
    server.process.kill('SIGKILL');
  }
}

const refusals = (seen: Scrape, problem: string): number =>
  seen.value('sfu_http_refusals_total', { problem }) ?? Number.NaN;

async function ask(url: string, method: 'POST' | 'DELETE', user: string, id: string): Promise<Response> {
  return fetch(`${url}/join/${id}`, { method, headers: claimHeader(user) });
}

/** Asks for an upgrade that is refused. @returns the response. */
function upgrade(port: number, user: string, client: string): Promise<string> {
  const claim = `X-User-Claim: ${claimHeader(user, client)['X-User-Claim']}\r\n`;
  return exchange(port, `GET /connect HTTP/1.1\r\nHost: x\r\n${claim}${HANDSHAKE}\r\n`);
}

/** A socket, and everything received on it until it is closed. */
function open(port: number): { socket: Socket; answer: Promise<string> } {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  return { socket, answer: new Promise((resolve) => socket.once('close', () => resolve(text))) };
}

test('a user with the largest number of connections gets 429 for another client, and may replace one', () =>
  withServer({ MAX_CONNECTIONS_PER_USER: '2' }, async ({ url, port, adminUrl, logged }) => {
    const first = await openSocket(url, 'ann', 'phone');
    await openSocket(url, 'ann', 'laptop');
    const answer = await upgrade(port, 'ann', 'tablet');
    match(answer, /^HTTP\/1\.1 429 /);
    match(answer, /\r\nRetry-After: 5\r\n/);
    match(answer, '"title":"Too many connections of this user"');
    await openSocket(url, 'ben', 'tablet');
    await openSocket(url, 'ann', 'phone');
    is((await first.closed).code, 4409);
    match(await upgrade(port, 'ann', 'tablet'), /^HTTP\/1\.1 429 /);
    const laptop = await openSocket(url, 'ann', 'laptop');
    laptop.socket.terminate();
    await logged('"msg":"connection ended"', '"clientid":"laptop"', 'before the answer');
    await openSocket(url, 'ann', 'tablet');
    const seen = await scrape(adminUrl);
    is(refusals(seen, 'too-many-connections'), 2);
    is(seen.value('sfu_connection_setup_failures_total', { cause: 'too-many-connections' }), 2);
  }));

test('joins beyond the limit of conversations are 503, beyond the users of one 409; each says so', () =>
  withServer({ MAX_CONVERSATIONS: '2', MAX_PARTICIPANTS: '2' }, async ({ url, adminUrl }) => {
    for (const user of ['ann', 'ben']) is((await ask(url, 'POST', user, 'kitchen')).status, 200);
    is((await ask(url, 'POST', 'cat', 'garden')).status, 200);
    const full = await ask(url, 'POST', 'cat', 'kitchen');
    is(full.status, 409);
    is(full.headers.get('retry-after'), null);
    match(await full.text(), /"title":"The conversation is full".*It has 2 users/);
    const none = await ask(url, 'POST', 'dan', 'cellar');
    is(none.status, 503);
    is(none.headers.get('retry-after'), '5');
    match(await none.text(), 'All 2 conversations are in use');
    is((await ask(url, 'POST', 'ben', 'kitchen')).status, 200, 'who is in it');
    const seen = await scrape(adminUrl);
    is(refusals(seen, 'conversation-full'), 1);
    is(refusals(seen, 'full'), 1);
    is(seen.value('sfu_joins_total', { outcome: 'conversation-full' }), 1);
    is(seen.value('sfu_joins_total', { outcome: 'full' }), 1);
  }));

test('joins and leaves beyond the rate are 429, nobody is asked about them, and forgetting the user does not help', async () => {
  const permissions = await startPermissionServer();
  await withServer(
    { MAX_JOINS_PER_SECOND: '1', PERMISSIONS_HOST: permissions.url, PERMISSIONS_CACHE_MS: '0' },
    async ({ url, adminUrl }) => {
      is((await ask(url, 'POST', 'ann', 'kitchen')).status, 200);
      is((await ask(url, 'DELETE', 'ann', 'kitchen')).status, 200);
      const asked = permissions.asked.length;
      const refused = await ask(url, 'POST', 'ann', 'kitchen');
      is(refused.status, 429);
      is(refused.headers.get('retry-after'), '1');
      match(await refused.text(), /"title":"Too many joins and leaves of this user".*1 times a second/);
      is((await ask(url, 'DELETE', 'ann', 'kitchen')).status, 429);
      is(permissions.asked.length, asked);
      is((await ask(url, 'POST', 'ben', 'kitchen')).status, 200);
      is(refusals(await scrape(adminUrl), 'too-many-joins'), 2);
      const joined = async (): Promise<boolean> => (await ask(url, 'POST', 'ann', 'kitchen')).status === 200;
      await until('the rate lets the user join again', joined, { interval: 100 });
    },
  );
  await permissions.close();
});

test('with permissions, the last place goes to the first user who comes in, not to the first who asks', async () => {
  const permissions = await startPermissionServer();
  await withServer({ MAX_PARTICIPANTS: '1', PERMISSIONS_HOST: permissions.url }, async ({ url }) => {
    const statuses = await Promise.all(
      ['ann', 'ben', 'cat'].map(async (user) => (await ask(url, 'POST', user, 'kitchen')).status),
    );
    is(statuses.sort().join(), '200,409,409');
  });
  await permissions.close();
});

test('on both listeners a header that is too large is 431, a slow request 408, and anything but HTTP 400', () =>
  withServer({ MAX_HEADER_BYTES: '4096', REQUEST_TIMEOUT_MS: '500' }, async ({ port, adminUrl }) => {
    for (const each of [port, Number(new URL(adminUrl).port)]) {
      const before = await scrape(adminUrl);
      const large = await exchange(each, `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(5000)}\r\n\r\n`);
      match(large, /^HTTP\/1\.1 431 [\s\S]*\r\nContent-Type: application\/problem\+json\r\n[\s\S]*may have 4096 bytes/);
      match(await exchange(each, 'HELO\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*"title":"Bad request"/);
      const slow = open(each);
      slow.socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n');
      const drip = setInterval(() => slow.socket.writable && slow.socket.write('X-More: x\r\n'), 50);
      match(await slow.answer, /^HTTP\/1\.1 408 [\s\S]*within 500 ms/);
      clearInterval(drip);
      match(await open(each).answer, /^HTTP\/1\.1 408 /, 'a socket on which nothing comes');
      const after = await scrape(adminUrl);
      for (const [problem, times] of [
        ['headers-too-large', 1],
        ['bad-request', 1],
        ['request-timeout', 2],
      ] as const)
        is(refusals(after, problem) - refusals(before, problem), times, problem);
    }
  }));

test('an idle socket is closed after KEEP_ALIVE_TIMEOUT_MS, without an answer', () =>
  withServer({ KEEP_ALIVE_TIMEOUT_MS: '200' }, async ({ port }) => {
    const idle = async (): Promise<number> => {
      const { socket, answer } = open(port);
      const begun = performance.now();
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      const text = await answer;
      is(text.match(/HTTP\/1\.1 /g)?.length, 1, text);
      match(text, /^HTTP\/1\.1 404 /);
      return performance.now() - begun;
    };
    // Node's default is 5 s.
    ok((await shortestOf(4000, idle)) < 4000);
  }));

test('with all sockets in use the next one is 503; websockets do not count, and each socket that closes makes room', () =>
  withServer({ MAX_HTTP_SOCKETS: '3' }, async ({ url, port, adminUrl }) => {
    for (let i = 0; i < 5; i++) await openSocket(url, `user ${i}`);
    const held = Array.from({ length: 3 }, () => open(port));
    for (const { socket } of held) {
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket, 'data');
    }
    const answer = await exchange(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    match(answer, /^HTTP\/1\.1 503 [\s\S]*\r\nRetry-After: 1\r\n[\s\S]*"title":"Too many sockets are open"/);
    const silent = open(port);
    is(await silent.answer, '', 'who asks nothing is told nothing');
    is(refusals(await scrape(adminUrl), 'too-many-sockets'), 2);
    held[0]!.socket.destroy();
    for (let text = ''; !text.startsWith('HTTP/1.1 404'); )
      text = await exchange(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    for (const { socket } of held) socket.destroy();
  }));

/** Returns a client's websocket frame, masked with zeros. */
const frame = (first: number, payload = ''): Buffer =>
  Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), Buffer.from(payload)]);
const PING = 0x89;
const PONG = 0x8a;
const FIRST = 0x01;
const FURTHER = 0x00;

/** Opens a raw socket and does a websocket handshake on it. */
async function handmade(port: number, user: string): Promise<ReturnType<typeof open>> {
  const it = open(port);
  const claim = `X-User-Claim: ${claimHeader(user)['X-User-Claim']}\r\n`;
  it.socket.write(`GET /connect HTTP/1.1\r\nHost: x\r\n${claim}${HANDSHAKE}\r\n`);
  await once(it.socket, 'data');
  return it;
}

const failures = async (adminUrl: string, cause: string): Promise<number> =>
  (await scrape(adminUrl)).value('sfu_connection_setup_failures_total', { cause }) ?? Number.NaN;

test('64 pings are answered, more end the websocket with 4429; pongs count as well', () =>
  withServer({}, async ({ url, port, adminUrl }) => {
    const honest = await openSocket(url, 'honest');
    let pongs = 0;
    honest.socket.on('pong', () => pongs++);
    for (let i = 0; i < 64; i++) honest.socket.ping();
    while (pongs < 64) await once(honest.socket, 'pong');
    is(honest.socket.readyState, honest.socket.OPEN);
    honest.socket.ping();
    is((await honest.closed).code, 4429);
    const { socket, answer } = await handmade(port, 'ponging');
    socket.write(Buffer.concat(Array.from({ length: 65 }, () => frame(PONG))));
    ok((await answer).includes('too many messages: pings and pongs'));
    is(await failures(adminUrl, 'too-many-messages'), 2);
  }));

test('a client that pings for ever and reads no answer is disconnected', () =>
  withServer({ OFFER_TIMEOUT_MS: '20000' }, async ({ port, adminUrl, logged }) => {
    const { socket, answer } = await handmade(port, 'deaf');
    socket.pause();
    const pings = Buffer.concat(Array.from({ length: 5000 }, () => frame(PING, 'x'.repeat(125))));
    for (let i = 0; i < 20; i++) socket.write(pings);
    await logged('"msg":"connection ended"', '"userid":"deaf"', 'too-many-messages');
    socket.resume();
    await answer;
    is(await failures(adminUrl, 'too-many-messages'), 1);
  }));

test('an offer in very many fragments ends with 1008', () =>
  withServer({}, async ({ port, adminUrl }) => {
    const { socket, answer } = await handmade(port, 'fragments');
    socket.write(Buffer.concat([frame(FIRST, 'v'), ...Array.from({ length: 200 }, () => frame(FURTHER))]));
    const text = await answer;
    ok(text.endsWith('\u0088\u0002\u0003\u00f0'), JSON.stringify(text.slice(-20)));
    is(await failures(adminUrl, 'bad-frame'), 1);
  }));

test.run();
