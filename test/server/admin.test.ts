/** The operators' listener of a real server with real clients. */
import { writeFileSync } from 'node:fs';
import { join as under } from 'node:path';
import { equal, is, match, ok } from 'uvu/assert';
import type { Health } from '../../src/main/operations/health.ts';
import type { ConversationDetail, ConversationPage, Readiness, UserDetail } from '../../src/main/operations/views.ts';
import { ClientHost, type TestClient } from '../support/client.ts';
import { launchUntilExit } from '../support/launch.ts';
import { readOffer } from '../support/offers.ts';
import { temporaryFolder } from '../support/proxies.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';

const test = scenarios('admin');
const host = new ClientHost();

let running: Promise<RunningServer> | undefined;
const server = (): Promise<RunningServer> => {
  running ??= startServer({ EVENTS_INTERVAL_MS: '50', MAX_CONNECTIONS: '8' });
  return running;
};

/** Returns a name that no other scenario uses, because the scenarios share a server. */
let names = 0;
const fresh = (name: string): string => `${name} ${++names}/%`;

async function connect(name: string, clientid = 'client'): Promise<TestClient> {
  const { url } = await server();
  const client = await host.connect(url, name, { slots: 2, claim: { userid: name, clientid } });
  is(client.close.code, 1000);
  return client;
}

async function join(userid: string, room: string): Promise<void> {
  const path = `/join/${encodeURIComponent(room)}`;
  is((await fetch(`${(await server()).url}${path}`, { method: 'POST', headers: claimHeader(userid) })).status, 200);
}

interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly type: string | null;
}

async function ask<T = { detail: string }>(path: string, init: RequestInit = {}): Promise<Answer<T>> {
  const response = await fetch(`${(await server()).adminUrl}${path}`, init);
  const text = await response.text();
  const type = response.headers.get('content-type');
  return { status: response.status, body: (type?.includes('json') ? JSON.parse(text) : text) as T, type };
}

const userPath = (room: string, user: string, act: string): string =>
  `/conversations/${encodeURIComponent(room)}/users/${encodeURIComponent(user)}/${act}`;

test('a running server is healthy and ready, and gives the reasons', async () => {
  const { status, body } = await ask<Health>('/healthz');
  is(status, 200);
  is(body.healthy, true);
  equal(body.problems, []);
  ok(body.workersBeatMs.length >= 1 && body.workersBeatMs.every((age) => age < 3000), JSON.stringify(body));
  const ready = await ask<Readiness>('/readyz');
  is(ready.status, 200);
  is(ready.body.status, 'ready');
  is((await fetch(`${(await server()).adminUrl}/readyz`, { method: 'HEAD' })).status, 200);
});

test('with all connections in use it is healthy but not ready', async () => {
  const full = await startServer({ MAX_CONNECTIONS: '1' });
  const socket = await openSocket(full.url, 'ann');
  is((await fetch(`${full.adminUrl}/readyz`)).status, 200, 'who has made no offer has no place');
  socket.socket.send(readOffer('chromium-156-mdns'));
  await socket.next();
  const ready = await fetch(`${full.adminUrl}/readyz`);
  is(ready.status, 503);
  is(((await ready.json()) as { status: string }).status, 'full');
  is((await fetch(`${full.adminUrl}/healthz`)).status, 200);
  socket.socket.close();
  is(await full.stop(), 0);
});

test('neither listener answers for the other', async () => {
  const { url, adminUrl } = await server();
  for (const path of ['/healthz', '/readyz', '/metrics', '/conversations']) is((await fetch(url + path)).status, 404);
  is((await fetch(`${adminUrl}/join/room`, { method: 'POST', headers: claimHeader('ann') })).status, 404);
  is((await fetch(`${adminUrl}/connect`)).status, 404);
});

