/** Full servers, draining servers, and servers with a fault. */
import { request } from 'undici';
import { equal, is, match, ok } from 'uvu/assert';
import { type Config, readConfig } from '../../src/main/config.ts';
import { drainingError, type ProblemKind, RequestError } from '../../src/main/errors.ts';
import { type RouteTargets, routes, type Upgrade } from '../../src/main/http/routes.ts';
import { HttpServer } from '../../src/main/http/server.ts';
import { createLog } from '../../src/main/log/log.ts';
import { ClientHost } from '../support/client.ts';
import { scrape } from '../support/metrics.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('http limits');

let running: Promise<RunningServer> | undefined;
/** Starts a server that is full with one connection or one membership. */
function serve(): Promise<RunningServer> {
  running ??= startServer({ MAX_CONNECTIONS: '1', MAX_MEMBERSHIPS: '1' });
  return running;
}

async function join(user: string, conversation: string, method: 'POST' | 'DELETE' = 'POST'): Promise<number> {
  const { url } = await serve();
  const { statusCode, body } = await request(`${url}/join/${conversation}`, { method, headers: claimHeader(user) });
  await body.dump();
  return statusCode;
}

/** Asks for an upgrade that is refused. @returns the response. */
async function refused(port: number, user = 'ben'): Promise<string> {
  const claim = `X-User-Claim: ${claimHeader(user)['X-User-Claim']}\r\n`;
  // A websocket that is accepted stays open.
  return exchange(port, `GET /connect HTTP/1.1\r\nHost: x\r\n${claim}${HANDSHAKE}\r\n`, /^HTTP\/1\.1 101 /);
}

