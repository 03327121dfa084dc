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