test('conversations are listed page by page, each with its members', async () => {
  const rooms = [fresh('room'), fresh('room'), fresh('room')];
  const [ann, absent] = [fresh('ann'), fresh('absent')];
  const client = await connect(ann);
  await join(absent, rooms[0]!);
  await join(absent, rooms[1]!);
  await join(fresh('bob'), rooms[2]!);
  await join(ann, rooms[1]!);
  const seen: string[] = [];
  let next: number | null = 0;
  while (next !== null) {
    const { status, body }: Answer<ConversationPage> = await ask(`/conversations?limit=1&after=${next}`);
    is(status, 200);
    ok(body.total >= 2);
    seen.push(...body.conversations.map(({ id }) => id));
    next = body.next;
  }
  ok(!seen.includes(rooms[0]!), 'a conversation that everybody left is gone');
  is(new Set(seen).size, seen.length);
  ok(seen.includes(rooms[1]!) && seen.includes(rooms[2]!));
  const { body } = await ask<ConversationDetail>(`/conversations/${encodeURIComponent(rooms[1]!)}`);
  is(body.id, rooms[1]);
  equal(
    body.users.map(({ userid, connections }) => [userid, connections.length]).sort(),
    [
      [ann, 1],
      [absent, 0],
    ].sort(),
  );
  const [connection] = body.users.find(({ userid }) => userid === ann)!.connections;
  is(connection!.clientid, 'client');
  is(connection!.slots, 2);
  is(connection!.publishes, true);
  is(connection!.muted, false);
  is((await ask(`/conversations/${encodeURIComponent(rooms[0]!)}`)).status, 404);
  await client.end();
});

test('a user is found wherever they are: in a conversation, in none, still being set up, or only expected', async () => {
  const room = fresh('room');
  const [ann, bob, cid] = [fresh('ann'), fresh('bob'), fresh('cid')];
  const find = async (userid: string): Promise<Answer<UserDetail>> => ask(`/users/${encodeURIComponent(userid)}`);
  is((await find(ann)).status, 404);
  const client = await connect(ann);
  const alone = (await find(ann)).body;
  equal([alone.userid, alone.conversation, alone.silenced], [ann, null, false]);
  const [connection] = alone.connections;
  equal([connection!.clientid, connection!.state, connection!.slots], ['client', 'established', 2]);
  is(typeof connection!.connection, 'number');
  equal(['instance' in connection!, 'missing' in alone], [false, false], 'there is no cluster');
  await join(ann, room);
  is((await ask(userPath(room, ann, 'mute'), { method: 'POST' })).status, 200);
  const muted = (await find(ann)).body;
  equal([muted.conversation, muted.silenced], [room, true]);
  await join(bob, room);
  const expected = (await find(bob)).body;
  equal([expected.conversation, expected.connections], [room, []]);
  const { url } = await server();
  const socket = await openSocket(url, cid);
  const waiting = (await find(cid)).body;
  equal(
    waiting.connections.map(({ connection, state, speaking }) => [connection, state, speaking]),
    [[null, 'waiting', false]],
  );
  socket.socket.close();
  await client.end();
});

test('without a cluster there is nothing to see of one', async () => {
  const { status, body } = await ask('/cluster');
  is(status, 404);
  match(body.detail, /NATS_URL/);
  is('problems' in (await ask<Readiness>('/readyz')).body, false);
});

test('a user who is kicked is told, is out of the conversation, and may come back', async () => {
  const room = fresh('room');
  const [ann, bob] = [fresh('ann'), fresh('bob')];
  const clients = [await connect(ann), await connect(ann, 'other'), await connect(bob)];
  await join(ann, room);
  await join(bob, room);
  await clients[2]!.knows(({ userids }) => userids.length === 3);
  is((await ask(userPath(room, ann, 'kick'), { method: 'POST' })).status, 200);
  await clients[2]!.knows(({ userids }) => userids.join() === bob);
  for (const client of clients.slice(0, 2)) {
    await client.knows((view) => view.conversation === null && view.of('left').length === 1);
    equal(client.view.of('left'), [{ v: 1, type: 'left', conversation: room, kicked: true }]);
  }
  is((await ask(userPath(room, ann, 'kick'), { method: 'POST' })).status, 404, 'twice');
  await join(ann, room);
  await clients[2]!.knows(({ userids }) => userids.length === 3);
  for (const client of clients) await client.end();
});

