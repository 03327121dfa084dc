/** The connection to a real NATS: how it begins, how it is lost, and how it comes back. */
import { equal, is, match, ok } from 'uvu/assert';
import type { LinkError } from '../../src/main/cluster/bus.ts';
import type { Link } from '../../src/main/cluster/link.ts';
import { freeTcpPort } from '../support/child.ts';
import { recordLog } from '../support/log-record.ts';
import { NatsServer, withEachNats, withNats } from '../support/nats.ts';
import { bytes, openLink, refusedLink, text } from '../support/nats-link.ts';
import { scenarios } from '../support/scenario.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('link');

/** Resolves at the next loss or return of the connection, with the milliseconds that it took. */
function turn(link: Link, connected: boolean): Promise<number> {
  const begin = performance.now();
  return new Promise((resolve) => {
    if (link.connected === connected) return resolve(0);
    const end = link.watch((now) => {
      if (now !== connected) return;
      end();
      resolve(performance.now() - begin);
    });
  });
}

/** Collects the messages on a subject. */
function collect(link: Link, subject: string): string[] {
  const all: string[] = [];
  link.subscribe(subject, (data) => void all.push(text(data)));
  return all;
}

withEachNats(test, 'messages and requests go from one link to another, and not back', async (program) => {
  const nats = await NatsServer.start({ program });
  const [one, other] = [await openLink(nats.url), await openLink(nats.url)];
  const heard = [collect(one, 'sfu.*'), collect(other, 'sfu.*')];
  const answering = other.subscribe('sfu.ask', (data, reply) => other.publish(reply!, bytes(`${text(data)}!`)));
  await Promise.all([one.flush(1000), other.flush(1000)]);
  ok(one.publish('sfu.a', bytes('hello')));
  is(text(await one.request('sfu.ask', bytes('who'), 1000)), 'who!');
  equal(heard, [[], ['hello', 'who']]);
  answering.close();
  await other.flush(1000);
  await one.request('sfu.nobody.there', bytes(''), 1000).then(
    () => ok(false),
    (error: LinkError) => is(error.why, 'nobody'),
  );
  await one.request('sfu.ask', bytes(''), 100).then(
    () => ok(false),
    (error: LinkError) => is(error.why, 'time-out'),
  );
  is(one.reconnections, 0);
  await Promise.all([one.close(), other.close()]);
  is(one.connected, false);
  is(one.publish('sfu.a', bytes('late')), false);
  await nats.stop();
});

withEachNats(test, 'an answer goes to an inbox of the cluster, and to no other subject', async (program) => {
  const nats = await NatsServer.start({ program });
  const [one, other] = [await openLink(nats.url), await openLink(nats.url)];
  const replies: (string | undefined)[] = [];
  one.subscribe('sfu.ask', (_, reply) => void replies.push(reply));
  await one.flush(1000);
  for (const reply of [undefined, '$KV.sfu_users.ann', 'sfu.media.x', 'sfu.inboxes.x', 'sfu.inbox.x']) {
    other.connection.publish('sfu.ask', bytes('who'), reply === undefined ? {} : { reply });
  }
  await other.flush(1000);
  await one.flush(1000);
  equal(replies, [undefined, undefined, undefined, undefined, 'sfu.inbox.x']);
  await Promise.all([one.close(), other.close()]);
  await nats.stop();
});

