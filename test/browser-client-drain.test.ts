/** The browser client while its server shuts down. */
import { is, ok } from 'uvu/assert';
import type { ClientPage, TimedEvent } from './support/client-page.ts';
import { hearsExactly } from './support/page.ts';
import { scenarios } from './support/scenario.ts';
import { onStage } from './support/stage.ts';

const test = scenarios('browser client drains');
const EACH = ['chromium', 'firefox'] as const;

async function states(page: ClientPage): Promise<TimedEvent[]> {
  return (await page.events()).filter(({ name }) => name === 'state');
}

onStage(
  test,
  EACH,
  'who is alone moves on at once when the server shuts down',
  async ({ open, server, gateway, another }) => {
    const ann = await open('ann');
    is(await ann.start({ conversation: 'attic' }), null);
    const next = await another();
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

onStage(
  test,
  ['chromium'],
  'who talk with each other move on together, at the end',
  async ({ open, server, gateway, another }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    for (const page of [ann, bob]) is(await page.start({ conversation: 'attic' }), null);
    await hearsExactly(ann, [bob.tone]);
    const next = await another();
    gateway.upstream = next.port;
    server.process.kill('SIGTERM');
    await ann.until("events.some(({ name }) => name === 'draining')");
    await hearsExactly(ann, [bob.tone]);
    is(
      next.logs.filter((line) => line.includes('"msg":"connection established"')).length,
      0,
      'nobody leaves the other',
    );
    is(await server.exited, 0);
    await Promise.all([hearsExactly(ann, [bob.tone]), hearsExactly(bob, [ann.tone])]);
  },
  { env: { DRAIN_TIMEOUT_MS: '12000' } },
);

test.run();