test('a user whom an operator muted is not heard, cannot unmute, and stays muted after reconnecting', async () => {
  const [room, elsewhere] = [fresh('room'), fresh('elsewhere')];
  const [ann, bob] = [fresh('ann'), fresh('bob')];
  let [speaker, listener] = [await connect(ann), await connect(bob)];
  await join(ann, room);
  await join(bob, room);
  await speaker.talk();
  const hear = async (): Promise<void> => {
    await listener.receives((packets) => packets.some(({ from }) => from === ann));
  };
  const hearNothing = async (): Promise<void> => {
    // Packets that are under way arrive while the speaker sends the first ones; nothing may arrive during the others.
    await speaker.sends(10);
    await listener.take();
    await speaker.sends(15);
    equal(
      (await listener.take()).filter(({ from }) => from === ann),
      [],
    );
  };
  await hear();
  is((await ask(userPath(room, ann, 'mute'), { method: 'POST' })).status, 200);
  await speaker.knows((view) => view.of('silenced').at(-1)?.silenced === true);
  await listener.knows((view) => view.named(ann)?.muted === true);
  await hearNothing();
  await speaker.request({ v: 1, type: 'mute', muted: false, id: 1 });
  await speaker.knows((view) => view.of('error').some(({ id, code }) => id === 1 && code === 'silenced'));
  await hearNothing();

  await join(ann, elsewhere);
  await join(bob, elsewhere);
  await listener.knows((view) => view.conversation === elsewhere && view.named(ann)?.muted === true);
  await speaker.end();
  speaker = await connect(ann);
  await speaker.knows((view) => view.conversation === elsewhere && view.silenced);
  await speaker.talk();
  await hearNothing();
  const { body } = await ask<ConversationDetail>(`/conversations/${encodeURIComponent(elsewhere)}`);
  const { silenced, connections } = body.users.find(({ userid }) => userid === ann)!;
  equal([silenced, connections[0]!.muted], [true, false], 'muted by an operator, not by themselves');

  is((await ask(userPath(elsewhere, ann, 'unmute'), { method: 'POST' })).status, 200);
  await speaker.knows((view) => view.of('silenced').at(-1)?.silenced === false);
  await hear();
  await speaker.request({ v: 1, type: 'mute', muted: true });
  await listener.knows((view) => view.named(ann)?.muted === true);
  is((await ask(userPath(elsewhere, ann, 'mute'), { method: 'POST' })).status, 200);
  is((await ask(userPath(elsewhere, ann, 'unmute'), { method: 'POST' })).status, 200);
  await hearNothing();
  await speaker.end();
  await listener.end();
});

test('a web page is no operator', async () => {
  const { adminUrl } = await server();
  const { port } = new URL(adminUrl);
  const response = await exchange(
    Number(port),
    'POST /conversations/a/users/b/kick HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n',
  );
  match(response, /^HTTP\/1\.1 403 /);
  match(response, 'Origin');
});

