/** The shipped client on a cluster of which an instance dies. */
import { is, ok } from 'uvu/assert';
import type { ClusterInstance } from '../support/cluster.ts';
import {
  areSpread,
  type ClusterFixture,
  inClusterBrowsers,
  longestPauses,
  meet,
  together,
} from '../support/cluster-browsers.ts';
import { scenarios } from '../support/scenario.ts';
import { shortestOf, until } from '../support/waiting.ts';

const test = scenarios('cluster and a dead instance');
const EACH = ['chromium', 'firefox'] as const;
/** Longest time after the death of an instance until everybody hears everybody, milliseconds. */
const BACK_MS = 6000;
const TRIES = 3;

/** Returns the instance that has a user's connection. */
async function instanceOf({ cluster }: ClusterFixture, user: string): Promise<ClusterInstance> {
  const { connections } = await cluster.at(0).read<{ connections: { instance: string }[] }>(`/users/${user}`);
  is(connections.length, 1);
  return cluster.instances.find(({ id }) => id === connections[0]!.instance)!;
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
      let dead = fixture.cluster.at(0);
      const die = async (): Promise<number> => {
        await Promise.all(pages.map((page) => page.watchVoices()));
        dead = await instanceOf(fixture, 'bob');
        await until('voices are watched', async () => (await longestPauses(pages, users)) < BACK_MS);
        await dead.kill();
        await together(pages);
        const longest = await longestPauses(pages, users);
        await dead.start();
        await fixture.cluster.whole();
        return longest;
      };
      const longest = await shortestOf(BACK_MS, die, TRIES);
      // He is on the one that was dead.
      fixture.gateway.upstream = dead.server.port;
      const dan = await fixture.open('dan');
      is(await dan.start({ conversation: 'attic', slots: 4 }), null);
      await together([...pages, dan]);
      ok(longest < BACK_MS, `${longest} ms`);
    },
  );
}

test.run();
