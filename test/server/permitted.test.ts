/** Joins and leaves of a real server with a real permission service. */
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { request } from 'undici';
import { equal, is, match, ok } from 'uvu/assert';
import { ClientHost } from '../support/client.ts';
import { scrape } from '../support/metrics.ts';
import { hang, type PermissionServer, startPermissionServer, status } from '../support/permission-server.ts';
import { exchange } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, freeUdpPort, type RunningServer, startServer } from '../support/server.ts';

const test = scenarios('permitted');

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

type Ask = (method: 'POST' | 'DELETE' | 'GET', path: string, userid?: string) => Promise<Answer>;

interface Fixture {
  readonly server: RunningServer;
  readonly permissions: PermissionServer;
  readonly ask: Ask;
  /** Returns the ids of conversations in the order in which the log says that they were joined and left. */
  changes(): Promise<string[]>;
  /** Returns the users of a conversation, as operators see them. */
  inside(conversation: string): Promise<string[]>;
}

/**
 * Runs `body` with a server and a permission service. Fails if the server logs an error that is not about the service.
 */
async function withServer(env: Record<string, string>, body: (fixture: Fixture) => Promise<void>): Promise<void> {
  const permissions = await startPermissionServer();
  const server = await startServer({ PERMISSIONS_HOST: permissions.url, PERMISSIONS_CACHE_MS: '0', ...env });
  const ask: Ask = async (method, path, userid = 'ann') => {
    const answer = await request(`${server.url}${path}`, { method, headers: claimHeader(userid) });
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
  };
  let looks = 0;
  const changes = async (): Promise<string[]> => {
    // The log comes through a pipe in order: everything that happened is logged before this line.
    const mark = `look ${++looks}`;
    await ask('DELETE', `/join/${encodeURIComponent(mark)}`, 'nobody');
    await server.logged('"msg":"left"', mark);
    return server.logs
      .map((line) => JSON.parse(line))
      .filter(({ msg, userid }) => userid !== 'nobody' && (msg === 'joined' || msg === 'left'))
      .map(({ msg, conversation }) => `${msg} ${conversation}`);
  };
  const inside = async (conversation: string): Promise<string[]> => {
    const answer = await request(`${server.adminUrl}/conversations/${conversation}`);
    const told = (await answer.body.json()) as { users?: { userid: string }[] };
    return (told.users ?? []).map(({ userid }) => userid);
  };
  try {
    await body({ server, permissions, ask, changes, inside });
    is(await server.stop(), 0);
    const errors = server.logs.filter((line) => JSON.parse(line).level >= 50);
    equal(
      errors.filter((line) => !line.includes('the permission service cannot be asked')),
      [],
    );
  } finally {
    await permissions.close();
  }
}

/** Replies by the last segment of the path, once the test says so. */
function held(permissions: PermissionServer): (conversation: string, code?: number) => void {
  const waiting = new Map<string, ServerResponse>();
  permissions.reply = (response, { url }) => waiting.set(url!.split('/').at(-1)!, response);
  return (conversation, code = 204) => waiting.get(conversation)!.writeHead(code).end();
}

test('a permitted user gets 200 and is in, another gets 401 with what to do and is not', async () => {
  await withServer({}, async ({ permissions, ask, inside }) => {
    permissions.reply = (response, { url }) => response.writeHead(url!.endsWith('/kitchen') ? 200 : 403).end();
    const good = await ask('POST', '/join/kitchen');
    is(good.status, 200);
    is(good.body, '');
    is(good.headers['content-length'], '0');
    const { status, headers, body } = await ask('POST', '/join/attic');
    is(status, 401);
    is(headers['content-type'], 'application/problem+json');
    is(headers['www-authenticate'], 'Bearer');
    const { title, detail } = JSON.parse(body);
    is(title, 'Not permitted');
    match(detail, 'answered 403');
    equal(await inside('kitchen'), ['ann'], 'and where they were they stay');
    equal(await inside('attic'), []);
    is((await ask('DELETE', '/join/kitchen')).status, 200);
    equal(await inside('kitchen'), []);
    equal(permissions.asked, ['/user/ann/conversation/kitchen', '/user/ann/conversation/attic'], 'leaving is free');
  });
});

