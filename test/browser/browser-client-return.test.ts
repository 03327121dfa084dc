/** The browser client comes back after the server died or was silent. */
import { equal, is, ok } from 'uvu/assert';
import { inBrowsers } from '../support/browser-fixture.ts';
import type { ClientPage, TimedEvent } from '../support/client-page.ts';
import { hearsExactly } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('browser client returns');
const EACH = ['chromium', 'firefox'] as const;

async function states(page: ClientPage): Promise<TimedEvent[]> {
  return (await page.events()).filter(({ name }) => name === 'state');
}

/** Returns the time from a moment until the client entered a state, milliseconds. */
async function since(page: ClientPage, moment: number, state: string): Promise<number> {
  return (await states(page)).find(({ at, value }) => at > moment && value.state === state)!.at - moment;
}

inBrowsers(
  test,
  EACH,
  'after the server’s death clients are back in their conversation',
  async ({ open, server, startAnother }) => {
    const [ann, bob] = [await open('ann'), await open('bob')];
    for (const page of [ann, bob]) is(await page.start({ tokenFunction: true }), null);
    for (const page of [ann, bob]) is(await page.call('join', 'attic'), null);
    await Promise.all([hearsExactly(ann, [bob.tone]), hearsExactly(bob, [ann.tone])]);
    const { number } = (await ann.state()).participants.find(({ userid }) => userid === 'bob')!;
    is(await ann.call('pin', [number]), null);
    await bob.call('mute', true);
    const before = (await ann.evaluate<string[]>('harness.tokens()')).length;

    const died = Date.now();
    server.process.kill('SIGKILL');
    await server.exited;
    await Promise.all([ann, bob].map((page) => page.until("client.state === 'reconnecting'", 40)));
    const noticed = await since(ann, died, 'reconnecting');
    is((await ann.state()).participants.length, 2, 'who was there is still shown');
    const back = Date.now();
    await startAnother({ LISTEN: `127.0.0.1:${server.port}` });
    await Promise.all([ann, bob].map((page) => page.until("client.state === 'connected' && client.total === 2", 40)));
    const returned = await since(ann, back, 'connected');
    console.log(`    noticed after ${noticed} ms, back ${returned} ms after the next server was started`);
    // ICE alone would take more than ten seconds.
    ok(noticed < 9500, `${noticed}`);
    ok((await ann.evaluate<string[]>('harness.tokens()')).length > before, 'a new token for each attempt');

    const seen = (await states(ann)).filter(({ at }) => at > died).map(({ value }) => value.state);
    equal(seen, ['reconnecting', 'connected'], 'what is dead is not taken for alive again');
    await hearsExactly(bob, [ann.tone]);
    await hearsExactly(ann, []);
    is((await ann.state()).conversation, 'attic');
    await ann.until("[...client.participants.values()].find(({ userid }) => userid === 'bob').muted");
    await bob.call('mute', false);
    await hearsExactly(ann, [bob.tone]);
  },
);

inBrowsers(test, EACH, 'it comes back after the network was dead for a while', async ({ open, server }) => {
  const [ann, bob] = [await open('ann'), await open('bob')];
  for (const page of [ann, bob]) is(await page.start({ conversation: 'attic', attemptTimeout: 5000 }), null);
  await hearsExactly(ann, [bob.tone]);
  server.process.kill('SIGSTOP');
  await ann.until("client.state === 'reconnecting'", 40);
  await ann.until("events.some(({ name }) => name === 'retry')", 40);
  const alive = Date.now();
  server.process.kill('SIGCONT');
  await Promise.all([ann, bob].map((page) => page.until("client.state === 'connected'", 40)));
  const states = (await ann.events()).filter(({ name, at }) => name === 'state' && at > alive);
  console.log(`    back ${Math.round(states.at(-1)!.at - alive)} ms after the server was`);
  await Promise.all([hearsExactly(ann, [bob.tone]), hearsExactly(bob, [ann.tone])]);
});

test.run();
