/** What operators see and measure of a cluster, from any of its instances. */
import { equal, is, match, ok } from 'uvu/assert';
import type {
  ClusterOverview,
  ConversationDetail,
  ConversationPage,
  UserDetail,
} from '../../src/main/operations/views.ts';
import { ClientHost } from '../support/client.ts';
import { type ClusterInstance, enter, sharedCluster } from '../support/cluster.ts';
import { hear } from '../support/hearing.ts';
import { scrape } from '../support/metrics.ts';
import { scenarios } from '../support/scenario.ts';
import { openSocket } from '../support/socket.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('operating a cluster');
const shared = sharedCluster(test, { instances: 2 });
const host = new ClientHost();

let names = 0;
const fresh = (name: string): string => `${name}${++names}`;

/** Where and as what a connection is shown. */
const place = ({ instance, clientid, state }: { instance?: string; clientid: string; state: string }): string =>
  `${instance} ${clientid} ${state}`;

/** Returns where a user's connections are, as an instance tells. */
async function find(instance: ClusterInstance, userid: string): Promise<string[]> {
  return (await instance.read<UserDetail>(`/users/${userid}`)).connections.map(place).sort();
}

shared('every instance lists the conversations of all, and on how many of them each is', async (cluster) => {
  const [wide, narrow, empty] = [fresh('wide'), fresh('narrow'), fresh('empty')];
  const people = [
    await enter(host, cluster.at(0), fresh('ann'), wide),
    await enter(host, cluster.at(1), fresh('bob'), wide),
    await enter(host, cluster.at(1), fresh('cid'), narrow),
  ];
  is((await cluster.at(0).join(fresh('dan'), empty)).status, 200);
  for (const instance of cluster.instances) {
    await until('it knows all of them', async () => {
      const { conversations } = await instance.read<ConversationPage>('/conversations');
      const known = new Map(conversations.map(({ id, users, instances }) => [id, `${users} ${instances}`]));
      return known.get(wide) === '2 2' && known.get(narrow) === '1 1' && known.get(empty) === '1 0';
    });
  }
  for (const client of people) await client.end();
});

shared(
  'a conversation and a user are shown with the connections of all instances, the same from each',
  async (cluster) => {
    const [room, ann, bob] = [fresh('room'), fresh('ann'), fresh('bob')];
    const device = (clientid: string): object => ({ claim: { userid: ann, clientid }, name: `${ann} ${clientid}` });
    const clients = [
      await enter(host, cluster.at(0), ann, room, device('phone')),
      await enter(host, cluster.at(1), ann, room, device('laptop')),
      await enter(host, cluster.at(1), bob, room),
    ];
    for (const instance of cluster.instances) {
      const { users, missing } = await instance.read<ConversationDetail>(`/conversations/${room}`);
      equal(missing, []);
      const shown = new Map(users.map(({ userid, connections }) => [userid, connections.map(place).sort()]));
      equal(shown.get(ann), ['a phone established', 'b laptop established']);
      equal(shown.get(bob), ['b client established']);
      equal(await find(instance, ann), ['a phone established', 'b laptop established']);
      is((await instance.read<UserDetail>(`/users/${ann}`)).conversation, room);
    }
    for (const client of clients) await client.end();
  },
);

shared(
  'a user who is in no conversation is found from the other instance, connected or about to be',
  async (cluster) => {
    const [ann, bob] = [fresh('ann'), fresh('bob')];
    const client = await host.connect(cluster.at(0).url, ann);
    const { socket } = await openSocket(cluster.at(0).url, bob);
    for (const instance of cluster.instances) {
      equal(await find(instance, ann), ['a client established']);
      equal(await find(instance, bob), ['a client waiting']);
      is((await instance.operate('GET', '/users/nobody')).status, 404);
    }
    socket.close();
    await client.end();
  },
);

