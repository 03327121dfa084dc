/** Links to NATS that are cut, stall, or are slow. */
import { equal, is, ok } from 'uvu/assert';
import { enter, inCluster } from '../support/cluster.ts';
import { isDegraded, together, told, withFour } from '../support/four-people.ts';
import { hear, speakersIn } from '../support/hearing.ts';
import { scrape } from '../support/metrics.ts';
import { scenarios } from '../support/scenario.ts';
import { pause } from '../support/waiting.ts';

const test = scenarios('links of a cluster');

for (const how of ['cut', 'stall'] as const) {
  const what = how === 'cut' ? 'is cut off from NATS' : 'cannot be reached any more, without a sign';
  inCluster(
    test,
    `one instance ${what}: it is alone and says so, the others go on, and it comes back`,
    { instances: 3 },
    (cluster) =>
      withFour(cluster, async ({ host, people, ann, bob, cid, dan }) => {
        const c = cluster.at(2);
        const eve = await enter(host, c, 'eve', 'room', { slots: 5 });
        await eve.talk();
        await hear(eve, ['ann', 'cid']);
        for (const client of [...people, eve]) await client.knows(({ total }) => total === 5);
        await ann.take();
        cluster.at(0).link[how]();
        await isDegraded(cluster.at(0), ann, bob);
        for (const client of [cid, dan, eve])
          await client.knows(({ total, userids }) => total === 3 && userids.length === 3);
        for (const client of [cid, eve])
          ok(!client.view.of('cluster').some(({ whole }) => !whole), 'it is whole for them');
        await hear(cid, ['eve', 'dan']);
        is((await c.join('fay', 'room')).status, 200);
        is((await c.leave('fay', 'room')).status, 200);
        // Meanwhile somebody moves who is connected to the lost one.
        is((await c.join('bob', 'other')).status, 200);
        cluster.at(0).link.mend();
        await told([ann], true);
        await cluster.whole();
        await bob.knows(({ conversation }) => conversation === 'other');
        for (const client of [ann, cid, dan, eve]) await client.knows(({ total }) => total === 4);
        await ann.take();
        equal(speakersIn((await hear(ann, ['cid', 'dan', 'eve'], 20)).slice(-60)), ['cid', 'dan', 'eve']);
        await hear(eve, ['ann']);
        is((await cluster.at(0).join('bob', 'room')).status, 200);
        await together([...people, eve]);
      }),
    60,
  );
}

inCluster(
  test,
  'a link that is slow for a while drops what is old, keeps nothing waiting, and catches up',
  {},
  (cluster) =>
    withFour(cluster, async ({ people, ann }) => {
      const link = cluster.at(0).link;
      for (let i = 0; i < 3; i++) {
        link.stall();
        await pause(1200);
        link.mend();
        await pause(500);
      }
      await together(people);
      const packets = (await hear(ann, ['cid'], 100)).filter(({ from }) => from === 'cid');
      const delays = packets.map(({ at, timestamp }) => at - ((timestamp - packets[0]!.timestamp) | 0) / 48);
      ok(Math.max(...delays) - Math.min(...delays) < 1000, 'nothing waits any more');
      let dropped = 0;
      for (const { server } of cluster.instances)
        dropped += (await scrape(server.adminUrl)).sum('sfu_relay_dropped_total');
      ok(dropped > 0, (await scrape(cluster.at(1).server.adminUrl)).text);
    }),
  60,
);

test.run();