test('a web page cannot make the listener its own site by DNS rebinding', async () => {
  const { port } = new URL((await server()).adminUrl);
  const ask = (host: string): Promise<string> =>
    exchange(Number(port), `GET /conversations HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  for (const host of [`evil.example:${port}`, 'evil.example', 'localhost.evil.example', '127.0.0.1.evil.example.']) {
    match(await ask(host), /^HTTP\/1\.1 403 [\s\S]*IP address/, host);
  }
  const good = ['127.0.0.1', `localhost:${port}`, `[::1]:${port}`, 'webrtc:8081', 'webrtc.voice.svc.cluster.local'];
  for (const host of good) match(await ask(host), /^HTTP\/1\.1 200 /, host);
  match(await exchange(Number(port), 'GET /readyz HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /, 'no browser');
});

test('bad requests are answered with what was wrong', async () => {
  const bad: [string, RequestInit, number, RegExp][] = [
    ['/conversations?limit=0', {}, 400, /limit must be a whole number from 1 to 1000/],
    ['/conversations?after=x', {}, 400, /after must be a whole number/],
    ['/conversations/nobody', {}, 404, /Nobody is in that conversation/],
    [userPath('nowhere', 'nobody', 'kick'), { method: 'POST' }, 404, /not in that conversation/],
    [userPath('nowhere', 'nobody', 'mute'), { method: 'POST' }, 404, /not in that conversation/],
    [userPath('nowhere', 'nobody', 'kick'), {}, 405, /GET is not allowed here; allowed: POST\./],
    ['/healthz', { method: 'DELETE' }, 405, /DELETE is not allowed here; allowed: GET\./],
    ['/', {}, 404, /There are GET \/healthz, .* and POST \/conversations\/:id\/users\/:userid\/listen\./],
    ['/conversations/%ff', {}, 400, /badly escaped/],
    ['/conversations/a/users/%zz/kick', { method: 'POST' }, 400, /badly escaped/],
    ['/conversations/a/users/b/kick?bann=60', { method: 'POST' }, 400, /takes the query ban, not bann\./],
    ['/conversations/a/users/b/kick?ban=60&ban=600', { method: 'POST' }, 400, /ban is there more than once/],
    ['/conversations/a/users/b/mute?for=60', { method: 'POST' }, 400, /takes no query, not for\./],
    ['/conversations/a/tap?recordng=0', {}, 400, /takes the query foremost, recording, not recordng\./],
  ];
  for (const [path, init, status, detail] of bad) {
    const { status: got, body, type } = await ask(path, init);
    is(got, status, path);
    is(type, 'application/problem+json');
    match(body.detail, detail);
  }
});

test('an occupied address ends the process with a message that names ADMIN_LISTEN', async () => {
  const { adminUrl } = await server();
  const { host: address } = new URL(adminUrl);
  const { code, stdout } = await launchUntilExit({ LISTEN: '127.0.0.1:0', ADMIN_LISTEN: address });
  is(code, 1);
  match(
    JSON.parse(stdout.at(-1)!).msg,
    `${address} was refused (EADDRINUSE): choose another address with ADMIN_LISTEN`,
  );
});

test('a listener that others reach acts for whoever has the token, and tells everybody what it is missing', async () => {
  const path = under(temporaryFolder('token'), 'token');
  const post = (url: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${url}/conversations/a/users/b/kick`, { method: 'POST', headers });
  const open = await startServer({ ADMIN_LISTEN: '0.0.0.0:0' });
  const refused = await post(open.adminUrl);
  is(refused.status, 403);
  match(((await refused.json()) as { detail: string }).detail, /set ADMIN_TOKEN_FILE/);
  for (const read of ['/healthz', '/readyz', '/metrics', '/conversations']) {
    is((await fetch(open.adminUrl + read)).status, 200, read);
  }
  is(await open.stop(), 0);

  writeFileSync(path, 'a-token-for-operators\n');
  const guarded = await startServer({ ADMIN_LISTEN: '0.0.0.0:0', ADMIN_TOKEN_FILE: path });
  const without = await post(guarded.adminUrl);
  equal([without.status, without.headers.get('www-authenticate')], [401, 'Bearer']);
  is((await post(guarded.adminUrl, { Authorization: 'Bearer b-token-for-operators' })).status, 401);
  is((await post(guarded.adminUrl, { Authorization: 'Bearer a-token-for-operators' })).status, 404, 'nobody is there');
  const metrics = await (await fetch(`${guarded.adminUrl}/metrics`)).text();
  match(metrics, /^sfu_http_refusals_total\{problem="bad-token"\} 2$/m);
  ok(!guarded.logs.join('').includes('token-for-operators'));
  is(await guarded.stop(), 0);

  writeFileSync(path, '');
  const { code, stdout } = await launchUntilExit({ LISTEN: '127.0.0.1:0', ADMIN_TOKEN_FILE: path });
  is(code, 1);
  match(JSON.parse(stdout.at(-1)!).msg, /^ADMIN_TOKEN_FILE is an empty file: /);
}, 60);

