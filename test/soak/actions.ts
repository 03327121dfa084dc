/** The actions of clients and operators in a soak. */
import { Close } from '../../src/main/errors.ts';
import { readOffer } from '../support/offers.ts';
import { claimHeader } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';
import { call } from './figures.ts';
import type { SoakClient, SoakState } from './state.ts';

/** The documented close codes; 1007 and 1009 are the websocket library's. */
const DOCUMENTED = new Set<number>([1007, 1009, ...Object.values(Close).map(({ code }) => code)]);
/** The offer of a browser whose addresses are names, so that it never connects. */
const UNREACHABLE = readOffer('chromium-156-mdns');

type Action = (state: SoakState) => Promise<void> | void;

/** An action, and its weight among all actions. */
export interface WeightedAction {
  readonly name: string;
  readonly weight: number;
  readonly act: Action;
}

export const ACTIONS: readonly WeightedAction[] = [
  { name: 'connect', weight: 16, act: connect },
  { name: 'hang up', weight: 6, act: hangUp },
  { name: 'kill', weight: 1, act: (state) => state.killOne() },
  { name: 'join', weight: 14, act: (state) => membership(state, 'POST', 200) },
  { name: 'leave', weight: 4, act: (state) => membership(state, 'DELETE', 200) },
  { name: 'talk', weight: 6, act: (state) => withSomeClient(state, ({ client }) => client.talk(state.below(2) * 20)) },
  { name: 'hush', weight: 6, act: (state) => withSomeClient(state, ({ client }) => client.hush()) },
  { name: 'ask', weight: 14, act: ask },
  { name: 'babble', weight: 2, act: babble },
  { name: 'operate', weight: 6, act: operate },
  { name: 'bad request', weight: 2, act: badRequest },
  { name: 'bad offer', weight: 4, act: badOffer },
  { name: 'silent websocket', weight: 2, act: silentWebsocket },
  { name: 'torn websocket', weight: 3, act: tornWebsocket },
  { name: 'unreachable', weight: 1, act: unreachable },
];

/** Counts a closed websocket, and reports a close code that was not expected. */
function closed(state: SoakState, what: string, code: number, wanted: readonly number[]): void {
  state.report.count(`closed ${code} `);
  if (!DOCUMENTED.has(code)) state.report.violated(`${what}: closed with ${code}, which no document names`);
  else if (!wanted.includes(code)) state.report.violated(`${what}: closed with ${code}, not ${wanted.join(' or ')}`);
}

async function withSomeClient(state: SoakState, act: (client: SoakClient) => Promise<unknown>): Promise<void> {
  const client = state.pick(state.clients);
  if (client !== undefined) await act(client);
}

async function connect(state: SoakState): Promise<void> {
  const claim = state.claim();
  const host = state.host();
  // Without a data channel the library sends no goodbye.
  const data = !state.vanish || state.below(5) > 0;
  const client = await host.connect(state.server.url, `${claim.userid}/${claim.clientid}`, {
    claim,
    slots: state.below(4),
    publishes: state.below(4) > 0,
    declaresSsrc: state.below(3) > 0,
    data,
    keeps: false,
  });
  // The port of a client that has just been killed stays its own for 30 s, and a new client on it cannot connect.
  closed(state, 'connect', client.close.code, [1000, 4406, 4409, 4502, 4504]);
  if (client.close.code !== 1000) return client.end();
  const older = state.clients.find((one) => one.claim.userid === claim.userid && one.claim.clientid === claim.clientid);
  if (older !== undefined) state.remove(older);
  state.clients.push({ claim, client, host, data });
  if (older?.host.alive === true) await older.client.end();
  if (state.below(5) > 0) await call('POST', `${state.server.url}/join/${state.room()}`, header(claim));
  if (state.below(2) > 0) await client.talk();
}

async function hangUp(state: SoakState): Promise<void> {
  await withSomeClient(state, (client) => {
    state.remove(client);
    return client.client.end();
  });
}

async function membership(state: SoakState, method: string, wanted: number): Promise<void> {
  const { claim } = state.pick(state.clients) ?? { claim: state.claim() };
  const [status, body] = await call(method, `${state.server.url}/join/${state.room()}`, header(claim));
  if (status !== wanted) state.report.violated(`${method} /join: ${status} ${body}`);
}

