/** Clients that send too many packets or messages to a real server with other clients. */
import { equal, is, ok } from 'uvu/assert';
import { DataBudget } from '../../src/main/limits/data-budget.ts';
import { ClientHost, type ReceivedPacket, type TestClient } from '../support/client.ts';
import { type Scrape, scrape } from '../support/metrics.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader, type RunningServer, startServer } from '../support/server.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('floods of media and messages');

interface Fixture {
  readonly server: RunningServer;
  /** Connects a client in a process of its own, so that no client's flood delays the timers of another. */
  enter(userid: string, options?: Parameters<ClientHost['connect']>[2]): Promise<TestClient>;
}

/** Runs `body` with a server and its clients. The server must log no error and end with 0. */
async function withServer(env: Record<string, string>, body: (fixture: Fixture) => Promise<void>): Promise<void> {
  const server = await startServer(env);
  const hosts: ClientHost[] = [];
  const enter: Fixture['enter'] = async (userid, options = {}) => {
    const host = new ClientHost();
    hosts.push(host);
    const client = await host.connect(server.url, userid, options);
    await fetch(`${server.url}/join/room`, { method: 'POST', headers: claimHeader(userid) });
    return client;
  };
  try {
    await body({ server, enter });
    equal(
      server.logs.filter((line) => /"level":(50|60)/.test(line)),
      [],
      'no error was logged',
    );
    is(await server.stop(), 0);
  } finally {
    for (const host of hosts) host.kill();
    server.process.kill('SIGKILL');
  }
}

const dropped = (seen: Scrape, reason: string): number =>
  seen.value('sfu_packets_dropped_total', { direction: 'in', reason }) ?? Number.NaN;
const ended = (seen: Scrape, reason: string): number =>
  seen.value('sfu_connections_ended_total', { reason }) ?? Number.NaN;

/** Scrapes a server until its metrics are as wanted. */
function scrapeUntil({ adminUrl }: RunningServer, wanted: (seen: Scrape) => boolean): Promise<Scrape> {
  const look = async (): Promise<Scrape | null> => {
    const seen = await scrape(adminUrl);
    return wanted(seen) ? seen : null;
  };
  return until(`the metrics are as wanted: ${wanted}`, look, { interval: 100 });
}

/** Collects what a listener receives until there are this many packets from a client. */
function hears(listener: TestClient, from: string, packets: number): Promise<ReceivedPacket[]> {
  return listener.receives((heard) => heard.filter((packet) => packet.from === from).length >= packets);
}

const counts = (packets: readonly ReceivedPacket[], from: string): number[] =>
  packets.filter((packet) => packet.from === from).map(({ count }) => count);

/** Returns how many numbers from the first to the last are missing. */
const missing = (numbers: readonly number[]): number => numbers.at(-1)! - numbers[0]! + 1 - new Set(numbers).size;

test(
  'a publisher that floods is limited to its rate and heard, nobody else notices, and it recovers',
  () =>
    withServer({ MAX_PACKETS_PER_SECOND: '100' }, async ({ server, enter }) => {
      const [flooder, honest] = [await enter('flooder'), await enter('honest')];
      const listener = await enter('listener', { slots: 2, publishes: false });
      await honest.talk();
      await hears(listener, 'honest', 10);
      await flooder.talk(0, 2000);
      await scrapeUntil(server, (seen) => dropped(seen, 'too-many') > 1000);
      await listener.take();
      const heard = await hears(listener, 'honest', 150);
      is(missing(counts(heard, 'honest')), 0);
      const flood = heard.filter(({ from }) => from === 'flooder');
      const seconds = (flood.at(-1)!.at - flood[0]!.at) / 1000;
      const rate = (flood.length - 1) / seconds;
      ok(rate > 60 && rate < 130, `${rate} packets a second of the flooder's are heard`);
      await flooder.hush();
      // A second later its token bucket is full again.
      await hears(listener, 'honest', 100);
      const before = dropped(await scrape(server.adminUrl), 'too-many');
      await flooder.talk();
      is(missing(counts(await hears(listener, 'flooder', 100), 'flooder')), 0);
      const after = await scrape(server.adminUrl);
      is(dropped(after, 'too-many'), before);
      is(dropped(after, 'ingress-full'), 0);
    }),
  60,
);