test('METRICS_LISTEN has health and metrics alone', async () => {
  const apart = await startServer({ METRICS_LISTEN: '127.0.0.1:0', MAX_HTTP_SOCKETS: '20' });
  const { metrics }: { metrics: { port: number } } = JSON.parse(await apart.logged('"msg":"listening"'));
  const url = `http://127.0.0.1:${metrics.port}`;
  for (const there of ['/healthz', '/readyz', '/metrics']) {
    is((await fetch(url + there)).status, 200, there);
    is((await fetch(apart.adminUrl + there)).status, 200, there);
  }
  is((await fetch(`${url}/metrics`, { headers: { Origin: 'http://a.example' } })).status, 403);
  for (const elsewhere of ['/conversations', '/users/ann', '/cluster', '/conversations/a', '/connect']) {
    is((await fetch(url + elsewhere)).status, 404, elsewhere);
  }
  is((await fetch(`${url}/conversations/a/users/b/kick`, { method: 'POST' })).status, 404);
  is(await apart.stop(), 0);
  const { code, stdout } = await launchUntilExit({
    LISTEN: '127.0.0.1:0',
    METRICS_LISTEN: new URL((await server()).adminUrl).host,
  });
  is(code, 1);
  match(JSON.parse(stdout.at(-1)!).msg, 'choose another address with METRICS_LISTEN');
}, 60);

test('with a PROXY_SECRET, no request counts without it, those for websockets and unknown paths included', async () => {
  const PROXY_SECRET = '0123456789-_.~+/=abcdef';
  const behind = await startServer({ PROXY_SECRET });
  const ask = async (path: string, secret: Record<string, string>, method = 'POST'): Promise<number> =>
    (await fetch(behind.url + path, { method, headers: { ...claimHeader('ann'), ...secret } })).status;
  for (const secret of [{}, { 'X-Proxy-Secret': '' }, { 'X-Proxy-Secret': `${PROXY_SECRET}x` }] as const) {
    is(await ask('/join/a', secret), 403);
    is(await ask('/nowhere', secret), 403);
    is(await ask('/connect', secret, 'GET'), 403);
  }
  is(await ask('/join/a', { 'X-Proxy-Secret': PROXY_SECRET }), 200);
  is(await ask('/nowhere', { 'X-Proxy-Secret': PROXY_SECRET }), 404);
  const handshake = (secret: string): Promise<string> => {
    const claim = `X-User-Claim: {"userid":"ann","clientid":"x"}\r\n${secret}`;
    return exchange(behind.port, `GET /connect HTTP/1.1\r\nHost: x\r\n${HANDSHAKE}${claim}\r\n`, /\r\n\r\n/);
  };
  match(await handshake(''), /^HTTP\/1\.1 403 /);
  match(await handshake(`X-Proxy-Secret: ${PROXY_SECRET}\r\nx-proxy-secret: ${PROXY_SECRET}\r\n`), /^HTTP\/1\.1 403 /);
  match(await handshake(`X-Proxy-Secret: ${PROXY_SECRET}\r\n`), /^HTTP\/1\.1 101 /);
  const metrics = await (await fetch(`${behind.adminUrl}/metrics`)).text();
  match(metrics, /^sfu_connection_setup_failures_total\{cause="forbidden"\} 2$/m);
  ok(!behind.logs.join('').includes(PROXY_SECRET));
  behind.process.kill('SIGTERM');
  is(await behind.exited, 0);
}, 60);

test('with an empty ADMIN_LISTEN there is none', async () => {
  const without = await startServer({ ADMIN_LISTEN: '' });
  is(without.adminUrl, '');
  is(await without.stop(), 0);
});

test('the server ends', async () => {
  is(await (await server()).stop(), 0);
  host.kill();
});

test.run();
