/** What clients and operators do in a soak. */
import { Close } from '../../src/main/errors.ts';
import { readOffer } from '../support/offers.ts';
import { claimHeader } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';
import { call } from './figures.ts';
import type { Person, World } from './world.ts';

/** All that the README documents; 1007 and 1009 are the websocket library's. */
const DOCUMENTED = new Set<number>([1007, 1009, ...Object.values(Close).map(({ code }) => code)]);
/** A browser whose addresses are names, so that nothing ever comes of it. */
const UNREACHABLE = readOffer('chromium-156-mdns');

type Action = (world: World) => Promise<void> | void;

/** Something that is done, and how often among all. */
export interface Deed {
  readonly name: string;
  readonly weight: number;
  readonly act: Action;
}

export const DEEDS: readonly Deed[] = [
  { name: 'connect', weight: 16, act: connect },
  { name: 'hang up', weight: 6, act: hangUp },
  { name: 'kill', weight: 1, act: (world) => world.killOne() },
  { name: 'join', weight: 14, act: (world) => membership(world, 'POST', 200) },
  { name: 'leave', weight: 4, act: (world) => membership(world, 'DELETE', 200) },
  { name: 'talk', weight: 6, act: (world) => withSomebody(world, ({ client }) => client.talk(world.below(2) * 20)) },
  { name: 'hush', weight: 6, act: (world) => withSomebody(world, ({ client }) => client.hush()) },
  { name: 'ask', weight: 14, act: ask },
  { name: 'babble', weight: 2, act: babble },
  { name: 'operate', weight: 6, act: operate },
  { name: 'bad request', weight: 2, act: badRequest },
  { name: 'bad offer', weight: 4, act: badOffer },
  { name: 'silent websocket', weight: 2, act: silentWebsocket },
  { name: 'torn websocket', weight: 3, act: tornWebsocket },
  { name: 'unreachable', weight: 1, act: unreachable },
];

/** Counts how a websocket ended. */
function closed(world: World, what: string, code: number, wanted: readonly number[]): void {
  world.report.count(`closed ${code} `);
  if (!DOCUMENTED.has(code)) world.report.violated(`${what}: closed with ${code}, which is documented nowhere`);
  else if (!wanted.includes(code)) world.report.violated(`${what}: closed with ${code}, not ${wanted.join(' or ')}`);
}

async function withSomebody(world: World, act: (person: Person) => Promise<unknown>): Promise<void> {
  const person = world.pick(world.people);
  if (person !== undefined) await act(person);
}

async function connect(world: World): Promise<void> {
  const claim = world.claim();
  const host = world.host();
  // Without a data channel the library says no goodbye.
  const data = !world.vanish || world.below(5) > 0;
  const client = await host.connect(world.server.url, `${claim.userid}/${claim.clientid}`, {
    claim,
    slots: world.below(4),
    publishes: world.below(4) > 0,
    declaresSsrc: world.below(3) > 0,
    data,
    keeps: false,
  });
  // A port of a client that was killed a moment ago is its own for 30 s: then nothing can come of it.
  closed(world, 'connect', client.close.code, [1000, 4406, 4409, 4502, 4504]);
  if (client.close.code !== 1000) return client.end();
  const older = world.people.find((one) => one.claim.userid === claim.userid && one.claim.clientid === claim.clientid);
  if (older !== undefined) world.remove(older);
  world.people.push({ claim, client, host, data });
  if (older?.host.alive === true) await older.client.end();
  if (world.below(5) > 0) await call('POST', `${world.server.url}/join/${world.room()}`, header(claim));
  if (world.below(2) > 0) await client.talk();
}

async function hangUp(world: World): Promise<void> {
  await withSomebody(world, (person) => {
    world.remove(person);
    return person.client.end();
  });
}

async function membership(world: World, method: string, wanted: number): Promise<void> {
  const { claim } = world.pick(world.people) ?? { claim: world.claim() };
  const [status, body] = await call(method, `${world.server.url}/join/${world.room()}`, header(claim));
  if (status !== wanted) world.report.violated(`${method} /join: ${status} ${body}`);
}