test('while nobody answers nobody is let in, which is 503 and one line in the log; then it goes on', async () => {
  const port = await freeUdpPort();
  await withServer({ PERMISSIONS_HOST: `http://127.0.0.1:${port}` }, async ({ server, ask, changes }) => {
    for (const id of ['a', 'b', 'c']) {
      const { status, headers, body } = await ask('POST', `/join/${id}`);
      is(status, 503);
      ok(Number(headers['retry-after']) > 0);
      is(JSON.parse(body).title, 'Permissions cannot be asked for');
    }
    is((await ask('DELETE', '/join/a')).status, 200, 'leaving goes on');
    equal(await changes(), ['left a']);
    const line = await server.logged('the permission service cannot be asked');
    match(JSON.parse(line).why, 'ECONNREFUSED');
    is(server.logs.filter((text) => text.includes('cannot be asked')).length, 1);
    const service = await startPermissionServer(status(200), port);
    is((await ask('POST', '/join/a')).status, 200);
    await server.logged('the permission service answers again');
    await service.close();
    is((await ask('POST', '/join/b')).status, 503);
    equal(await changes(), ['left a', 'joined a']);
    is(server.logs.filter((text) => text.includes('cannot be asked')).length, 2, 'and the next failure is told again');
  });
});

test('a service that hangs, fails or redirects lets nobody in', async () => {
  await withServer({ PERMISSIONS_TIMEOUT_MS: '300' }, async ({ permissions, ask, changes }) => {
    for (const reply of [hang, status(500), status(302, { Location: '/yes' })]) {
      permissions.reply = reply;
      is((await ask('POST', '/join/kitchen')).status, 503);
    }
    equal(await changes(), []);
  });
});

test('joins and leaves of one user take effect in their order, though the answers come in another', async () => {
  await withServer({}, async ({ server, permissions, ask, changes, inside }) => {
    const answer = held(permissions);
    // On one socket, so that they arrive in this order.
    const lines = ['POST /join/a', 'POST /join/b', 'DELETE /join/b', 'POST /join/c', 'POST /join/d'];
    const claim = `X-User-Claim: ${claimHeader('ann')['X-User-Claim']}\r\n`;
    const [last, ...others] = lines.map((line) => `${line} HTTP/1.1\r\nHost: x\r\n${claim}`).reverse();
    const requests = `${others.reverse().join('\r\n')}\r\n${last}Connection: close\r\n\r\n`;
    const answers = exchange(server.port, requests);
    await permissions.wasAsked(4);
    answer('d');
    answer('c', 403);
    answer('b');
    const bob = ask('POST', '/join/x', 'bob');
    await permissions.wasAsked(5);
    answer('x');
    is((await bob).status, 200);
    equal(await changes(), ['joined x'], 'others do not wait, and what waits has not happened');
    answer('a');
    const statuses = [...(await answers).matchAll(/HTTP\/1\.1 (\d+)/g)].map((found) => Number(found[1]));
    equal(statuses, [200, 200, 200, 401, 200]);
    equal(await changes(), ['joined x', 'joined a', 'joined b', 'left b', 'joined d']);
    equal(await inside('d'), ['ann']);
  });
});