withEachNats(test, 'a restart of NATS is noticed, and the link comes back with its subscriptions', async (program) => {
  const nats = await NatsServer.start({ program });
  const { log, lines } = recordLog();
  const [one, other] = [await openLink(nats.url, {}, log), await openLink(nats.url)];
  const before = collect(other, 'sfu.before');
  const closed = other.subscribe('sfu.before', () => before.push('closed'));
  const gone = turn(one, false);
  const otherGone = turn(other, false);
  await nats.kill();
  await Promise.all([gone, otherGone]);
  const meanwhile = collect(other, 'sfu.meanwhile');
  closed.close();
  for (const subject of ['sfu.before', 'sfu.meanwhile']) is(one.publish(subject, bytes('stale')), false);
  for (const lost of [one.request('sfu.ask', bytes(''), 1000), one.flush(1000)]) {
    is(
      await lost.then(
        () => '',
        (error: LinkError) => error.why,
      ),
      'disconnected',
    );
  }
  await pause(1500);
  await nats.restart();
  await Promise.all([turn(one, true), turn(other, true)]);
  await Promise.all([one.flush(1000), other.flush(1000)]);
  for (const subject of ['sfu.before', 'sfu.meanwhile']) ok(one.publish(subject, bytes('fresh')));
  await one.flush(1000);
  await until('both are heard', () => before.length > 0 && meanwhile.length > 0);
  equal([before, meanwhile], [['fresh'], ['fresh']]);
  is(one.reconnections, 1);
  const said = lines.filter(({ link }) => link === 'test').map(({ level, msg }) => [level, msg]);
  equal(said, [
    [40, 'NATS is gone'],
    [30, `NATS is back at 127.0.0.1:${nats.port}`],
  ]);
  await Promise.all([one.close(), other.close()]);
  await nats.stop();
});

withEachNats(
  test,
  'a NATS that stands still for 6 s is noticed within 4 s, even by a link with a full socket',
  async (program) => {
    const nats = await NatsServer.start({ program });
    const [idle, busy] = [await openLink(nats.url), await openLink(nats.url)];
    const heard = collect(idle, 'sfu.fresh');
    nats.pause();
    const resumed = pause(6000).then(() => nats.resume());
    const lost = [turn(idle, false), turn(busy, false)];
    // More than the socket's buffers hold: the client cannot even write its farewell.
    for (let i = 0; i < 64; i++) ok(busy.publish('sfu.much', new Uint8Array(500_000)));
    for (const took of await Promise.all(lost)) ok(took < 4000, `${took} ms`);
    is(busy.publish('sfu.fresh', bytes('stale')), false);
    await resumed;
    for (const took of await Promise.all([turn(idle, true), turn(busy, true)])) ok(took < 4000, `${took} ms`);
    await Promise.all([idle.flush(2000), busy.flush(2000)]);
    ok(busy.publish('sfu.fresh', bytes('fresh')));
    await until('it is heard', () => heard.length > 0);
    equal(heard, ['fresh']);
    await Promise.all([idle.close(), busy.close()]);
    await nats.stop();
  },
  40,
);

withEachNats(test, 'of several servers a dead one is passed over, and tried again later', async (program) => {
  const dead = await freeTcpPort();
  const first = await NatsServer.start({ program });
  // The client tries them in random order, so that some of these pass over the dead one, almost surely.
  const links = await Promise.all(Array.from({ length: 8 }, () => openLink(`nats://127.0.0.1:${dead},${first.url}`)));
  const gone = links.map((link) => turn(link, false));
  const late = await NatsServer.start({ program, port: dead });
  await first.kill();
  await Promise.all(gone);
  await Promise.all(links.map((link) => turn(link, true)));
  for (const link of links) {
    await link.flush(1000);
    is(link.connection.getServer(), `127.0.0.1:${dead}`);
    await link.close();
  }
  await late.stop();
});

withNats(test, 'a link whose socket is full leaves a NATS that stands still for another', async () => {
  const servers = [await NatsServer.start(), await NatsServer.start()];
  const link = await openLink(servers.map(({ url }) => url).join(','));
  const hung = servers.find(({ port }) => link.connection.getServer() === `127.0.0.1:${port}`)!;
  hung.pause();
  // More than the socket's buffers hold: the client cannot even write its farewell.
  for (let i = 0; i < 64; i++) ok(link.publish('sfu.much', new Uint8Array(500_000)));
  await turn(link, false);
  const took = await turn(link, true);
  ok(took < 5000, `${took} ms`);
  ok(link.connection.getServer() !== `127.0.0.1:${hung.port}`);
  await link.flush(1000);
  await link.close();
  await Promise.all(servers.map((server) => server.stop()));
});

withNats(test, 'a wall clock that is set back by an hour keeps no link from coming back', async () => {
  const nats = await NatsServer.start();
  const link = await openLink(nats.url);
  const { now } = Date;
  try {
    Date.now = () => now() - 3_600_000;
    const gone = turn(link, false);
    await nats.kill();
    await gone;
    await nats.restart();
    const took = await turn(link, true);
    ok(took < 5000, `${took} ms`);
  } finally {
    Date.now = now;
  }
  await link.close();
  await nats.stop();
});