/** One of the requests over the channel for events. */
async function ask(world: World): Promise<void> {
  await withSomebody(world, async ({ client, data }) => {
    if (!data) return;
    const numbers = [...(await client.look()).participants.keys()];
    const some = numbers.filter(() => world.below(3) === 0).slice(0, 16);
    const flag = world.below(2) === 0;
    const requests = [
      { v: 1, type: 'mute', muted: flag },
      { v: 1, type: 'deafen', deafened: flag },
      { v: 1, type: 'pin', numbers: some },
      { v: 1, type: 'exclude', numbers: some },
      { v: 1, type: 'participants', after: 0, limit: 10 },
    ] as const;
    await client.request(world.pick(requests)!);
  });
}

/** What no client of ours would say over a data channel. */
async function babble(world: World): Promise<void> {
  await withSomebody(world, async ({ client, data }) => {
    if (!data) return;
    const texts = [
      '',
      '{',
      '[]',
      '{"v":2}',
      '{"v":1,"type":"fly"}',
      '{"v":1,"type":"pin","numbers":[0]}',
      'x'.repeat(5000),
    ];
    await client.say(world.pick(texts)!);
  });
}

/** An operator looks, kicks and mutes. */
async function operate(world: World): Promise<void> {
  const base = `${world.server.adminUrl}/conversations`;
  const room = world.room();
  const { userid } = world.pick(world.people)?.claim ?? world.claim();
  const requests = [
    ['GET', base],
    ['GET', `${base}/${room}`],
    ['POST', `${base}/${room}/users/${userid}/kick`],
    ['POST', `${base}/${room}/users/${userid}/mute`],
    ['POST', `${base}/${room}/users/${userid}/unmute`],
  ] as const;
  const [method, url] = world.pick(requests)!;
  const [status, body] = await call(method, url);
  if (status !== 200 && status !== 404) world.report.violated(`${method} ${url}: ${status} ${body}`);
}

async function badRequest(world: World): Promise<void> {
  const { url } = world.server;
  const claim = header(world.claim());
  const requests = [
    ['POST', `${url}/join/room`, {}, 400],
    ['POST', `${url}/join/%ff`, claim, 400],
    ['PUT', `${url}/join/room`, claim, 405],
    ['GET', `${url}/nothing`, claim, 404],
    ['GET', `${url}/connect`, claim, 426],
  ] as const;
  const [method, target, headers, wanted] = world.pick(requests)!;
  const [status] = await call(method, target, headers);
  if (status !== wanted) world.report.violated(`${method} ${target}: ${status}, not ${wanted}`);
}

async function badOffer(world: World): Promise<void> {
  const offers = [
    ['v=0', 4400],
    ['hello', 4400],
    [Buffer.from('v=0'), 1003],
    ['v=0\r\n'.repeat(20_000), 1009],
    [UNREACHABLE.replace(/^m=audio/gm, 'm=video'), 4406],
  ] as const;
  const [offer, wanted] = world.pick(offers)!;
  const signal = await openSocket(world.server.url, `bad ${world.below(1000)}`);
  signal.socket.send(offer);
  closed(world, 'bad offer', (await signal.closed).code, [wanted]);
}

async function silentWebsocket(world: World): Promise<void> {
  const signal = await openSocket(world.server.url, `silent ${world.below(1000)}`);
  closed(world, 'silent websocket', (await signal.closed).code, [4408, 4409]);
}

/** Without a goodbye, before the offer, after it, or after the answer. */
async function tornWebsocket(world: World): Promise<void> {
  const signal = await openSocket(world.server.url, `torn ${world.below(1000)}`);
  const after = world.below(3);
  if (after > 0) signal.socket.send(UNREACHABLE);
  if (after > 1) await signal.next();
  signal.socket.terminate();
}

async function unreachable(world: World): Promise<void> {
  const signal = await openSocket(world.server.url, `unreachable ${world.below(1000)}`);
  signal.socket.send(UNREACHABLE);
  await signal.next();
  closed(world, 'unreachable', (await signal.closed).code, [4409, 4502, 4504]);
}

function header({ userid, clientid }: { userid: string; clientid: string }): Record<string, string> {
  return claimHeader(userid, clientid);
}
