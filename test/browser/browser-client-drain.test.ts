/** The browser client while its server shuts down. */
import { is, match, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import type { ClientPage, TimedEvent } from '../support/client-page.ts';
import { hearsExactly } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client drains');
/** Longest time that people who move on may miss each other, milliseconds. */
const MAX_GAP_MS = 1000;
const EACH = ['chromium', 'firefox'] as const;

async function states(page: ClientPage): Promise<TimedEvent[]> {
  return (await page.events()).filter(({ name }) => name === 'state');
}

inBrowsers(
  test,
  EACH,
  'a client that is alone moves on at once when the server shuts down',
  async ({ open, server, gateway, startAnother }) => {
    const ann = await open('ann');
    is(await ann.start({ conversation: 'attic' }), null);
    const next = await startAnother();
    gateway.upstream = next.port;
    server.process.kill('SIGTERM');
    await ann.until("events.some(({ name }) => name === 'draining')");
    await next.logged('"msg":"connection established"');
    await ann.until("client.state === 'connected' && client.conversation === 'attic' && client.total === 1");
    ok(!(await states(ann)).some(({ value }) => value.state === 'reconnecting'), 'it was never without a connection');
    is(await server.exited, 0);
    const bob = await open('bob');
    is(await bob.start({ conversation: 'attic' }), null);
    await Promise.all([hearsExactly(ann, [bob.tone]), hearsExactly(bob, [ann.tone])]);
  },
  { env: { DRAIN_TIMEOUT_MS: '60000' } },
);

inBrowsers(
  test,
  EACH,
  'clients that talk with each other move on together, soon, and miss nothing of each other',
  async ({ open, server, gateway, startAnother }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    for (const page of [ann, bob]) is(await page.start({ conversation: 'attic' }), null);
    await Promise.all([hearsExactly(ann, [bob.tone]), hearsExactly(bob, [ann.tone])]);
    const next = await startAnother();
    await Promise.all([ann.watchVoices(), bob.watchVoices()]);
    gateway.upstream = next.port;
    server.process.kill('SIGTERM');
    is(await server.exited, 0);
    match(await server.logged('"drained"'), 'no connections');
    for (const [page, other] of [
      [ann, 'bob'],
      [bob, 'ann'],
    ] as const) {
      await page.until("client.state === 'connected' && client.total === 2");
      const pauses = await page.pauses();
      ok(pauses[other]! < MAX_GAP_MS, JSON.stringify(pauses));
      ok(!(await states(page)).some(({ value }) => value.state === 'reconnecting'), 'never without a connection');
    }
    await Promise.all([hearsExactly(ann, [bob.tone]), hearsExactly(bob, [ann.tone])]);
  },
  { env: { DRAIN_TIMEOUT_MS: '60000' } },
);

inBrowsers(
  test,
  ['chromium'],
  'without a next instance people talk on until the end, and are back as soon as there is one',
  async ({ open, server, gateway, startAnother }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    for (const page of [ann, bob]) is(await page.start({ conversation: 'attic' }), null);
    await hearsExactly(ann, [bob.tone]);
    server.process.kill('SIGTERM');
    await ann.until("events.some(({ name }) => name === 'retry')");
    await hearsExactly(ann, [bob.tone]);
    // No next instance takes the request as well, but it has its effect.
    is(await ann.call('join', 'cellar'), null);
    await ann.until("client.conversation === 'cellar' && client.total === 1");
    is(await ann.call('join', 'attic'), null);
    await hearsExactly(ann, [bob.tone]);
    server.process.kill('SIGTERM');
    is(await server.exited, 0);
    gateway.upstream = (await startAnother()).port;
    for (const page of [ann, bob]) await page.until("client.state === 'connected' && client.total === 2", 60);
    await Promise.all([hearsExactly(ann, [bob.tone]), hearsExactly(bob, [ann.tone])]);
  },
  { env: { DRAIN_TIMEOUT_MS: '600000' } },
);

/**
 * In the page: answers the next request for a membership with 200 without sending it, as if another instance had got
 * it.
 */
const SWALLOW = `{
  const { fetch } = window;
  window.asked = [];
  window.swallow = 0;
  window.fetch = (url, init) => {
    if (!String(url).includes('/join/')) return fetch(url, init);
    window.asked.push(init.method);
    return window.swallow-- > 0 ? Promise.resolve(new Response(null, { status: 200 })) : fetch(url, init);
  };
}`;

inBrowsers(
  test,
  EACH,
  'a join or leave that is answered with 200 and has no effect on the connection is tried again',
  async ({ open, startAnother, gateway }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    is(await bob.start({ conversation: 'attic' }), null);
    await ann.evaluate(SWALLOW);
    const sends = async (methods: string, act: () => Promise<unknown>): Promise<void> => {
      await ann.evaluate('void Object.assign(window, { swallow: 1, asked: [] })');
      is(await act(), null);
      is(await ann.evaluate<string>('asked.join()'), methods);
    };
    await sends('POST,POST', () => ann.start({ conversation: 'attic' }));
    await bob.until('client.total === 2');
    await sends('DELETE,DELETE', () => ann.call('leave'));
    await bob.until('client.total === 1');
    await sends('POST,POST', () => ann.call('join', 'attic'));
    await bob.until('client.total === 2');
    // The request is lost on the way to the old connection's instance, and the new connection still makes it.
    await ann.evaluate('void Object.assign(window, { swallow: 1, asked: [] })');
    const moved = ann.call('join', 'cellar');
    is(await ann.call('reconnect'), null);
    is(await moved, null);
    await bob.until('client.total === 1');
    is((await ann.state()).conversation, 'cellar');
    // An instance of an older version answers for its own connection as long as that is established.
    const next = await startAnother();
    gateway.upstream = next.port;
    await sends('POST,POST', async () => {
      is(await ann.call('reconnect'), null);
      await next.logged('"joined"', '"cellar"');
      await ann.until("client.state === 'connected' && client.conversation === 'cellar' && client.total === 1");
      return null;
    });
  },
);

test.run();