/** Sends one of the requests over the channel for events. */
async function ask(state: SoakState): Promise<void> {
  await withSomeClient(state, async ({ client, data }) => {
    if (!data) return;
    const numbers = [...(await client.look()).participants.keys()];
    const some = numbers.filter(() => state.below(3) === 0).slice(0, 16);
    const flag = state.below(2) === 0;
    const requests = [
      { v: 1, type: 'mute', muted: flag },
      { v: 1, type: 'deafen', deafened: flag },
      { v: 1, type: 'pin', numbers: some },
      { v: 1, type: 'exclude', numbers: some },
      { v: 1, type: 'participants', after: 0, limit: 10 },
    ] as const;
    await client.request(state.pick(requests)!);
  });
}

/** Sends what no client of ours would send over a data channel. */
async function babble(state: SoakState): Promise<void> {
  await withSomeClient(state, async ({ client, data }) => {
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
    await client.say(state.pick(texts)!);
  });
}

/** Does one of an operator's requests: reads, kicks or mutes. */
async function operate(state: SoakState): Promise<void> {
  const base = `${state.server.adminUrl}/conversations`;
  const room = state.room();
  const { userid } = state.pick(state.clients)?.claim ?? state.claim();
  const requests = [
    ['GET', base],
    ['GET', `${base}/${room}`],
    ['POST', `${base}/${room}/users/${userid}/kick`],
    ['POST', `${base}/${room}/users/${userid}/mute`],
    ['POST', `${base}/${room}/users/${userid}/unmute`],
  ] as const;
  const [method, url] = state.pick(requests)!;
  const [status, body] = await call(method, url);
  if (status !== 200 && status !== 404) state.report.violated(`${method} ${url}: ${status} ${body}`);
}

async function badRequest(state: SoakState): Promise<void> {
  const { url } = state.server;
  const claim = header(state.claim());
  const requests = [
    ['POST', `${url}/join/room`, {}, 400],
    ['POST', `${url}/join/%ff`, claim, 400],
    ['PUT', `${url}/join/room`, claim, 405],
    ['GET', `${url}/nothing`, claim, 404],
    ['GET', `${url}/connect`, claim, 426],
  ] as const;
  const [method, target, headers, wanted] = state.pick(requests)!;
  const [status] = await call(method, target, headers);
  if (status !== wanted) state.report.violated(`${method} ${target}: ${status}, not ${wanted}`);
}

async function badOffer(state: SoakState): Promise<void> {
  const offers = [
    ['v=0', 4400],
    ['hello', 4400],
    [Buffer.from('v=0'), 1003],
    ['v=0\r\n'.repeat(20_000), 1009],
    [UNREACHABLE.replace(/^m=audio/gm, 'm=video'), 4406],
  ] as const;
  const [offer, wanted] = state.pick(offers)!;
  const signal = await openSocket(state.server.url, `bad ${state.below(1000)}`);
  signal.socket.send(offer);
  closed(state, 'bad offer', (await signal.closed).code, [wanted]);
}

async function silentWebsocket(state: SoakState): Promise<void> {
  const signal = await openSocket(state.server.url, `silent ${state.below(1000)}`);
  closed(state, 'silent websocket', (await signal.closed).code, [4408, 4409]);
}

/** Drops the websocket before the offer, after it, or after the answer. */
async function tornWebsocket(state: SoakState): Promise<void> {
  const signal = await openSocket(state.server.url, `torn ${state.below(1000)}`);
  const after = state.below(3);
  if (after > 0) signal.socket.send(UNREACHABLE);
  if (after > 1) await signal.next();
  signal.socket.terminate();
}

async function unreachable(state: SoakState): Promise<void> {
  const signal = await openSocket(state.server.url, `unreachable ${state.below(1000)}`);
  signal.socket.send(UNREACHABLE);
  await signal.next();
  closed(state, 'unreachable', (await signal.closed).code, [4409, 4502, 4504]);
}

function header({ userid, clientid }: { userid: string; clientid: string }): Record<string, string> {
  return claimHeader(userid, clientid);
}
