/** Speakers and audience of a real server with a real permission service, and over the instances of a cluster. */
import { equal, is, match, ok } from 'uvu/assert';
import type { ConversationDetail, UserDetail } from '../../src/main/operations/views.ts';
import { ClientHost, type TestClient } from '../support/client.ts';
import { type Cluster, type ClusterInstance, sharedCluster } from '../support/cluster.ts';
import { hear, heardWithin, speakersIn } from '../support/hearing.ts';
import { type PermissionServer, type Reply, startPermissionServer } from '../support/permission-server.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('stage');
const host = new ClientHost();
const permissions: PermissionServer = await startPermissionServer(says());
const shared = sharedCluster(test, {
  env: { PERMISSIONS_HOST: permissions.url, PERMISSIONS_CACHE_MS: '0', MAX_JOINS_PER_SECOND: '100' },
});

let names = 0;
const fresh = (name: string): string => `${name}${++names}`;

/** Replies that a user may join, and may speak unless their name begins with `aud`. */
function says(
  grant: (userid: string) => object = (userid) => ({
    ...{ speak: !userid.startsWith('aud'), name: `Name of ${userid}` },
    ...(userid.startsWith('aud') ? { metadata: { row: 3 } } : {}),
  }),
): Reply {
  return (response, { url }) => {
    const userid = /user\/([^/]+)\//.exec(url ?? '')?.[1] ?? '';
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(grant(userid)));
  };
}

interface Place {
  readonly url: string;
  operate(path: string): Promise<number>;
  user(userid: string): Promise<UserDetail>;
}

function placeOf(server: Pick<RunningServer, 'url' | 'adminUrl'>): Place {
  const { url, adminUrl } = server;
  return {
    url,
    operate: async (path) => (await fetch(adminUrl + path, { method: 'POST' })).status,
    user: async (userid) => (await (await fetch(`${adminUrl}/users/${userid}`)).json()) as UserDetail,
  };
}

function instanceOf(instance: ClusterInstance): Place {
  return {
    url: instance.url,
    operate: async (path) => (await instance.operate('POST', path)).status,
    user: (userid) => instance.read<UserDetail>(`/users/${userid}`),
  };
}

async function join({ url }: Place, userid: string, room: string): Promise<number> {
  return (await fetch(`${url}/join/${room}`, { method: 'POST', headers: claimHeader(userid) })).status;
}

async function enter(place: Place, userid: string, room: string, clientid = 'client'): Promise<TestClient> {
  is(await join(place, userid, room), 200);
  const client = await host.connect(place.url, userid, { slots: 2, claim: { userid, clientid } });
  await client.knows(({ conversation }) => conversation === room);
  return client;
}

async function hearNothing(listener: TestClient, ...speakers: readonly TestClient[]): Promise<void> {
  for (const speaker of speakers) await speaker.sends(10);
  equal(await heardWithin(listener, 300), []);
}

