/** What happens to people while their instances are apart, and what then is left of it. */
import { equal, is } from 'uvu/assert';
import { type ClusterInstance, enter, inCluster } from '../support/cluster.ts';
import { scenarios } from '../support/scenario.ts';
import { pause, until } from '../support/waiting.ts';
import { withClients } from '../support/with-clients.ts';

const test = scenarios('cluster interleavings');

async function isAlone(instance: ClusterInstance): Promise<void> {
  const degraded = async (): Promise<boolean> =>
    (await instance.read<{ status: string }>('/readyz')).status === 'degraded';
  await until(`${instance.id} is alone`, degraded);
}

inCluster(
  test,
  'an instance that was cut off for longer than memberships are remembered brings its people back',
  { env: { MEMBERSHIP_TIMEOUT_MS: '2000' } },
  (cluster) =>
    withClients(async (host) => {
      const [a, b] = [cluster.at(0), cluster.at(1)];
      const [ann, bob, cid] = [
        await enter(host, a, 'ann', 'room'),
        await enter(host, a, 'bob', 'room'),
        await enter(host, b, 'cid', 'room'),
      ];
      is((await b.operate('POST', '/conversations/room/users/bob/mute')).status, 200);
      await bob.knows((view) => view.of('silenced').length > 0);
      a.link.cut();
      await isAlone(a);
      for (const name of ['ann', 'bob']) {
        await until(`b forgets ${name}`, async () => (await b.operate('GET', `/users/${name}`)).status === 404);
      }
      // Somebody who moves meanwhile is where they were moved.
      is((await b.join('bob', 'other')).status, 200);
      a.link.mend();
      await bob.knows(({ conversation }) => conversation === 'other');
      for (const client of [ann, cid]) await client.knows(({ total, whole }) => whole && total === 2);
      equal(ann.view.of('left'), [], 'she was in the room all the time');
      await until('b can kick ann', async () => {
        return (await b.operate('POST', '/conversations/room/users/ann/kick')).status === 200;
      });
      await ann.knows((view) => view.of('left').at(-1)?.kicked === true);
      for (const client of [ann, bob, cid]) await client.end();
      await until('nothing is left', async () => (await cluster.monitor.messages('KV_sfu_users')) === 0);
    }),
  60,
);

inCluster(test, 'a kick and a leave reach whom an instance without NATS still has in the room', {}, (cluster) =>
  withClients(async (host) => {
    const [a, b] = [cluster.at(0), cluster.at(1)];
    const [ann, bob] = [await enter(host, a, 'ann', 'room'), await enter(host, a, 'bob', 'room')];
    await bob.knows(({ total }) => total === 2);
    a.link.cut();
    await until(
      'b knows nobody',
      async () => (await b.read<{ instances: unknown[] }>('/cluster')).instances.length === 1,
    );
    is((await b.operate('POST', '/conversations/room/users/ann/kick')).status, 200);
    is((await b.leave('bob', 'room')).status, 200);
    // What is nobody's any more is looked for each second.
    await pause(2500);
    a.link.mend();
    await ann.knows((view) => view.of('left').length === 1);
    is(ann.view.of('left')[0]!.kicked, true);
    await bob.knows((view) => view.of('left').length === 1);
    is(bob.view.of('left')[0]!.kicked, false);
  }),
);

inCluster(test, 'a connection that its client has given up does not replace the newer one elsewhere', {}, (cluster) =>
  withClients(async (host) => {
    const [a, b] = [cluster.at(0), cluster.at(1)];
    a.link.cut();
    await isAlone(a);
    // It sends her away first; nobody else may be there.
    await host.connect(a.url, 'ann').catch(() => undefined);
    const old = await host.connect(a.url, 'ann');
    await old.knows(({ whole }) => !whole);
    // She is told that the others are missing, and connects elsewhere, over another network.
    await pause(2000);
    const newer = await enter(host, b, 'ann', 'room');
    await newer.knows(({ conversation }) => conversation === 'room');
    a.link.mend();
    await old.knows((view) => view.of('replaced').length > 0);
    await newer.look();
    equal(newer.view.of('replaced'), []);
    await newer.knows(({ total }) => total === 1);
  }),
);

test.run();