test(
  'packets beyond the bit rate, and packets that are too large, are dropped and counted apart',
  () =>
    withServer({ MAX_KBPS: '64', MAX_RTP_BYTES: '600' }, async ({ server, enter }) => {
      const [rich, huge] = [
        await enter('rich', { name: 'r'.repeat(500) }),
        await enter('huge', { name: 'h'.repeat(700) }),
      ];
      const poor = await enter('poor');
      await rich.talk();
      await huge.talk();
      await scrapeUntil(server, (seen) => dropped(seen, 'too-much') > 20 && dropped(seen, 'too-long') > 20);
      await poor.talk();
      const listener = await enter('listener', { slots: 3, publishes: false });
      const heard = await hears(listener, 'poor', 50);
      is(missing(counts(heard, 'poor')), 0);
      is(counts(heard, 'h'.repeat(700)).length, 0);
      ok(counts(heard, 'r'.repeat(500)).length > 0, 'what is within the rate is heard');
      is(dropped(await scrape(server.adminUrl), 'too-many'), 0);
    }),
  60,
);

test('a budget of messages: two seconds of it at once, the rate in the long run, one large message on credit', () => {
  const budget = new DataBudget({ MAX_MESSAGES_PER_SECOND: 10, MAX_MESSAGE_KBPS: 8 });
  for (let i = 0; i < 20; i++) ok(budget.take(10, 0));
  is(budget.take(10, 0), false);
  ok(budget.take(10_000, 1000), 'more than there is');
  is(budget.take(1, 5000), false, 'until it is paid back');
  ok(budget.take(1, 10_000));
});

test('a budget counts the bytes of a text, not its characters', () => {
  for (const [character, bytes] of [
    ['a', 1],
    ['\u00e9', 2],
    ['\u20ac', 3],
    ['\u{1f600}', 4],
  ] as const) {
    // The budget allows 2,000 bytes at once.
    const budget = new DataBudget({ MAX_MESSAGES_PER_SECOND: 10, MAX_MESSAGE_KBPS: 8 });
    ok(budget.takeMessage(character.repeat(1992 / bytes), 0), character);
    ok(budget.takeMessage(new Uint8Array(8), 0), character);
    is(budget.takeMessage('a', 0), false, character);
  }
});

test(
  'a client that floods a data channel that nobody reads is disconnected, by messages or by bytes; the others talk on',
  () =>
    withServer({}, async ({ server, enter }) => {
      const [ann, bob] = [await enter('ann'), await enter('bob')];
      const [many, much] = [await enter('many', { label: 'chat' }), await enter('much', { label: 'chat' })];
      await ann.talk();
      await hears(bob, 'ann', 10);
      await many.say(...Array<string>(60).fill('hello'));
      await bob.take();
      // The library throws where the client is disconnected while it sends.
      const disconnected = (): undefined => undefined;
      await many.say(...Array<string>(3000).fill('hello')).catch(disconnected);
      await server.logged('"connection ended"', '"userid":"many"', '"reason":"flooded"', 'too many messages');
      for (let i = 0; i < 3; i++) await much.sayBinary(60_000).catch(disconnected);
      await server.logged('"connection ended"', '"userid":"much"', '"reason":"flooded"');
      is(missing(counts(await hears(bob, 'ann', 50), 'ann')), 0);
      is(ended(await scrape(server.adminUrl), 'flooded'), 2);
      is((await enter('many', { label: 'chat' })).close.code, 1000, 'it may come again');
    }),
  40,
);

test('a client with more channels than allowed is disconnected with the same reason', () =>
  withServer({ MAX_DATA_CHANNELS: '2' }, async ({ server, enter }) => {
    const ann = await enter('ann');
    await ann.openChannel('second', 'hello');
    is((await ann.state()).state, 'connected');
    await ann.openChannel('third', 'hello');
    await server.logged('"connection ended"', '"reason":"flooded"', 'too many data channels');
    is(ended(await scrape(server.adminUrl), 'flooded'), 1);
  }));

test('a client that loses its channel for events by a flood is counted, once, and stays', () =>
  withServer({ MAX_REQUESTS_PER_SECOND: '2' }, async ({ server, enter }) => {
    const ann = await enter('ann');
    await ann.say(...Array<string>(3000).fill('x'));
    const seen = await scrapeUntil(server, (now) => now.value('sfu_event_floods_total') === 1);
    is(ended(seen, 'flooded'), 0);
    await ann.losesChannel();
    is((await ann.state()).state, 'connected');
  }));

test.run();
