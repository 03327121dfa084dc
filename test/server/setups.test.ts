import { equal, is, match, ok, throws } from 'uvu/assert';
import { Setups } from '../../src/main/connections/setups.ts';
import { ClientHost } from '../support/client.ts';
import { scrape } from '../support/metrics.ts';
import { readOffer } from '../support/offers.ts';
import { scenarios } from '../support/scenario.ts';
import { startServer } from '../support/server.ts';
import { openSocket } from '../support/socket.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('set-ups');
const UNREACHABLE = readOffer('chromium-156-mdns');

class Fake {
  readonly claim: { userid: string; clientid: string };
  answeredAt = 0;
  reachable = false;
  constructor(userid: string, clientid = 'tab') {
    this.claim = { userid, clientid };
  }
}

test('where another websocket needs the place the oldest gives way; a user’s own one first', () => {
  const setups = new Setups<Fake>({ MAX_WAITING: 3, MAX_SETUPS: 2, MAX_SETUPS_PER_USER: 2 }, () => 0);
  const [ann, one, two] = [new Fake('ann'), new Fake('bob', '1'), new Fake('bob', '2')];
  for (const setup of [ann, one, two]) setups.add(setup);
  is(setups.surplus({ userid: 'cid', clientid: 'tab' }), ann);
  is(setups.surplus({ userid: 'bob', clientid: '3' }), one);
  setups.connect(one);
  setups.connect(two);
  throws(() => setups.surplus({ userid: 'bob', clientid: '3' }), /2 connections of this user/);
  is(setups.surplus({ userid: 'bob', clientid: '2' }), null, 'it replaces itself');
  is(setups.room, false);
  setups.remove(two);
  is(setups.room, true);
  equal(setups.all(), [ann, one]);
});

test('only a set-up that was answered and has had no ICE for two seconds is stuck', () => {
  let now = 10_000;
  const setups = new Setups<Fake>({ MAX_WAITING: 9, MAX_SETUPS: 9, MAX_SETUPS_PER_USER: 9 }, () => now);
  const [answering, good, bad] = [new Fake('a'), new Fake('b'), new Fake('c')];
  for (const setup of [answering, good, bad]) {
    setups.add(setup);
    setups.connect(setup);
  }
  good.answeredAt = bad.answeredAt = now;
  good.reachable = true;
  now += 1999;
  is(setups.stuck(), null);
  now += 1;
  is(setups.stuck(), bad);
  setups.remove(bad);
  is(setups.stuck(), null);
});

test('a set-up that was answered long after its offer does not hide one that is stuck', () => {
  const setups = new Setups<Fake>({ MAX_WAITING: 9, MAX_SETUPS: 9, MAX_SETUPS_PER_USER: 9 }, () => 10_000);
  const [late, stuck] = [new Fake('a'), new Fake('b')];
  for (const setup of [late, stuck]) {
    setups.add(setup);
    setups.connect(setup);
  }
  late.answeredAt = 9000;
  stuck.answeredAt = 5000;
  is(setups.stuck(), stuck);
});

test('a set-up with ICE and without DTLS is stuck after eight seconds, if none is without ICE', () => {
  let now = 10_000;
  const setups = new Setups<Fake>({ MAX_WAITING: 9, MAX_SETUPS: 9, MAX_SETUPS_PER_USER: 9 }, () => now);
  const [first, second, third] = [new Fake('a'), new Fake('b'), new Fake('c')];
  for (const setup of [first, second, third]) {
    setups.add(setup);
    setups.connect(setup);
    setup.answeredAt = now;
    setup.reachable = setup !== third;
  }
  now += 7999;
  is(setups.stuck(), third);
  setups.remove(third);
  is(setups.stuck(), null);
  now += 1;
  is(setups.stuck(), first);
});