test('a join whose client hangs up before the answer is not made, and the next one is', async () => {
  await withServer({}, async ({ server, permissions, ask, changes, inside }) => {
    const answer = held(permissions);
    const socket = connect(server.port, '127.0.0.1');
    socket.write(`POST /join/a HTTP/1.1\r\nHost: x\r\nX-User-Claim: ${claimHeader('ann')['X-User-Claim']}\r\n\r\n`);
    await permissions.wasAsked(1);
    const next = ask('POST', '/join/b');
    await permissions.wasAsked(2);
    answer('b');
    await new Promise((resolve) => socket.once('close', resolve).destroy());
    // By the next request on another socket, the server has noticed the end of this one.
    for (let i = 0; i < 10; i++) await ask('GET', '/nowhere');
    answer('a');
    is((await next).status, 200);
    equal(await changes(), ['joined b']);
    equal(await inside('b'), ['ann']);
  });
});

test('the number of joins and leaves that wait is limited for each user, and others are not held up', async () => {
  await withServer({}, async ({ server, permissions, ask, changes }) => {
    const waiting: ServerResponse[] = [];
    permissions.reply = (response) => waiting.push(response);
    const first = Array.from({ length: 16 }, (_, i) => ask('POST', `/join/${i}`));
    await permissions.wasAsked(16);
    for (const method of ['POST', 'DELETE'] as const) {
      const { status, headers, body } = await ask(method, '/join/one-too-many');
      is(status, 503);
      ok(Number(headers['retry-after']) > 0);
      match(JSON.parse(body).detail, '16 joins and leaves of this user');
    }
    const seen = await scrape(server.adminUrl);
    is(seen.value('sfu_joins_total', { outcome: 'failed' }), 1, 'the join that was refused');
    is(seen.value('sfu_leaves_refused_total'), 1, 'and the leave is none');
    is(seen.value('sfu_http_refusals_total', { problem: 'permissions-unavailable' }), 2);
    permissions.reply = status(204);
    is((await ask('POST', '/join/kitchen', 'bob')).status, 200);
    for (const response of waiting) response.writeHead(204).end();
    equal(new Set((await Promise.all(first)).map((one) => one.status)), new Set([200]));
    is((await changes()).length, 17);
    is((await ask('POST', '/join/kitchen')).status, 200, 'and then there is room again');
  });
});

test('an answer holds for as long as it is kept', async () => {
  await withServer({ PERMISSIONS_CACHE_MS: '600000' }, async ({ permissions, ask }) => {
    is((await ask('POST', '/join/kitchen')).status, 200);
    permissions.reply = status(403);
    is((await ask('POST', '/join/kitchen')).status, 200);
    is((await ask('POST', '/join/kitchen', 'bob')).status, 401);
    permissions.reply = status(204);
    is((await ask('POST', '/join/kitchen', 'bob')).status, 401);
    is(permissions.asked.length, 2);
  });
});

test('an id that no path can hold is denied without a question', async () => {
  await withServer({}, async ({ server, permissions, ask }) => {
    is((await ask('POST', '/join/kitchen', '..')).status, 401);
    const headers = { 'X-User-Claim': '{"userid":"\\ud800","clientid":"c"}' };
    const { statusCode, body } = await request(`${server.url}/join/kitchen`, { method: 'POST', headers });
    is(statusCode, 401);
    await body.dump();
    equal(permissions.asked, []);
  });
});

test('a user who has joined connects without another question, even while nobody answers', async () => {
  await withServer({}, async ({ server, permissions, ask }) => {
    const clients = new ClientHost();
    is((await ask('POST', '/join/kitchen')).status, 200);
    permissions.reply = hang;
    const client = await clients.connect(server.url, 'ann');
    equal(client.close, { code: 1000, reason: 'connected' });
    await client.knows((view) => view.conversation === 'kitchen');
    is(permissions.asked.length, 1);
    await client.end();
    clients.kill();
  });
});

test('a server that ends while joins wait does so with code 0', async () => {
  await withServer({ PERMISSIONS_TIMEOUT_MS: '60000' }, async ({ permissions, ask }) => {
    permissions.reply = hang;
    ask('POST', '/join/kitchen').catch(() => 'hung up on');
    await permissions.wasAsked(1);
  });
});

test.run();