/** Where one connects, where the other does, and where the operator asks. */
async function course(here: Place, there: Place, operator: Place): Promise<void> {
  const room = fresh('room');
  const [speaker, audience] = [await enter(here, fresh('speaker'), room), await enter(there, fresh('audience'), room)];
  const path = (user: TestClient, act: string): string => `/conversations/${room}/users/${user.name}/${act}`;
  equal([(await speaker.look()).speak, (await audience.look()).speak], [true, false], 'the snapshot tells');
  for (const client of [speaker, audience]) await client.talk();
  await hear(audience, [speaker.name]);
  await hearNothing(speaker, audience);
  const { muted, name, speak, metadata } = (
    await speaker.knows((view) => view.named(audience.name)?.speak === false)
  ).named(audience.name)!;
  equal([muted, name, speak, metadata], [true, `Name of ${audience.name}`, false, { row: 3 }]);
  await audience.knows((view) => view.named(speaker.name)?.name === `Name of ${speaker.name}`);
  await audience.request({ v: 1, type: 'mute', muted: false, id: 1 });
  await audience.knows((view) => view.of('error').some(({ id, code }) => id === 1 && code === 'no-right-to-speak'));
  equal([(await operator.user(audience.name)).speak, (await operator.user(speaker.name)).speak], [false, true]);

  await audience.request({ v: 1, type: 'hand', raised: true, id: 2 });
  await speaker.knows((view) => view.named(audience.name)?.hand === true);
  await speaker.request({ v: 1, type: 'deafen', deafened: true });
  await audience.knows((view) => view.named(speaker.name)?.deafened === true);
  await speaker.request({ v: 1, type: 'deafen', deafened: false });
  await audience.knows((view) => view.named(speaker.name)?.deafened === undefined);
  const { connections } = await operator.user(audience.name);
  equal(
    connections.map(({ hand }) => hand),
    [true],
  );

  is(await operator.operate(path(audience, 'speak')), 200);
  await audience.knows(({ speak }) => speak);
  equal(speakersIn(await hear(speaker, [audience.name])), [audience.name]);
  await speaker.knows((view) => view.named(audience.name)?.hand === undefined);
  is(await operator.operate(path(speaker, 'listen')), 200);
  await speaker.knows(({ speak }) => !speak);
  equal(speaker.view.of('speak').at(-1), { v: 1, type: 'speak', speak: false });
  await hearNothing(audience, speaker);

  // What an operator said outlasts a join whose permission says something else, a leave, and a reconnection.
  is(await join(here, speaker.name, room), 200);
  await hearNothing(audience, speaker);
  is(await join(there, audience.name, room), 200);
  equal(speakersIn(await hear(speaker, [audience.name])), [audience.name]);
  const headers = claimHeader(speaker.name);
  is((await fetch(`${here.url}/join/${room}`, { method: 'DELETE', headers })).status, 200);
  await speaker.knows((view) => view.conversation === null && view.speak);
  await speaker.end();
  const again = await enter(there, speaker.name, room);
  const phone = await enter(here, speaker.name, room, 'phone');
  for (const client of [again, phone]) {
    await client.knows(({ speak }) => !speak);
    await client.talk();
  }
  await hearNothing(audience, again, phone);

  // It is for that conversation alone.
  const next = fresh('room');
  is(await join(here, speaker.name, next), 200);
  await phone.knows((view) => view.conversation === next && view.speak);
  await phone.knows((view) => view.named(speaker.name)?.name === `Name of ${speaker.name}`);
  is(await join(there, audience.name, next), 200);
  await audience.knows((view) => view.conversation === next && !view.speak);
  equal(speakersIn(await hear(audience, [speaker.name])), [speaker.name]);
  is(await operator.operate(path(phone, 'speak')), 404, 'they are not there any more');
  for (const client of [audience, again, phone]) await client.end();
}

/** A ban that one place is told and the other has to know. */
async function banning(here: Place, there: Place): Promise<void> {
  const [room, ann, bob] = [fresh('room'), fresh('ann'), fresh('bob')];
  const client = await enter(there, ann, room);
  const path = `/conversations/${room}/users/${ann}`;
  is(await here.operate(`${path}/kick?ban=0`), 400);
  is(await here.operate(`${path}/unban`), 404);
  is(await here.operate(`${path}/kick?ban=100`), 200);
  await client.knows((view) => view.of('left').some(({ conversation, kicked }) => conversation === room && kicked));
  for (const { url } of [here, there]) {
    const answer = await fetch(`${url}/join/${room}`, { method: 'POST', headers: claimHeader(ann) });
    is(answer.status, 403);
    const left = Number(answer.headers.get('retry-after'));
    ok(left > 90 && left <= 100, String(left));
    match(((await answer.json()) as { detail: string }).detail, `${left} s`);
  }
  const { bans } = await there.user(ann);
  equal([bans?.length, bans?.[0]?.conversation], [1, room]);
  is(await join(here, ann, fresh('elsewhere')), 200);
  await client.end();
  is(await here.operate(`${path}/unban`), 200);
  is(await join(there, ann, room), 200);
  is(await there.operate(`/conversations/${room}/users/${bob}/kick?ban=1`), 200, 'somebody who is not there');
  is(await join(here, bob, room), 403);
  await until('the ban ends', async () => (await join(here, bob, room)) === 200);
}

test('whoever is kicked with a ban cannot come back until it ends, which the answer tells', async () => {
  const server = await startServer({ MAX_JOINS_PER_SECOND: '100' });
  const place = placeOf(server);
  await banning(place, place);
  match(await (await fetch(`${server.adminUrl}/metrics`)).text(), /sfu_joins_total\{outcome="denied"\} ([3-9]|\d\d)/);
  is(await server.stop(), 0);
});

test('who may not speak is not heard and is told so, whatever they do, until an operator lets them', async () => {
  const server = await startServer({
    PERMISSIONS_HOST: permissions.url,
    PERMISSIONS_CACHE_MS: '0',
    EVENTS_INTERVAL_MS: '50',
  });
  const place = placeOf(server);
  await course(place, place, place);
  is(await server.stop(), 0);
});

