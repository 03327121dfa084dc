/** Clients that connect from the address and port of one that the server has not given up yet. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { is, match, ok } from 'uvu/assert';
import { writeRequest } from '../../src/main/events/schema.ts';
import { scenarios } from '../support/scenario.ts';
import { freeUdpPort, startServer } from '../support/server.ts';
import { SharedSocket } from '../support/shared-socket.ts';
import { pause } from '../support/waiting.ts';
import { WebrtcClient } from '../support/webrtc.ts';

const test = scenarios('ghosts');
/** An RTP packet of silence that counts up, and a report without blocks (RFC 3550, section 6.4.2). */
const PACKET = Buffer.alloc(40);
PACKET.writeUInt16BE(0x806f, 0);
PACKET.writeUInt32BE(4711, 8);
const REPORT = Buffer.from('80c90001', 'hex');
const SCRIPT = fileURLToPath(new URL('../support/one-client.js', import.meta.url));
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

interface Outcome {
  readonly code: number;
  readonly reason: string;
  /** Time until the websocket was closed, milliseconds. */
  readonly took: number;
  /** Kills the process without a goodbye. */
  kill(): Promise<void>;
}

/** Connects a client in a process of its own, bound to a UDP port. */
async function client(url: string, userid: string, port: number, talks: boolean, relay = 0): Promise<Outcome> {
  const args = [url, userid, String(port), String(+talks), String(relay)];
  const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => {
      running.delete(child);
      resolve();
    }),
  );
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', resolve);
    child.once('exit', () => reject(new Error('the client ended')));
  });
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
  };
  return { ...JSON.parse(line), kill };
}

/** Connects a client behind a shared socket. */
async function come(
  url: string,
  nat: SharedSocket,
  mediaPorts: readonly number[],
  userid: string,
): Promise<WebrtcClient> {
  const client = new WebrtcClient({
    ...{ url, claim: { userid, clientid: 'client' }, slots: 1, publishes: true },
    ...{ payloadType: 111, ssrc: 4711, data: true, relay: await nat.admit(mediaPorts) },
  });
  await client.connect();
  return client;
}

function isTurnedAway({ close }: WebrtcClient): void {
  is(close?.code, 4503);
  match(close!.reason, 'address and port in use: connect again: another connection has them');
}

for (const [who, second] of [
  ['the same user', 'ann'],
  ['another user', 'bob'],
] as const) {
  for (const talks of [true, false]) {
    test(`on one media port, ${who} connects from the address and port of a client that was killed${talks ? '' : ', silent ones'}`, async () => {
      const server = await startServer();
      const port = await freeUdpPort();
      const first = await client(server.url, 'ann', port, talks);
      is(first.code, 1000, first.reason);
      await first.kill();
      const next = await client(server.url, second, port, talks);
      is(next.code, 1000, next.reason);
      ok(next.took < 5000, `${next.took} ms`);
      await next.kill();
      is(await server.stop(), 0);
    }, 40);
  }
}

test('on four media ports with even loads, a stranger from there connects at once', async () => {
  const first = await freeUdpPort();
  const server = await startServer({ MEDIA_PORTS: [0, 1, 2, 3].map((i) => first + i).join() });
  const port = await freeUdpPort();
  const all = await Promise.all([0, 1, 2, 3].map((i) => client(server.url, `u${i}`, i === 2 ? port : 0, true)));
  await all[2]!.kill();
  const next = await client(server.url, 'stranger', port, true);
  is(next.code, 1000, next.reason);
  for (const { kill } of [...all, next]) await kill();
  is(await server.stop(), 0);
}, 40);

test('behind one UDP socket as many clients connect as there are media ports; the next one is told, and may come once one has gone', async () => {
  const first = await freeUdpPort();
  const mediaPorts = [0, 1, 2, 3].map((i) => first + i);
  const server = await startServer({ MEDIA_PORTS: mediaPorts.join() });
  const nat = await SharedSocket.open();
  const clients: WebrtcClient[] = [];
  let sent = 0;
  const talking = setInterval(() => {
    PACKET.writeUInt16BE(++sent & 0xffff, 2);
    for (const client of clients) client.send(PACKET);
  }, 20);
  while (clients.length < mediaPorts.length) {
    const client = await come(server.url, nat, mediaPorts, `user ${clients.length}`);
    is(client.close?.code, 1000, client.close?.reason);
    clients.push(client);
  }
  const surplus = await come(server.url, nat, mediaPorts, 'surplus');
  isTurnedAway(surplus);
  surplus.end();
  for (const { state } of clients) is(state, 'connected', 'nobody is cut off by it');
  clients.shift()!.end();
  await server.logged('"msg":"connection ended"', '"userid":"user 0"');
  const next = await come(server.url, nat, mediaPorts, 'next');
  is(next.close?.code, 1000, next.close?.reason);
  clearInterval(talking);
  for (const client of [...clients, next]) client.end();
  is(await server.stop(), 0);
  nat.close();
}, 40);

for (const [how, tells] of [
  ['is muted', true],
  ['has stopped its microphone without a word', false],
] as const) {
  test(`a client that ${how} is no ghost: whoever comes from the same socket is turned away`, async () => {
    const port = await freeUdpPort();
    const server = await startServer({ MEDIA_PORTS: String(port) });
    const nat = await SharedSocket.open();
    const first = await come(server.url, nat, [port], 'first');
    for (let i = 0; i < 50; i++) {
      PACKET.writeUInt16BE(i, 2);
      first.send(PACKET);
      await pause(20);
    }
    if (tells) await first.say([writeRequest({ v: 1, type: 'mute', muted: true })]);
    // A silent client reports now and then, as browsers do.
    const reporting = setInterval(() => first.send(Buffer.concat([REPORT, PACKET.subarray(8, 12)])), 3000);
    await pause(4000);
    const second = await come(server.url, nat, [port], 'second');
    isTurnedAway(second);
    is(first.state, 'connected');
    clearInterval(reporting);
    first.end();
    second.end();
    is(await server.stop(), 0);
    nat.close();
  }, 40);
}

test.run();
