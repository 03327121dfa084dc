/** Taps of a real server with real clients. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { is, match, ok } from 'uvu/assert';
import { WebSocket } from 'ws';
import { ClientHost, type TestClient } from '../support/client.ts';
import { rtp } from '../support/packets.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { TapReader } from '../support/tap-reader.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('taps-live');
const host = new ClientHost();

let running: Promise<RunningServer> | undefined;
const server = (): Promise<RunningServer> => {
  running ??= startServer({ EVENTS_INTERVAL_MS: '50', MAX_TAPS: '4' });
  return running;
};

let names = 0;
const fresh = (name: string): string => `${name}${++names}`;

async function enter(userid: string, room: string): Promise<void> {
  const { url } = await server();
  const headers = claimHeader(userid);
  is((await fetch(`${url}/join/${encodeURIComponent(room)}`, { method: 'POST', headers })).status, 200);
}

async function connect(userid: string, room: string): Promise<TestClient> {
  const client = await host.connect((await server()).url, userid, { slots: 2, levelId: 1 });
  is(client.close.code, 1000);
  await enter(userid, room);
  return client;
}

async function tap(room: string, query = ''): Promise<TapReader> {
  return new TapReader((await server()).adminUrl, room, query).opened();
}

/** Returns the numbers that a test client wrote into its packets. */
function counts(reader: TapReader, userid: string): number[] {
  return reader.of(userid).map(({ bytes }) => {
    const buffer = Buffer.from(bytes);
    return Number(buffer.readBigUInt64BE((buffer[0]! & 0x10) === 0 ? 12 : 20));
  });
}

test('a tap that is opened before anybody comes brings every packet of everybody, with names and times', async () => {
  const room = fresh('room/ %');
  const reader = await tap(room);
  const [ann, bob] = [fresh('ann'), fresh('bob')];
  const clients = await Promise.all([connect(ann, room), connect(bob, room)]);
  const before = Date.now();
  for (const client of clients) await client.talk();
  for (const name of [ann, bob]) {
    await until(`${name} is heard`, () => reader.of(name).length >= 100);
    const all = counts(reader, name);
    is(all[0], 0, 'the first packet is there');
    ok(all.every((count, i) => count === i));
    const times = reader.of(name).map(({ arrival }) => arrival / 1000);
    ok(times.every((time, i) => i === 0 || time >= times[i - 1]!));
    ok(times[0]! >= before - 50 && times.at(-1)! <= Date.now() + 50, `${times[0]} ${before}`);
  }
  await until('the list has both', () => reader.view.userids.join() === [ann, bob].sort().join());
  await until('both speak', () => reader.view.speaking.length === 2);
  for (const client of clients) await client.end();
  await until('the list is empty', () => reader.view.userids.length === 0);
  reader.socket.close();
});

test('who is muted is not in a tap, whatever they send', async () => {
  const room = fresh('room');
  const ann = fresh('ann');
  const reader = await tap(room);
  const client = await connect(ann, room);
  await client.talk();
  await until('ann is heard', () => reader.of(ann).length > 10);
  await client.request({ v: 1, type: 'mute', muted: true });
  await until('the list says so', () => reader.view.named(ann)?.muted === true);
  const heard = reader.of(ann).length;
  await client.sends(25);
  is(reader.of(ann).length, heard);
  await client.request({ v: 1, type: 'mute', muted: false });
  await until('ann is heard again', () => reader.of(ann).length > heard + 10);
  await client.end();
  reader.socket.close();
});

test('whoever moves to another conversation is in its tap from then on', async () => {
  const rooms = [fresh('room'), fresh('room')];
  const ann = fresh('ann');
  const [one, other] = await Promise.all(rooms.map((room) => tap(room)));
  const client = await connect(ann, rooms[0]!);
  await client.talk();
  await until('ann is in the first', () => one!.of(ann).length > 10);
  await enter(ann, rooms[1]!);
  await until('ann is in the second', () => other!.of(ann).length > 10);
  const last = counts(one!, ann).at(-1)!;
  ok(counts(other!, ann)[0]! > last);
  await client.end();
  for (const reader of [one!, other!]) reader.socket.close();
});

test('a request that is no tap is refused with the reason', async () => {
  const { adminUrl } = await server();
  const ask = (path: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' };
      const all = { ...upgrade, 'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'), ...headers };
      const asked = request(`${adminUrl}${path}`, { headers: all }, (response) => {
        let text = '';
        response.on('data', (data) => {
          text += data;
        });
        response.once('end', () => resolve({ status: response.statusCode!, text }));
      });
      asked.once('error', reject);
      asked.once('upgrade', (_, socket) => {
        socket.destroy();
        resolve({ status: 101, text: '' });
      });
      asked.end();
    });
  is((await ask('/conversations/a/tap')).status, 101);
  is((await fetch(`${adminUrl}/conversations/a/tap`)).status, 426);
  is((await ask('/conversations/a/tap', { Origin: 'https://example.org' })).status, 403);
  is((await ask('/conversations/a/tap?foremost=x')).status, 400);
  match((await ask('/conversations/a/tap?recording=yes')).text, 'recording must be 1, or 0');
  is((await ask('/conversations/%00/tap')).status, 400);
  is((await ask('/conversations/a')).status, 404, 'a request for another row is answered as if it were none');
  is((await ask('/healthz', { Upgrade: 'h2c' })).status, 200);
  await until('the first one is over', async () => (await metric('sfu_taps')) === 0);
  const readers = await Promise.all([1, 2, 3, 4].map(() => tap(fresh('room'))));
  const { status, text } = await ask('/conversations/a/tap');
  is(status, 503);
  match(text, 'All 4 taps (MAX_TAPS) are in use.');
  for (const reader of readers) reader.socket.close();
  await until('there is room again', async () => (await metric('sfu_taps')) === 0);
});

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${(await server()).adminUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
}

