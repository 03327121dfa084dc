/** The browser client's state while its connection is away, and while it is replaced. */
import { equal, is, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import type { ClientPage } from '../support/client-page.ts';
import { hearsExactly } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client states');
const EACH = ['chromium', 'firefox'] as const;
const FULL = `client.dominant !== null && client.speakers.length === 1 && client.slots.some(({ participant }) => participant)
  && [...client.participants.values()].some(({ speaking }) => speaking) && client.statistics.rttMs !== null`;

/** The part of the state that is about voices. */
async function shown(page: ClientPage): Promise<unknown> {
  const { participants, slots, dominant, speakers, statistics } = await page.state();
  return {
    people: participants.map(({ userid }) => userid).sort(),
    speaking: participants.filter(({ speaking }) => speaking).length,
    slots: slots.map(({ number, userid }) => [number, userid ?? null]),
    dominant,
    speakers,
    statistics: Object.values(statistics).filter((value) => value !== null),
  };
}

const QUIET = {
  people: ['ann', 'bob'],
  speaking: 0,
  slots: [
    [0, null],
    [0, null],
  ],
  dominant: null,
  speakers: [],
  statistics: ['lost'],
};

/** Records the state at each of these events. */
const WATCH = `{
  window.seen = [];
  for (const name of ['participants', 'slots', 'dominant', 'speakers', 'statistics', 'state']) {
    voiceClient.on(name, (value) => {
      const empty = {
        participants: () => [...value.values()].every(({ speaking }) => !speaking),
        slots: () => value.every(({ number, participant }) => number === 0 && participant === null),
        dominant: () => value === null,
        speakers: () => value.length === 0,
        statistics: () => value.rttMs === null,
        state: () => value.state === 'reconnecting',
      };
      if (empty[name]()) seen.push(name);
    });
  }
  0;
}`;

inBrowsers(
  test,
  EACH,
  'while the connection is away nobody speaks, and events say so',
  async ({ open, server, startAnother }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    for (const page of [ann, bob]) is(await page.start({ conversation: 'attic' }), null);
    await ann.until(FULL);
    await ann.evaluate(WATCH);
    server.process.kill('SIGKILL');
    await server.exited;
    await ann.until("client.state === 'reconnecting'", 40);
    equal(await shown(ann), QUIET);
    const seen = await ann.evaluate<string[]>('seen');
    const before = new Set(seen.slice(0, seen.indexOf('state')));
    for (const name of ['participants', 'slots', 'dominant', 'speakers', 'statistics'])
      ok(before.has(name), `${name}: ${seen}`);
    await startAnother({ LISTEN: `127.0.0.1:${server.port}` });
    await ann.until("client.state === 'connected'", 40);
    await ann.until(FULL, 40);
    await ann.call('close');
    equal(await shown(ann), QUIET, 'nor at the end');
  },
);

inBrowsers(
  test,
  EACH,
  'while it reconnects its quality is lost, the next attempt is announced, and a request makes it at once',
  async ({ open, server, startAnother }) => {
    const ann = await open('ann');
    const patient = { backoff: { first: 60_000, most: 60_000 } };
    is(await ann.start({ conversation: 'attic', ...patient }), null);
    await ann.until('client.statistics.rttMs !== null');
    is((await ann.state()).statistics['quality'], 'good');
    is(await ann.evaluate('voiceClient.retryAt'), null);
    server.process.kill('SIGKILL');
    await server.exited;
    await ann.until('client.retryAt !== null', 40);
    const [announced, left] = await ann.evaluate<number[]>('[voiceClient.retryAt, voiceClient.retryAt - Date.now()]');
    const { value, at } = (await ann.events()).findLast(({ name }) => name === 'retry')!;
    ok(Math.abs(announced! - at - value.delay) < 50, `${announced} instead of ${at} + ${value.delay}`);
    ok(left! > 20_000, `${left} ms are left`);
    await startAnother({ LISTEN: `127.0.0.1:${server.port}` });
    await ann.call('reconnect');
    is(await ann.evaluate('voiceClient.retryAt'), null);
    await ann.until("client.state === 'connected' && client.conversation === 'attic'", 15);
    is((await ann.events()).filter(({ name }) => name === 'retry').length, 1);
    const told = async (): Promise<string[]> =>
      (await ann.events()).filter(({ name }) => name === 'quality').map((event) => event.value);
    equal(await told(), ['good', 'lost', 'good']);
    await ann.call('close');
    equal(await told(), ['good', 'lost', 'good', 'lost']);
    is(await ann.evaluate('voiceClient.retryAt'), null);
  },
);

inBrowsers(
  test,
  EACH,
  'a connection that comes back to life shows what it showed',
  async ({ open, server, gateway }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    for (const page of [ann, bob]) is(await page.start({ conversation: 'attic' }), null);
    await ann.until(FULL);
    const { number } = await ann.state();
    // A new connection is impossible, so the client keeps the old one.
    gateway.upstream = 9;
    await ann.evaluate(`{
    const { session } = voiceClient;
    session.current.watcher.lost(Object.assign(new Error('disturbed'), { code: 'unreachable', retryable: true }), false);
    0;
  }`);
    equal(await shown(ann), QUIET);
    await ann.until("client.state === 'connected'");
    gateway.upstream = server.port;
    await ann.until(FULL);
    is((await ann.state()).number, number, 'the same connection');
    await hearsExactly(ann, [bob.tone]);
  },
);

inBrowsers(
  test,
  EACH,
  'a reconnection on request is no loss, however late the old connection is released',
  async ({ open }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    for (const page of [ann, bob]) is(await page.start({ conversation: 'attic' }), null);
    await hearsExactly(ann, [bob.tone]);
    const { number } = await ann.state();
    // The server ends the old connection once the new one is established there, and this client learns of that much
    // later.
    await ann.evaluate(`{
    const { membership } = voiceClient;
    const restore = membership.restore.bind(membership);
    membership.restore = async (...args) => {
      const old = voiceClient.session.current;
      while (voiceClient.session.current !== null) await new Promise((go) => setTimeout(go, 10));
      window.gone = old !== null;
      await restore(...args);
    };
    voiceClient.reconnect();
    0;
  }`);
    await ann.until(`client.number !== ${number} && client.total === 2`);
    is(await ann.evaluate('gone'), true, 'the old one ended first');
    const told = (await ann.events()).filter(({ name }) => ['state', 'retry', 'error'].includes(name));
    equal(
      told.map(({ value }) => value),
      [
        { state: 'connecting', error: null },
        { state: 'connected', error: null },
      ],
    );
    await hearsExactly(ann, [bob.tone]);
  },
);

test.run();