test('a 2xx without JSON that can be read grants everything, and the log says what was not understood', async () => {
  const server = await startServer({ PERMISSIONS_HOST: permissions.url, PERMISSIONS_CACHE_MS: '0' });
  const place = placeOf(server);
  const bodies: [type: string, body: string, speak: boolean][] = [
    ['application/json', '{"speak": false}', false],
    ['application/problem+json; charset=utf-8', '{"speak": false, "later": 1}', false],
    ['application/json', '{}', true],
    ['application/json', '', true],
    ['text/plain', '{"speak": false}', true],
    ['application/json', '{"speak": "no"}', true],
    ['application/json', '{"speak": false, "name": 7}', false],
    ['application/json', `{"speak": false, "x": "${'x'.repeat(20_000)}"}`, true],
  ];
  try {
    for (const [type, body, speak] of bodies) {
      permissions.reply = (response) => response.writeHead(200, { 'Content-Type': type }).end(body);
      const user = fresh('user');
      is(await join(place, user, 'room'), 200, body);
      is((await place.user(user)).speak, speak, `${type} ${body.slice(0, 40)}`);
    }
    const body = await fetch(`${server.adminUrl}/conversations/room`);
    const { users } = (await body.json()) as ConversationDetail;
    is(users.filter(({ speak }) => !speak).length, 3);
    match(await server.logged('not understood'), '"level":40');
  } finally {
    permissions.reply = says();
  }
  is(await server.stop(), 0);
});

shared('the right to speak goes with a user over all instances', async (cluster: Cluster) => {
  await course(instanceOf(cluster.at(0)), instanceOf(cluster.at(1)), instanceOf(cluster.at(1)));
});

/** What the permission service says of those who are already there. Two instances may both have connections of one. */
async function asking(here: Place, there: Place): Promise<void> {
  const room = fresh('room');
  const [stays, changes, goes] = [fresh('stays'), fresh('changes'), fresh('goes')];
  const clients: TestClient[] = [];
  for (const userid of [stays, changes, goes]) clients.push(await enter(here, userid, room));
  const phone = await enter(there, goes, room, 'phone');
  const count = permissions.asked.length;
  await permissions.wasAsked(count + 6);
  permissions.reply = (response, request) => {
    if (request.url!.includes(goes)) response.writeHead(503).end();
    else says((userid) => ({ speak: userid !== changes }))(response, request);
  };
  await clients[1]!.knows(({ speak }) => !speak);
  await permissions.wasAsked(permissions.asked.length + 12);
  is((await clients[2]!.look()).conversation, room, 'a service that is down throws nobody out');
  permissions.reply = (response, request) => {
    if (request.url!.includes(goes)) response.writeHead(404).end();
    else says(() => ({}))(response, request);
  };
  await clients[1]!.knows(({ speak }) => speak);
  is((await clients[2]!.look()).conversation, room, 'nor does one that is another');
  permissions.reply = (response, request) => {
    if (request.url!.includes(goes)) response.writeHead(403).end();
    else says(() => ({}))(response, request);
  };
  for (const client of [clients[2]!, phone]) {
    await client.knows((view) => view.conversation === null && view.of('left').at(-1)?.kicked === true);
  }
  is(await join(there, goes, room), 401);
  await clients[0]!.knows(({ userids, total }) => total === 2 && userids.includes(stays));
  equal(clients[0]!.view.of('left'), []);
  for (const client of [...clients, phone]) await client.end();
  permissions.reply = says();
}

const AGAIN = { PERMISSIONS_CACHE_MS: '60000', PERMISSIONS_RECHECK_MS: '500' };

test('a right that ends or changes does so for those who are already there, once the service is asked again', async () => {
  const server = await startServer({ PERMISSIONS_HOST: permissions.url, EVENTS_INTERVAL_MS: '50', ...AGAIN });
  const place = placeOf(server);
  await asking(place, place);
  match(await server.logged('the permission has ended'), '"level":30');
  is(await server.stop(), 0);
});

shared('a ban holds on all instances, whichever was told', async (cluster: Cluster) => {
  await banning(instanceOf(cluster.at(0)), instanceOf(cluster.at(1)));
});

const rechecked = sharedCluster(test, { env: { PERMISSIONS_HOST: permissions.url, ...AGAIN } });

rechecked('a right that ends does so on all instances', async (cluster: Cluster) => {
  await asking(instanceOf(cluster.at(0)), instanceOf(cluster.at(1)));
});

test('everything ends', async () => {
  await permissions.close();
  host.kill();
});

test.run();