withNats(test, 'what a taker or a watcher throws is logged, and harms nobody', async () => {
  const nats = await NatsServer.start();
  const { log, lines } = recordLog();
  const [one, other] = [await openLink(nats.url, {}, log), await openLink(nats.url)];
  one.watch(() => {
    throw new Error('watcher');
  });
  one.subscribe('sfu.a', () => {
    throw new Error('taker');
  });
  const heard = collect(one, 'sfu.a');
  await one.flush(1000);
  other.publish('sfu.a', bytes('1'));
  await until('it is heard', () => heard.length === 1);
  await nats.kill();
  await until('both are gone', () => !one.connected && !other.connected);
  await nats.restart();
  await until('both are back', () => one.connected && other.connected);
  await one.flush(1000);
  other.publish('sfu.a', bytes('2'));
  await until('it is heard', () => heard.length === 2);
  const said = lines.filter(({ level }) => level === 50).map(({ err }) => (err as Error).message);
  equal(said, ['taker', 'watcher', 'watcher', 'taker']);
  await Promise.all([one.close(), other.close()]);
  await nats.stop();
});

withNats(test, 'a message that is too large for NATS is not sent, and the link goes on', async () => {
  const nats = await NatsServer.start();
  const { log, lines } = recordLog();
  const link = await openLink(nats.url, {}, log);
  is(link.publish('sfu.a', new Uint8Array(1_048_577)), false);
  is(link.publish('sfu.a b', new Uint8Array(1)), false);
  ok(link.publish('sfu.a', new Uint8Array(1_048_576)));
  await link.flush(1000);
  is(lines.filter(({ msg }) => msg === 'NATS refused').length, 2);
  await link.close();
  await nats.stop();
});

withNats(test, 'a link can be closed while NATS is away', async () => {
  const nats = await NatsServer.start();
  const link = await openLink(nats.url);
  await nats.kill();
  await until('it is gone', () => !link.connected);
  const begin = performance.now();
  await Promise.all([link.close(), link.close()]);
  ok(performance.now() - begin < 1000);
  await link.connection.closed();
});

withEachNats(test, 'what can be wrong at the start is said to operators, without secrets', async (program) => {
  const open = await NatsServer.start({ program });
  const named = await NatsServer.start({ program, config: 'authorization { user: ann, password: "right" }' });
  const token = await NatsServer.start({ program, config: 'authorization { token: "right" }' });
  const dead = await freeTcpPort();
  const at = ({ port }: { port: number }, who = ''): string => `nats://${who}127.0.0.1:${port}`;
  for (const [url, who] of [
    [named, 'ann:right@'],
    [token, 'right@'],
    [open, 'ann:right@'],
  ] as const) {
    await (await openLink(at(url, who))).close();
  }
  match(await refusedLink(at({ port: dead })), `NATS cannot be reached at 127.0.0.1:${dead} (connection refused): `);
  match(await refusedLink(at(named)), 'refused a connection without user (authorization violation): check NATS_URL');
  match(await refusedLink(at(named, 'ann:secret@')), 'refused the user ann, or the password (authorization violation)');
  match(await refusedLink(at(token, 'secret@')), 'refused the token (authorization violation): check NATS_URL');
  match(await refusedLink('nats://no-such-host.invalid'), 'NATS cannot be reached at no-such-host.invalid:4222 (');
  match(await refusedLink(`tls://127.0.0.1:${open.port}`), 'no encrypted connection to NATS at 127.0.0.1:');
  for (const message of [await refusedLink(at(named, 'ann:secret@')), await refusedLink(at(token, 'secret@'))]) {
    ok(!message.includes('secret'), message);
  }
  const nowhere = { NATS_CREDS: '/nowhere/creds' };
  is(await refusedLink(at(open), nowhere), 'NATS_CREDS is a file that cannot be read (ENOENT): /nowhere/creds');
  await Promise.all([open.stop(), named.stop(), token.stop()]);
});

test.run();
