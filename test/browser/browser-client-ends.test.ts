/** The browser client where it is refused, replaced or kicked. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { equal, is, match, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import type { ClientPage, TimedEvent } from '../support/client-page.ts';
import { hearsExactly } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client ends');
const EACH = ['chromium', 'firefox'] as const;

async function states(page: ClientPage): Promise<TimedEvent[]> {
  return (await page.events()).filter(({ name }) => name === 'state');
}

inBrowsers(test, EACH, 'another tab takes over, and the first one lets it', async ({ open }) => {
  const [first, second] = [await open('ann'), await open('ann')];
  is(await first.start({ conversation: 'attic' }), null);
  is(await second.start(), null);
  await first.until("client.state === 'closed'");
  const [last] = (await states(first)).slice(-1);
  is(last!.value.error.code, 'replaced');
  await second.until("client.conversation === 'attic'");
  is((await second.state()).state, 'connected');
});

inBrowsers(test, ['chromium'], 'a refused token ends it, unless it can get another one', async ({ open, gateway }) => {
  const [ann, bob] = [await open('ann'), await open('bob')];
  gateway.refused.add(ann.token).add(bob.token);
  const refusal = await ann.start();
  is(refusal?.code, 'unauthorized');
  is(refusal?.status, 401);
  is((await ann.state()).state, 'closed');
  const attempt = bob.start({ tokenFunction: true });
  await bob.until("events.some(({ name }) => name === 'retry')");
  gateway.refused.clear();
  is(await attempt, null);
  is((await bob.call('join', 'x'.repeat(300)))?.code, 'bad-conversation');
  is((await bob.state()).conversation, null);
  await bob.call('close');
  is(await bob.start({ conversation: '..' }), null, 'the connection stands');
  const [moved] = (await bob.events()).filter(({ name }) => name === 'conversation');
  equal([moved?.value.conversation, moved?.value.error.code], [null, 'bad-conversation']);
});

inBrowsers(
  test,
  ['chromium'],
  'a full server is asked again until there is room',
  async ({ open }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    is(await ann.start(), null);
    const attempt = bob.start({ backoff: { most: 500 } });
    await bob.until("events.filter(({ name }) => name === 'retry').length === 2");
    await ann.call('close');
    is(await attempt, null);
  },
  { env: { MAX_CONNECTIONS: '1' } },
);

inBrowsers(
  test,
  ['chromium'],
  'it gives up on a server that does not answer, and says so',
  async ({ open, server }) => {
    const ann = await open('ann');
    server.process.kill('SIGKILL');
    const failure = await ann.start({ connectTimeout: 2000 });
    is(failure?.code, 'server-error');
    is(failure?.status, 502);
    match(failure!.message, 'Given up after 2000 ms');
    is((await ann.call('join', 'attic'))?.code, 'closed');
    is((await (await open('bob')).start({ url: 'http://127.0.0.1:9', connectTimeout: 10 }))?.code, 'unreachable');
  },
);

inBrowsers(
  test,
  EACH,
  'a connection that cannot be replaced is kept as long as it lives',
  async ({ open, server, gateway }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    for (const page of [ann, bob])
      is(await page.start({ conversation: 'attic', backoff: { first: 50, most: 50 } }), null);
    await hearsExactly(ann, [bob.tone]);
    gateway.refused.add(ann.token);
    await ann.call('reconnect');
    await ann.until("events.some(({ name }) => name === 'error')");
    const told = (await ann.events()).filter(({ name }) => ['error', 'retry', 'state'].includes(name));
    equal(
      told.map(({ name, value }) => [name, value.code ?? value.state]),
      [
        ['state', 'connecting'],
        ['state', 'connected'],
        ['error', 'unauthorized'],
      ],
      'it is not tried again',
    );
    await hearsExactly(ann, [bob.tone]);
    is((await ann.events()).filter(({ name }) => name === 'retry').length, 0);
    server.process.kill('SIGKILL');
    await ann.until("client.state === 'closed'", 40);
    is((await states(ann)).at(-1)!.value.error.code, 'unauthorized');
  },
);

inBrowsers(
  test,
  ['chromium'],
  'a proxy that has no upstream for a while ends nothing',
  async ({ open, server, gateway, startAnother }) => {
    const ann = await open('ann');
    is(await ann.start({ conversation: 'attic', backoff: { most: 500 } }), null);
    const nowhere = createServer((_, response) => response.writeHead(404).end()).listen(0, '127.0.0.1');
    try {
      await new Promise((resolve) => nowhere.once('listening', resolve));
      gateway.upstream = (nowhere.address() as AddressInfo).port;
      server.process.kill('SIGKILL');
      await ann.until("events.some(({ name, value }) => name === 'retry' && value.error.status === 404)", 40);
      gateway.upstream = (await startAnother()).port;
      await ann.until("client.state === 'connected' && client.conversation === 'attic' && client.total === 1", 40);
    } finally {
      nowhere.close();
    }
  },
);

inBrowsers(test, ['chromium'], 'an operator mutes and kicks', async ({ open, server }) => {
  const [ann, bob] = [await open('ann'), await open('bob')];
  for (const page of [ann, bob]) is(await page.start({ conversation: 'attic' }), null);
  await hearsExactly(bob, [ann.tone]);
  const operate = async (what: string): Promise<void> => {
    const { status } = await fetch(`${server.adminUrl}/conversations/attic/users/ann/${what}`, { method: 'POST' });
    ok(status < 300, `${what}: ${status}`);
  };
  await operate('mute');
  await ann.until('client.silenced');
  await hearsExactly(bob, []);
  await operate('unmute');
  await ann.until('!client.silenced');
  await hearsExactly(bob, [ann.tone]);
  await operate('kick');
  await ann.until("events.some(({ name, value }) => name === 'conversation' && value.kicked)");
  is((await ann.state()).conversation, null);
  is((await ann.state()).state, 'connected');
});

test.run();
