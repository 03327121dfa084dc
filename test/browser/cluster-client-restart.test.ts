/** The shipped client on a cluster whose instances drain and are started again. */
import { is, ok } from 'uvu/assert';
import { areSpread, inClusterBrowsers, longestPauses, meet, together } from '../support/cluster-browsers.ts';
import { scenarios } from '../support/scenario.ts';
import { shortestOf } from '../support/waiting.ts';

const test = scenarios('cluster and a rolling restart');
const EACH = ['chromium', 'firefox'] as const;
/** Longest time that anybody may miss a voice in a rolling restart, milliseconds. */
const MAX_GAP_MS = 1000;
const TRIES = 3;

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
      const restart = async (): Promise<number> => {
        await Promise.all(pages.map((page) => page.watchVoices()));
        for (const instance of fixture.cluster.instances) {
          instance.drain();
          is(await instance.server.exited, 0);
          await instance.start();
          await fixture.cluster.whole();
        }
        await together(pages);
        return longestPauses(pages, users);
      };
      const longest = await shortestOf(MAX_GAP_MS, restart, TRIES);
      for (const page of pages) {
        const states = (await page.events()).filter(({ name }) => name === 'state').map(({ value }) => value.state);
        ok(!states.includes('reconnecting'), `never without a connection: ${states}`);
      }
      ok(longest < MAX_GAP_MS, `${longest} ms`);
    },
  );
}

test.run();
