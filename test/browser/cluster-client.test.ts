/** The shipped client on a cluster whose NATS goes away. */
import { is, ok } from 'uvu/assert';
import type { ClientPage } from '../support/client-page.ts';
import { inClusterBrowsers, meet, together } from '../support/cluster-browsers.ts';
import { scenarios } from '../support/scenario.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('cluster and the browser client');

inClusterBrowsers(
  test,
  ['chromium'],
  'while NATS is away a client is told, joins wait, and all is well afterwards',
  { proxy: true, instances: 3 },
  async (fixture) => {
    const pages = await meet(fixture, ['ann', 'bob']);
    const [ann] = pages as [ClientPage, ClientPage];
    await fixture.cluster.nats.kill();
    await ann.until('!client.whole && client.total === 1', 20);
    const joined = ann.call('join', 'cellar');
    await fixture.cluster.nats.restart();
    const error = await joined;
    if (error !== null) {
      ok(error.retryable, JSON.stringify(error));
      await until('she may join', async () => (await ann.call('join', 'cellar')) === null);
    }
    await ann.until("client.whole && client.conversation === 'cellar' && client.total === 1", 30);
    is(await ann.call('join', 'attic'), null);
    await together(pages);
  },
);

test.run();