shared(
  'each instance shows all of them, what spans them, and what they relay',
  async (cluster) => {
    const room = fresh('room');
    const [ann, bob] = [
      await enter(host, cluster.at(0), fresh('ann'), room),
      await enter(host, cluster.at(1), fresh('bob'), room),
    ];
    await ann.talk();
    await hear(bob, [ann.name]);
    for (const [i, instance] of cluster.instances.entries()) {
      const overview = await until(
        'there are rates',
        async () => {
          const seen = await instance.read<ClusterOverview>('/cluster');
          return seen.instances.every(({ relay }) => relay !== null && relay.in + relay.out > 10) ? seen : null;
        },
        { timeout: 20_000, interval: 500 },
      );
      equal([overview.whole, overview.problem], [true, null]);
      equal(
        overview.instances.map(({ id, self }) => `${id} ${self}`),
        i === 0 ? ['a true', 'b false'] : ['b true', 'a false'],
      );
      for (const { incarnation, version, silentMs, rttMs, draining, connections } of overview.instances) {
        match(incarnation, /^[\da-f]{12}$/);
        match(version, /^\d+\.\d+\.\d+$/);
        ok(silentMs < 3500 && (rttMs ?? 0) < 1000 && !draining && connections >= 1, JSON.stringify(overview));
      }
      const { total, conversations } = overview.spanning;
      ok(total >= 1);
      equal(conversations.find(({ id }) => id === room)?.instances, ['a', 'b']);
    }
    const [a, b] = await Promise.all(cluster.instances.map(({ server }) => scrape(server.adminUrl)));
    is(a!.value('sfu_cluster_whole'), 1);
    is(a!.value('sfu_cluster_instances'), 2);
    ok(a!.value('sfu_relay_packets_total', { direction: 'out' })! > 20);
    ok(b!.value('sfu_relay_packets_total', { direction: 'in' })! > 20);
    ok(b!.value('sfu_relay_delay_seconds_count')! > 20);
    ok(b!.value('sfu_remote_participants')! >= 1 && b!.value('sfu_remote_sources')! >= 1);
    ok(b!.value('sfu_cluster_kv_lag_seconds')! < 5);
    for (const reason of ['malformed', 'other-version', 'too-large']) {
      is(b!.value('sfu_cluster_messages_dropped_total', { reason }), 0, reason);
    }
    await ann.end();
    await bob.end();
  },
  60,
);

shared('sources of other instances are no connections of this one', async (cluster) => {
  const room = fresh('room');
  const ann = await enter(host, cluster.at(0), fresh('ann'), room);
  const bob = await enter(host, cluster.at(1), fresh('bob'), room);
  await ann.talk();
  await hear(bob, [ann.name]);
  const ready = await cluster.at(1).read<{ connections: number; problems: string[] }>('/readyz');
  equal([ready.connections, ready.problems], [1, []]);
  await ann.end();
  await bob.end();
});

shared(
  'an instance that stands still is named as missing within two seconds, and its connections are not shown',
  async (cluster) => {
    const [room, ann, bob] = [fresh('room'), fresh('ann'), fresh('bob')];
    const clients = [await enter(host, cluster.at(0), ann, room), await enter(host, cluster.at(1), bob, room)];
    await until('both are known', async () => {
      return (await cluster.at(0).read<ConversationDetail>(`/conversations/${room}`)).users.length === 2;
    });
    cluster.at(1).freeze();
    try {
      const begun = performance.now();
      const { users, missing } = await cluster.at(0).read<ConversationDetail>(`/conversations/${room}`);
      ok(performance.now() - begun < 2000);
      equal(missing, ['b']);
      equal(
        users.map(({ userid, connections }) => `${userid} ${connections.length}`).sort(),
        [`${ann} 1`, `${bob} 0`].sort(),
      );
      const { status, body } = await cluster.at(0).operate('GET', '/users/nobody');
      equal([status, /b did not answer/.test(body)], [404, true]);
    } finally {
      cluster.at(1).thaw();
    }
    await until('it answers again', async () => {
      return (await cluster.at(0).read<ConversationDetail>(`/conversations/${room}`)).missing?.length === 0;
    });
    for (const client of clients) await client.end();
  },
);

shared.ends();

test('the clients are gone', () => {
  host.kill();
});

test.run();