test('a reader that stops reading loses packets, delays nobody, and is told how many', async () => {
  const room = fresh('room');
  const names = Array.from({ length: 6 }, () => fresh('speaker'));
  const reader = await tap(room);
  const clients = await Promise.all(names.map((name) => connect(name, room)));
  let sequence = 0;
  /** Everybody sends as much as they may in a quarter of a second. */
  const say = async (): Promise<void> => {
    const packets = Array.from({ length: 35 }, () => {
      const fields = { sequence: sequence++, timestamp: 960 * sequence, payload: Buffer.alloc(1000, 0x78) };
      return rtp(fields);
    });
    await Promise.all(clients.flatMap((client) => packets.map((packet) => client.send(packet))));
    await pause(250);
  };
  await say();
  await until('all are heard', () => names.every((name) => reader.of(name).length > 0));
  reader.socket.pause();
  const [given, before] = [await metric('sfu_tap_packets_total'), await metric('sfu_tap_lost_packets_total')];
  const heard = reader.packets.length;
  while ((await metric('sfu_tap_lost_packets_total')) < before + 100) await say();
  reader.socket.resume();
  await until('it is told', () => reader.lost.length > 0);
  await say();
  const lost = reader.lost.reduce((sum, packets) => sum + packets, 0);
  is(lost, (await metric('sfu_tap_lost_packets_total')) - before);
  const got = (await metric('sfu_tap_packets_total')) - given;
  await until('it goes on', () => reader.packets.length - heard >= got);
  for (const client of clients) await client.end();
  reader.socket.close();
}, 120);

test('an operator who hangs up or sends nonsense ends the tap alone', async () => {
  const room = fresh('room');
  const [one, other] = await Promise.all([tap(room), tap(room)]);
  one!.socket.send(Buffer.alloc(5000));
  is(await one!.closed, 1009);
  const { adminUrl } = await server();
  const raw = connectTcp(Number(new URL(adminUrl).port), '127.0.0.1');
  raw.write(
    'GET /conversations/a/tap HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
  );
  await until('it is open', async () => (await metric('sfu_taps')) === 2);
  raw.destroy();
  await until('it is gone', async () => (await metric('sfu_taps')) === 1);
  const client = await connect(fresh('ann'), room);
  await client.talk();
  await until('the other one goes on', () => other!.packets.length > 10);
  await client.end();
  other!.socket.close();
});

test('a server that shuts down ends its taps with 1012, after the last packet', async () => {
  const own = await startServer();
  const room = fresh('room');
  const reader = await new TapReader(own.adminUrl, room).opened();
  const client = await host.connect(own.url, 'ann', { slots: 1 });
  is((await fetch(`${own.url}/join/${room}`, { method: 'POST', headers: claimHeader('ann') })).status, 200);
  await client.talk();
  await until('ann is heard', () => reader.of('ann').length > 10);
  is(await own.stop(), 0);
  is(await reader.closed, 1012);
  await client.end();
});

test('everybody is told that the conversation is recorded, unless the tap keeps nothing', async () => {
  const room = fresh('room');
  const ann = await connect(fresh('ann'), room);
  await ann.knows((view) => view.conversation === room);
  const silent = await tap(room, '?recording=0');
  const reader = await tap(room);
  await ann.knows((view) => view.recording);
  is(ann.view.of('recording').length, 1);
  const bob = await connect(fresh('bob'), room);
  await bob.knows((view) => view.conversation === room);
  is(bob.view.recording, true);
  await until('the reader knows', () => reader.view.recording);
  const second = await tap(room);
  reader.socket.close();
  await reader.closed;
  await (await server()).logged('a tap was closed', room);
  second.socket.close();
  for (const client of [ann, bob]) await client.knows((view) => !view.recording);
  is(ann.view.of('recording').length, 2, 'the second recording is the same to those who are recorded');
  for (const client of [ann, bob]) await client.end();
  silent.socket.close();
});

test('a tap needs the operators’ token where there is one', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'tap-')), 'token');
  writeFileSync(file, 'abcdefghijklmnopqrstuvwxyz\n');
  const own = await startServer({ ADMIN_TOKEN_FILE: file });
  const ask = async (token?: string): Promise<number> => {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${own.adminUrl.replace('http', 'ws')}/conversations/a/tap`, { headers });
    return new Promise((resolve) => {
      socket.once('unexpected-response', (_, { statusCode }) => resolve(statusCode!));
      socket.once('open', () => resolve(101));
      socket.on('error', () => undefined);
    });
  };
  is(await ask(), 401);
  is(await ask('abcdefghijklmnopqrstuvwxya'), 401);
  is(await ask('abcdefghijklmnopqrstuvwxyz'), 101);
  is(await own.stop(), 0);
});

test('the shared server ends', async () => {
  is(await (await server()).stop(), 0);
});

test.run();