test('with all connections in use the next one is 503 with Retry-After, and none once one is free', async () => {
  const { url, port, logged } = await serve();
  const host = new ClientHost();
  const first = await host.connect(url, 'ann');
  is(first.close.code, 1000);
  const response = await refused(port);
  match(response, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  match(response, /\r\nRetry-After: \d+\r\n/);
  match(response, /\r\nContent-Type: application\/problem\+json\r\n/);
  const problem = JSON.parse(response.slice(response.indexOf('\r\n\r\n')));
  equal(Object.keys(problem).sort(), ['detail', 'requestid', 'status', 'title', 'type']);
  is(problem.title, 'The server is full');
  match(problem.detail, 'All 1 connections are in use');
  await first.end();
  await logged('"msg":"connection ended"', '"userid":"ann"');
  const second = await openSocket(url, 'ben');
  second.socket.close();
  await second.closed;
  await logged('"msg":"connection ended"', '"userid":"ben"');
  host.kill();
});

test('a full server still answers a bad claim with 400 and a join with 200', async () => {
  const { url, port, logged } = await serve();
  const host = new ClientHost();
  const cat = await host.connect(url, 'cat');
  is(cat.close.code, 1000);
  match(await exchange(port, `GET /connect HTTP/1.1\r\nHost: x\r\n${HANDSHAKE}\r\n`), /^HTTP\/1\.1 400 /);
  is(await join('cat', 'kitchen'), 200);
  is(await join('cat', 'kitchen', 'DELETE'), 200);
  match(await refused(port), /^HTTP\/1\.1 503 /);
  await cat.end();
  await logged('"msg":"connection ended"', '"userid":"cat"');
  host.kill();
});

test('a failed handshake takes no place', async () => {
  const { port, adminUrl } = await serve();
  const claim = `X-User-Claim: ${claimHeader('dan')['X-User-Claim']}\r\n`;
  const broken = HANDSHAKE.replace('Version: 13', 'Version: 7');
  for (let i = 0; i < 3; i++) {
    match(await exchange(port, `GET /connect HTTP/1.1\r\nHost: x\r\n${claim}${broken}\r\n`), /^HTTP\/1\.1 4\d\d /);
  }
  await until('no websocket waits', async () => (await scrape(adminUrl)).value('sfu_websockets_waiting') === 0);
});

test('with all memberships in use a join is 503 with Retry-After, the known user moves, and leaving makes room', async () => {
  const { url } = await serve();
  is(await join('ann', 'kitchen'), 200);
  const { statusCode, headers, body } = await request(`${url}/join/kitchen`, {
    method: 'POST',
    headers: claimHeader('ben'),
  });
  is(statusCode, 503);
  ok(Number(headers['retry-after']) > 0);
  is(headers['content-type'], 'application/problem+json');
  match(await body.text(), 'All 1 memberships are in use');
  is(await join('ben', 'kitchen', 'DELETE'), 200);
  is(await join('ann', 'garden'), 200);
  is(await join('ben', 'garden'), 503);
  is(await join('ann', 'kitchen', 'DELETE'), 200);
  is(await join('ben', 'garden'), 503, 'ann is in the garden, not in the kitchen');
  is(await join('ann', 'garden', 'DELETE'), 200);
  is(await join('ben', 'garden'), 200);
});

test('a membership whose user never connects makes room after its time-out', async () => {
  const server = await startServer({ MAX_MEMBERSHIPS: '1', MEMBERSHIP_TIMEOUT_MS: '100' });
  const joinAs = async (user: string): Promise<number> => {
    const { statusCode, body } = await request(`${server.url}/join/kitchen`, {
      method: 'POST',
      headers: claimHeader(user),
    });
    await body.dump();
    return statusCode;
  };
  is(await joinAs('ann'), 200);
  await until('the membership times out', async () => (await joinAs('ben')) === 200);
  is(await joinAs('ann'), 503);
  is(await server.stop(), 0);
});

/** Starts a server in this process with the test's handlers; a call of any other handler is an error. */
async function inProcess(
  given: Partial<RouteTargets['memberships'] & Pick<RouteTargets, 'connect'>>,
  body: (url: string, port: number, refusals: readonly ProblemKind[]) => Promise<void>,
  config: Partial<Config> = {},
): Promise<void> {
  const unexpected = (): never => {
    throw new Error('not expected');
  };
  const refusals: ProblemKind[] = [];
  const telemetry = { refused: (kind: ProblemKind) => refusals.push(kind) };
  const { join = unexpected, leave = unexpected, connect = unexpected } = given;
  const rows = routes({
    memberships: { join, leave },
    connect,
    offers: { makeSureOfRoom: () => undefined },
    ice: { answer: unexpected },
  });
  const server = new HttpServer(rows, { ...readConfig({}), ...config }, createLog('silent'), telemetry);
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  try {
    await body(`http://127.0.0.1:${port}`, port, refusals);
  } finally {
    server.close();
  }
}

test('a websocket refused while the server drains is 503 with Retry-After, and joins are still served', async () => {
  const joined: string[] = [];
  const join = (_: unknown, id: string): undefined => {
    joined.push(id);
  };
  const connect = (): never => {
    throw drainingError();
  };
  await inProcess({ join, connect }, async (url, port) => {
    const response = await refused(port);
    match(response, /^HTTP\/1\.1 503 /);
    match(response, /\r\nRetry-After: 1\r\n/);
    match(response, 'The server is shutting down');
    match(await exchange(port, `GET /connect HTTP/1.1\r\nHost: x\r\n${HANDSHAKE}\r\n`), /^HTTP\/1\.1 400 /);
    const { statusCode } = await request(`${url}/join/kitchen`, { method: 'POST', headers: claimHeader('ann') });
    is(statusCode, 200);
    equal(joined, ['kitchen']);
  });
});

test("a fault of the server's own is 500: for a join an internal error, for a connection the contract's", async () => {
  await inProcess({}, async (url, port) => {
    const { statusCode, body } = await request(`${url}/join/kitchen`, { method: 'POST', headers: claimHeader('ann') });
    is(statusCode, 500);
    const text = await body.text();
    is(JSON.parse(text).title, 'Internal error');
    ok(!text.includes('not expected'), 'what happened inside stays inside');
    const response = await refused(port);
    match(response, /^HTTP\/1\.1 500 /);
    match(response, 'Error establishing WebRTC connection');
    ok(!response.includes('not expected'));
  });
});

test('a handler learns that its client went away during the handshake', async () => {
  let abandoned = 0;
  let opened = 0;
  const connect = (): Upgrade => ({ opened: () => opened++, abandoned: () => abandoned++ });
  await inProcess({ connect }, async (_url, port) => {
    const claim = `X-User-Claim: ${claimHeader('ann')['X-User-Claim']}\r\n`;
    await exchange(
      port,
      `GET /connect HTTP/1.1\r\nHost: x\r\n${claim}${HANDSHAKE.replace('Version: 13', 'Version: x')}\r\n`,
    );
    is(abandoned, 1);
    is(opened, 0);
  });
});

test('a handler’s refusal has its headers', async () => {
  const join = (): never => {
    throw new RequestError('full', 'Try "later" – é.', { 'Retry-After': '5' });
  };
  await inProcess({ join }, async (url) => {
    const { statusCode, headers, body } = await request(`${url}/join/kitchen`, {
      method: 'POST',
      headers: claimHeader('ann'),
    });
    is(statusCode, 503);
    is(headers['retry-after'], '5');
    const text = await body.text();
    is(Number(headers['content-length']), Buffer.byteLength(text));
    is(JSON.parse(text).detail, 'Try "later" – é.');
  });
});

test('the server stops', async () => {
  is(await (await serve()).stop(), 0);
});

test.run();