test('2,000 websockets without an offer, and as many offers as may be set up without ICE, keep nobody out', async () => {
  const server = await startServer({ MAX_SETUPS: '20', MAX_WAITING: '500', MAX_CONNECTIONS: '30' });
  const host = new ClientHost();
  const resident = await host.connect(server.url, 'resident');
  is(resident.close.code, 1000);
  const rss = async (): Promise<number> =>
    (await scrape(server.adminUrl)).value('process_resident_memory_bytes') ?? Number.NaN;
  await openSocket(server.url, 'first');
  const before = await rss();
  const flood: { terminate(): void }[] = [];
  for (let i = 0; i < 2000; i += 50) {
    const some = await Promise.all(Array.from({ length: 50 }, (_, j) => openSocket(server.url, `idle ${i + j}`)));
    flood.push(...some.map(({ socket }) => socket));
  }
  const grown = (await rss()) - before;
  ok(grown < 64 * 2 ** 20, `${grown} bytes`);
  const seen = await scrape(server.adminUrl);
  is(seen.value('sfu_websockets_waiting'), 500);
  ok(seen.value('sfu_connection_setup_failures_total', { cause: 'displaced' })! >= 1500);
  is((await host.connect(server.url, 'among the waiting')).close.code, 1000);
  for (let i = 0; i < 20; i++) {
    const { socket, next } = await openSocket(server.url, `dead ${i}`);
    socket.send(UNREACHABLE);
    await next();
    flood.push(socket);
  }
  // A client that comes before the first of them has been stuck for two seconds gets 1013, to come again.
  const codes: number[] = [];
  const connects = async (): Promise<boolean> => {
    codes.push((await host.connect(server.url, `honest ${codes.length}`)).close.code);
    return codes.at(-1) === 1000;
  };
  await until('an honest client connects', connects, { interval: 200 });
  ok(
    codes.every((code) => code === 1000 || code === 1013),
    codes.join(),
  );
  is((await resident.state()).state, 'connected');
  for (const socket of flood) socket.terminate();
  host.kill();
  is(await server.stop(), 0);
}, 90);

test('the number of set-ups is limited for each user: the oldest without an offer gives way, then 429', async () => {
  const server = await startServer({ MAX_SETUPS_PER_USER: '2' });
  const first = await openSocket(server.url, 'ann', '1');
  const second = await openSocket(server.url, 'ann', '2');
  const third = await openSocket(server.url, 'ann', '3');
  is((await first.closed).code, 1013);
  for (const { socket, next } of [second, third]) {
    socket.send(UNREACHABLE);
    await next();
  }
  let refused = '';
  await openSocket(server.url, 'ann', '4').catch((error: unknown) => {
    refused = String(error);
  });
  ok(refused.includes('429'), refused);
  await openSocket(server.url, 'ben', '4');
  is(await server.stop(), 0);
});

test('an offer whose client never begins ICE ends early, a candidate gives it more time', async () => {
  const server = await startServer({ ICE_TIMEOUT_MS: '600' });
  const begun = performance.now();
  const quiet = await openSocket(server.url, 'quiet');
  quiet.socket.send(UNREACHABLE);
  const trickling = await openSocket(server.url, 'trickling');
  trickling.socket.send(UNREACHABLE);
  await trickling.next();
  const trickle = setInterval(() => trickling.socket.send('candidate:1 1 udp 1 192.0.2.9 9 typ host'), 200);
  const close = await quiet.closed;
  is(close.code, 4504);
  match(
    close.reason,
    /^not connected in time: no ICE check succeeded in 600 ms: UDP is blocked, or the answer was rejected \[/,
  );
  is(trickling.socket.readyState, trickling.socket.OPEN);
  clearInterval(trickle);
  is((await trickling.closed).code, 4504);
  ok(performance.now() - begun < 15_000);
  const hasty = await openSocket(server.url, 'hasty');
  hasty.socket.send(UNREACHABLE);
  await hasty.next();
  hasty.socket.terminate();
  await server.logged('"userid":"hasty"', '"cause":"no-ice"', '; it hung up ');
  is(await server.stop(), 0);
});

test.run();
