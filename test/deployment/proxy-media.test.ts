/** Calls behind a real proxy: connect, join and talk, and no gap in a conversation while the server is upgraded. */
import { request } from 'undici';
import { equal, is, match, not, ok } from 'uvu/assert';
import { WebSocket } from 'ws';
import { ClientHost, type ReceivedPacket, SILENCE, type TestClient } from '../support/client.ts';
import { type ProxiedServer, send, withProxy } from '../support/proxied-server.ts';
import { behindProxies, startProxy } from '../support/proxies.ts';
import { scenarios } from '../support/scenario.ts';
import { startServer } from '../support/server.ts';
import { startStandIn } from '../support/stand-in.ts';

const test = scenarios('proxy and media');
const SECONDS = 60;
/** On a busy machine a packet may wait; here none may be dropped for being late. */
const PATIENT = { MAX_DELAY_MS: '60000' };

/** Connects and joins with only a token, in the query of the websocket and in the header of the join. */
async function enter(
  host: ClientHost,
  { auth, proxy }: Pick<ProxiedServer, 'auth' | 'proxy'>,
  userid: string,
  conversation: string,
): Promise<TestClient> {
  const token = await auth.token(userid);
  const client = await host.connect(proxy.url, userid, { token });
  equal(client.close, { code: 1000, reason: 'connected' });
  const answer = await send(proxy, 'POST', `/join/${conversation}`, { Authorization: `Bearer ${token}` });
  is(answer.status, 200, answer.body);
  return client;
}

/** Waits for packets of a speaker. @returns all packets with sound since the last call. */
async function hears(listener: TestClient, speaker: TestClient, atLeast = 25): Promise<ReceivedPacket[]> {
  const withSound = (packets: readonly ReceivedPacket[]): ReceivedPacket[] =>
    packets.filter(({ from }) => from !== SILENCE);
  const heard = withSound(await listener.receives((packets) => withSound(packets).length >= atLeast));
  for (const { from } of heard) is(from, speaker.name);
  return heard;
}

/** Checks that packets have no gap, neither in the sender's numbers nor in the stream's. */
function isUnbroken(packets: readonly ReceivedPacket[], who: string): void {
  for (let i = 1; i < packets.length; i++) {
    const [before, packet] = [packets[i - 1]!, packets[i]!];
    is(packet.count, before.count + 1, `${who}: packet ${i} of ${packets.length}`);
    is(packet.sequence, (before.sequence + 1) & 0xffff, who);
  }
}

behindProxies(
  test,
  'two people connect, join and hear each other, with tokens alone, and no log tells a token',
  (kind) =>
    withProxy(
      kind,
      async (proxied) => {
        const host = new ClientHost();
        try {
          const [ann, bob] = [await enter(host, proxied, 'ann', 'room'), await enter(host, proxied, 'bob', 'room')];
          await Promise.all([ann.talk(), bob.talk()]);
          isUnbroken(await hears(bob, ann), 'ann');
          isUnbroken(await hears(ann, bob), 'bob');
          const token = await proxied.auth.token('ann');
          // Proxies log more about failed requests, so there is one of each kind that fails.
          await send(proxied.proxy, 'GET', `/connect?token=${token}x`);
          await send(proxied.proxy, 'POST', `/join/%zz?token=${token}`);
          await proxied.server.stop();
          ok((await send(proxied.proxy, 'POST', `/join/room?token=${token}`)).status >= 500);
          await proxied.auth.stop();
          ok((await send(proxied.proxy, 'POST', `/join/room?token=${token}`)).status >= 500);
          const logs = [proxied.proxy.logs(), ...proxied.server.logs, ...proxied.auth.child.lines].join('\n');
          match(proxied.proxy.logs(), /POST.*\/join\/room/, 'the proxy does log requests');
          // The first part of a token is the same for all, and not secret.
          for (const part of token.split('.').slice(1)) not.ok(logs.includes(part));
          not.match(logs, /[?&]token=/);
        } finally {
          host.kill();
        }
      },
      PATIENT,
    ),
  SECONDS,
);

