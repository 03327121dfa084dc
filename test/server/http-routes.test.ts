/** The table of routes: one more row is enough for an endpoint. The other rows are the service's own. */
import { request } from 'undici';
import { equal, is, match } from 'uvu/assert';
import { readConfig } from '../../src/main/config.ts';
import { RequestError } from '../../src/main/errors.ts';
import { json } from '../../src/main/http/answer.ts';
import { type Route, routes } from '../../src/main/http/routes.ts';
import { HttpServer } from '../../src/main/http/server.ts';
import { createLog } from '../../src/main/log/log.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader } from '../support/server.ts';

const test = scenarios('http routes');

interface Asked {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

interface House {
  readonly port: number;
  readonly refusals: string[];
  ask(method: 'GET' | 'POST', path: string, headers?: Record<string, string>): Promise<Asked>;
}

/** Starts a server in this process with the service's routes and one more. */
async function withRow(row: Route, body: (house: House) => Promise<void>): Promise<void> {
  const unexpected = (): never => {
    throw new Error('not expected');
  };
  const refusals: string[] = [];
  const telemetry = { refused: (problem: string, asked: string) => refusals.push(`${problem} ${asked}`) };
  const memberships = { join: unexpected, leave: unexpected };
  const rows = [
    ...routes({
      memberships,
      connect: unexpected,
      offers: { makeSureOfRoom: unexpected },
      ice: { answer: unexpected },
    }),
    row,
  ];
  const server = new HttpServer(rows, readConfig({}), createLog('silent'), telemetry);
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const ask: House['ask'] = async (method, path, headers = claimHeader('ann')) => {
    const answer = await request(`http://127.0.0.1:${port}${path}`, { method, headers });
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
  };
  try {
    await body({ port, refusals, ask });
  } finally {
    server.close();
  }
}

test('a row is enough for an endpoint that answers JSON to every client with a claim', async () => {
  const row: Route = {
    method: 'GET',
    path: '/turn',
    answer: ({ claim }) => json({ username: claim.userid, urls: ['turn:é'] }, 200, { 'Cache-Control': 'no-store' }),
  };
  await withRow(row, async ({ ask, refusals }) => {
    const { status, headers, body } = await ask('GET', '/turn?token=x');
    is(status, 200);
    is(headers['content-type'], 'application/json');
    is(headers['cache-control'], 'no-store');
    is(Number(headers['content-length']), Buffer.byteLength(body));
    equal(JSON.parse(body), { username: 'ann', urls: ['turn:é'] });
    is((await ask('GET', '/turn', {})).status, 400);
    const wrong = await ask('POST', '/turn');
    is(wrong.status, 405);
    is(wrong.headers['allow'], 'GET');
    is((await ask('GET', '/turn/x')).status, 404);
    is((await ask('GET', '/turn%zz')).status, 400);
    equal(refusals, ['bad-claim other', 'method-not-allowed other', 'not-found other', 'bad-request other']);
    const { detail } = JSON.parse((await ask('GET', '/')).body);
    is(detail, 'There are GET /connect, GET /ice, POST or DELETE /join/:conversationid and GET /turn.');
  });
});

test('a row may answer late, by its parameters, and refuse late', async () => {
  const row: Route = {
    method: 'POST',
    path: '/rooms/:room/doors/:door',
    asked: 'join',
    badPath: 'bad-conversation',
    answer: async ({ params: { room, door } }) => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (door === 'locked') throw new RequestError('forbidden', 'It is locked.');
      if (door === 'fault') throw new Error('a bug');
      return room === 'empty' ? undefined : json({ room, door }, 202);
    },
  };
  await withRow(row, async ({ ask, refusals }) => {
    const { status, body } = await ask('POST', '/rooms/a%2Fb/doors/2');
    is(status, 202);
    equal(JSON.parse(body), { room: 'a/b', door: '2' });
    const nothing = await ask('POST', '/rooms/empty/doors/2');
    equal([nothing.status, nothing.body, nothing.headers['content-type']], [200, '', undefined]);
    is((await ask('POST', '/rooms/a/doors/locked')).status, 403);
    is((await ask('POST', '/rooms/a/doors/fault')).status, 500);
    is((await ask('POST', '/rooms/%ff/doors/1')).status, 400);
    equal(refusals, ['forbidden join', 'internal join', 'bad-conversation join']);
  });
});

test('a row for a websocket refuses it with a problem, and answers requests without an upgrade', async () => {
  const upgrade = (): never => {
    throw new RequestError('full', 'No more of these.', { 'Retry-After': '5' });
  };
  let busy = false;
  const check = (): void => {
    if (busy) throw new RequestError('busy', 'Not now.', { 'Retry-After': '3' });
  };
  await withRow({ method: 'GET', path: '/listen', upgrade, check }, async ({ port, ask, refusals }) => {
    const claim = `X-User-Claim: ${claimHeader('ann')['X-User-Claim']}\r\n`;
    match(await exchange(port, `GET /listen HTTP/1.1\r\nHost: x\r\n${claim}${HANDSHAKE}\r\n`), /^HTTP\/1\.1 503 /);
    const { status, body } = await ask('GET', '/listen');
    is(status, 426);
    is(JSON.parse(body).detail, 'Open /listen as a websocket.');
    busy = true;
    const refused = await ask('GET', '/listen');
    equal([refused.status, refused.headers['retry-after']], [503, '3'], 'a page learns why it got no websocket');
    equal(refusals, ['full connect', 'upgrade-required other', 'busy other']);
  });
});

test.run();
