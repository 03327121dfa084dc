/** The shipped client on a cluster whose instances die, drain and are started again, and whose NATS goes away. */
import { is, ok } from 'uvu/assert';
import type { ClientPage } from '../support/client-page.ts';
import type { ClusterInstance } from '../support/cluster.ts';
import { areSpread, type ClusterFixture, inClusterBrowsers } from '../support/cluster-browsers.ts';
import { hearsExactly } from '../support/page.ts';
import { scenarios } from '../support/scenario.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('cluster and the browser client');
const EACH = ['chromium', 'firefox'] as const;
/** Longest time that anybody may miss a voice in a rolling restart, milliseconds. */
const MAX_GAP_MS = 1000;
/** Longest time after the death of an instance until everybody hears everybody, milliseconds. */
const BACK_MS = 6000;

/** People of one room, each connected through the proxy, so on the next instance. */
async function meet({ open }: ClusterFixture, users: readonly string[], conversation = 'attic'): Promise<ClientPage[]> {
  const pages: ClientPage[] = [];
  for (const user of users) {
    const page = await open(user);
    is(await page.start({ conversation, slots: 4 }), null);
    pages.push(page);
  }
  await together(pages);
  return pages;
}

/** Waits until everybody sees and hears everybody. */
async function together(pages: readonly ClientPage[]): Promise<void> {
  for (const page of pages) await page.until(`client.state === 'connected' && client.total === ${pages.length}`, 60);
  const others = (page: ClientPage): number[] => pages.filter((one) => one !== page).map(({ tone }) => tone);
  await Promise.all(pages.map((page) => hearsExactly(page, others(page))));
}

/** Returns the longest pause of each voice at each page, and checks that none is missing. */
async function longestPauses(pages: readonly ClientPage[], users: readonly string[]): Promise<number> {
  const all = await Promise.all(pages.map((page) => page.pauses()));
  const wanted = (i: number): string[] => users.filter((_, j) => j !== i);
  const pauses = all.flatMap((own, i) => wanted(i).map((user) => own[user] ?? Number.POSITIVE_INFINITY));
  const longest = Math.max(...pauses);
  console.log(`longest pauses: ${JSON.stringify(all)}`);
  return longest;
}

/** Returns the instance that has a user's connection. */
function instanceOf({ cluster }: ClusterFixture, user: string): ClusterInstance {
  const has = ({ logs }: ClusterInstance): boolean =>
    logs.some((line) => line.includes('"connection established"') && line.includes(`"userid":"${user}"`));
  return cluster.instances.find(has)!;
}

for (const kind of EACH) {
  inClusterBrowsers(
    test,
    [kind],
    'after the death of an instance everybody hears everybody within six seconds, and its return splits nothing',
    { proxy: true, instances: 3 },
    async (fixture) => {
      const users = ['ann', 'bob', 'cid'];
      const pages = await meet(fixture, users);
      await areSpread(fixture.cluster);
      await Promise.all(pages.map((page) => page.watchVoices()));
      const dead = instanceOf(fixture, 'bob');
      await until('voices are watched', async () => (await longestPauses(pages, users)) < BACK_MS);
      await dead.kill();
      await together(pages);
      const longest = await longestPauses(pages, users);
      await dead.start();
      await fixture.cluster.whole();
      // He is on the one that was dead.
      fixture.gateway.upstream = dead.server.port;
      const dan = await fixture.open('dan');
      is(await dan.start({ conversation: 'attic', slots: 4 }), null);
      await together([...pages, dan]);
      ok(longest < BACK_MS, `${longest} ms`);
    },
  );
}

for (const kind of EACH) {
  inClusterBrowsers(
    test,
    [kind],
    'all instances are started again in turn under a talking room, and nobody misses a voice for a second',
    { proxy: true, instances: 3, env: { DRAIN_TIMEOUT_MS: '60000' } },
    async (fixture) => {
      const users = ['ann', 'bob', 'cid'];
      const pages = await meet(fixture, users);
      await areSpread(fixture.cluster);
      await Promise.all(pages.map((page) => page.watchVoices()));
      for (const instance of fixture.cluster.instances) {
        instance.drain();
        is(await instance.server.exited, 0);
        await instance.start();
        await fixture.cluster.whole();
      }
      await together(pages);
      const longest = await longestPauses(pages, users);
      for (const page of pages) {
        const states = (await page.events()).filter(({ name }) => name === 'state').map(({ value }) => value.state);
        ok(!states.includes('reconnecting'), `never without a connection: ${states}`);
      }
      ok(longest < MAX_GAP_MS, `${longest} ms`);
    },
  );
}

inClusterBrowsers(
  test,
  ['chromium'],
  'while NATS is away a client is told, joins wait, and all is well afterwards',
  { proxy: true, instances: 3 },
  async (fixture) => {
    const pages = await meet(fixture, ['ann', 'bob']);
    const [ann] = pages as [ClientPage, ClientPage];
    await fixture.cluster.nats.kill();
    await ann.until('client.total === 1', 20);
    const joined = ann.call('join', 'cellar');
    await fixture.cluster.nats.restart();
    const error = await joined;
    if (error !== null) {
      ok(error.retryable, JSON.stringify(error));
      await until('she may join', async () => (await ann.call('join', 'cellar')) === null);
    }
    await ann.until("client.conversation === 'cellar' && client.total === 1", 30);
    is(await ann.call('join', 'attic'), null);
    await together(pages);
  },
);

test.run();