behindProxies(
  test,
  'close codes of the websocket arrive, with their reasons',
  (kind) =>
    withProxy(kind, async ({ proxy, auth }) => {
      const token = await auth.token('ann');
      const table: readonly (readonly [message: string | Buffer, code: number, reason: RegExp])[] = [
        ['hello', 4400, /^bad SDP/],
        [Buffer.from([0]), 1003, /text frame/],
        ['v=0'.padEnd(70_000, 'x'), 1009, /./],
      ];
      for (const [message, code, reason] of table) {
        const socket = new WebSocket(`${proxy.url.replace('http', 'ws')}/connect?token=${token}`);
        const closed = new Promise<{ code: number; reason: string }>((resolve, reject) => {
          socket.once('error', reject);
          socket.once('close', (got, why) => resolve({ code: got, reason: String(why) }));
        });
        socket.once('open', () => socket.send(message));
        const end = await closed;
        is(end.code, code, end.reason);
        if (code !== 1009) match(end.reason, reason);
      }
      for (const [query, status] of [
        ['', 400],
        ['?token=rubbish', 401],
      ] as const) {
        const socket = new WebSocket(`${proxy.url.replace('http', 'ws')}/connect${query}`);
        const refused = await new Promise<string>((resolve) => socket.once('error', (error) => resolve(String(error))));
        match(refused, `${status}`);
      }
    }),
  SECONDS,
);

behindProxies(
  test,
  'an upgrade cuts nobody off: newcomers reach the next instance without an error, and those who talk lose no packet',
  async (kind) => {
    const [old, next, auth] = await Promise.all([
      startServer({ ...PATIENT, DRAIN_TIMEOUT_MS: '40000' }),
      startServer(PATIENT),
      startStandIn(),
    ]);
    const proxy = await startProxy(kind, { server: old.port, next: next.port, auth: auth.port });
    const proxied = { auth, proxy };
    const host = new ClientHost();
    try {
      const [ann, bob] = [await enter(host, proxied, 'ann', 'room'), await enter(host, proxied, 'bob', 'room')];
      await Promise.all([ann.talk(), bob.talk()]);
      const heard = [await hears(bob, ann), await hears(ann, bob)] as const;
      const ended = old.stop();
      await old.logged('draining');
      is((await request(`${old.adminUrl}/readyz`)).statusCode, 503);
      is((await request(`${next.adminUrl}/readyz`)).statusCode, 200);

      const newcomers = [await enter(host, proxied, 'cid', 'other'), await enter(host, proxied, 'dan', 'other')];
      await newcomers[0]!.talk();
      await hears(newcomers[1]!, newcomers[0]!);
      // A user who joins their own conversation again wants to be in it on the next instance, too; here they talk on.
      for (const userid of ['ann', 'bob']) {
        const headers = { Authorization: `Bearer ${await auth.token(userid)}` };
        is((await send(proxy, 'POST', '/join/room', headers)).status, 200);
        await next.logged('"joined"', `"${userid}"`, '"room"');
      }
      for (const line of old.logs) not.match(line, /"(cid|dan)"/, 'newcomers do not come to the old one');

      // They have talked all the time, and go on for a while.
      heard[0].push(...(await hears(bob, ann, 50)));
      heard[1].push(...(await hears(ann, bob, 50)));
      isUnbroken(heard[0], 'ann');
      isUnbroken(heard[1], 'bob');
      equal(await Promise.race([ended, 'still there']), 'still there');
      await ann.end();
      is(await ended, 0);
      // Nobody notices that the old instance has ended.
      await enter(host, proxied, 'eve', 'other');
    } finally {
      host.kill();
      await Promise.all([proxy.stop(), old.stop(), next.stop(), auth.stop()]);
    }
  },
  SECONDS,
);

test.run();
