import { readdirSync } from 'node:fs';
import { equal, is, match, ok } from 'uvu/assert';
import { ClientHost, type TestClient } from '../support/client.ts';
import { Crowd } from '../support/crowd.ts';
import { hear } from '../support/hearing.ts';
import { Listening } from '../support/listening.ts';
import { scrape } from '../support/metrics.ts';
import { readOffer } from '../support/offers.ts';
import { exchange, HANDSHAKE } from '../support/raw.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('storm');
/** An offer whose candidates lead nowhere. */
const UNREACHABLE = readOffer('chromium-156-mdns');
const CLIENTS = 200;
const AT_A_TIME = 32;
/** How many come at once, and how many of their offers may wait. */
const [AT_ONCE, QUEUED] = [300, 100];

function figures(server: RunningServer): { connections: number; users: number; conversations: number } | undefined {
  const line = server.logs.findLast((text) => text.includes('"msg":"stats"'));
  if (line === undefined) return undefined;
  const { connections, users, conversations } = JSON.parse(line);
  return { connections, users, conversations };
}

test(`${CLIENTS} clients, ${AT_A_TIME} at a time, all connect, and leave nothing behind`, async () => {
  const server = await startServer({ STATS_INTERVAL_MS: '200', MEMBERSHIP_TIMEOUT_MS: '100' });
  const host = new ClientHost();
  const descriptors = (): number => readdirSync(`/proc/${server.process.pid}/fd`).length;
  // With the first connection the library opens descriptors that it keeps.
  await (await host.connect(server.url, 'first')).end();
  const before = descriptors();
  const codes: number[] = [];
  let next = 0;
  const connectSome = async (): Promise<void> => {
    while (next < CLIENTS) {
      const client = await host.connect(server.url, `user${next++}`, { slots: 3 });
      codes.push(client.close.code);
      await client.end();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, connectSome));
  equal(codes, Array(CLIENTS).fill(1000));
  await until('no connection is left', () => figures(server)?.connections === 0);
  equal(figures(server), { connections: 0, users: 0, conversations: 0 });
  await until('no descriptor is left', () => descriptors() <= before);
  equal(
    server.logs.filter((line) => /"level":(50|60)/.test(line)),
    [],
    'no error was logged',
  );
  is(await server.stop(), 0);
  host.kill();
}, 60);

test(`while ${AT_ONCE} clients connect at once, two who talk lose nothing, and all connect in the end`, async () => {
  const server = await startServer({ MAX_QUEUED_OFFERS: String(QUEUED) });
  const host = new ClientHost();
  const pair: TestClient[] = [];
  for (const name of ['ann', 'bob']) {
    pair.push(await host.connect(server.url, name, { levelId: 1 }));
    await fetch(`${server.url}/join/attic`, { method: 'POST', headers: claimHeader(name) });
  }
  const [ann, bob] = pair as [TestClient, TestClient];
  for (const client of pair) await client.talk();
  await hear(ann, ['bob']);
  await hear(bob, ['ann']);
  const crowd = await Crowd.prepare({ url: server.url, count: AT_ONCE, slots: 3, data: true }, true);
  let connected = 0;
  let refused = 0;
  let again = 0;
  const heard = await new Listening([ann, bob]).during(async () => {
    const { times, failures } = await crowd.connect();
    connected = times.length;
    refused = failures['503'] ?? 0;
    console.log(`    failed attempts: ${JSON.stringify(failures)}`);
    // Those who got no place have not waited. On a busy machine others may have given up later.
    for (const [why, count] of Object.entries(failures)) if (why !== '503' && why !== '1013') again += count;
  });
  const seen = await scrape(server.adminUrl);
  equal([heard.lost, connected], [0, AT_ONCE]);
  ok(heard.received > 10);
  ok(refused > 0, 'not all of them found room in the queue');
  is(seen.value('sfu_http_refusals_total', { problem: 'busy' }), refused);
  const waits = seen.value('sfu_offer_wait_seconds_count') ?? 0;
  ok(waits >= AT_ONCE + 2 && waits <= AT_ONCE + 2 + again, `${waits} offers waited, ${again} of them again`);
  is(seen.value('sfu_offers_queued'), 0);
  crowd.kill();
  host.kill();
  server.process.kill('SIGKILL');
  await server.exited;
}, 60);

test('while as many offers wait as may, further ones get 1013, and websockets are refused before they open', async () => {
  const server = await startServer({ MAX_QUEUED_OFFERS: '1' });
  const upgrade = (userid: string): Promise<string> => {
    const claim = `X-User-Claim: ${claimHeader(userid)['X-User-Claim']}\r\n`;
    return exchange(server.port, `GET /connect HTTP/1.1\r\nHost: x\r\n${claim}${HANDSHAKE}\r\n`);
  };
  // The server does not know yet that whoever opens a websocket makes an offer soon, so all of them get one.
  const sockets = await Promise.all(Array.from({ length: 60 }, (_, i) => openSocket(server.url, `first ${i}`)));
  for (const { socket } of sockets) socket.send(UNREACHABLE);
  const ends = await Promise.all(
    sockets.map(({ next, closed }) =>
      next().then(
        () => null,
        async () => (await closed).code,
      ),
    ),
  );
  ok(ends.includes(null), 'some are answered');
  ok(ends.includes(1013), 'some are too many');
  equal(
    ends.filter((code) => code !== null && code !== 1013),
    [],
  );
  const first = await openSocket(server.url, 'ann');
  const refused = await upgrade('bob');
  match(refused, /^HTTP\/1\.1 503 /);
  match(refused, /\r\nRetry-After: [1-9]\r\n/);
  match(refused, /Too many clients are connecting/);
  // A browser does not tell a page any of this, so the page asks again without the upgrade.
  const asked = await fetch(`${server.url}/connect`, { headers: claimHeader('bob') });
  is(asked.status, 503);
  ok(Number(asked.headers.get('retry-after')) > 0);
  const seen = await scrape(server.adminUrl);
  is(seen.value('sfu_http_refusals_total', { problem: 'busy' }), 2);
  is(
    seen.value('sfu_connection_setup_failures_total', { cause: 'busy' }),
    1 + ends.filter((code) => code === 1013).length,
  );
  for (const { socket } of [first, ...sockets]) socket.terminate();
  await until('there is room', async () => {
    const { status } = await fetch(`${server.url}/connect`, { headers: claimHeader('bob') });
    return status === 426;
  });
  is(await server.stop(), 0);
});

test.run();
