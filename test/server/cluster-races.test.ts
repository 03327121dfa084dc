/** What happens at the same time on several instances, and what is left after that. */
import { equal, is, ok } from 'uvu/assert';
import type { TestClient } from '../support/client.ts';
import { ask, type Cluster, enter, inCluster } from '../support/cluster.ts';
import { hear, speakersIn } from '../support/hearing.ts';
import { below, prng, seed } from '../support/prng.ts';
import { scenarios } from '../support/scenario.ts';
import { claimHeader } from '../support/server.ts';
import { until } from '../support/waiting.ts';
import { withClients } from '../support/with-clients.ts';

const test = scenarios('cluster races');

/** Returns who is in a conversation, as each instance tells operators: `userid clientid@instance`. */
async function told(cluster: Pick<Cluster, 'instances'>, conversation: string): Promise<string[]> {
  type Detail = { users?: { userid: string; connections: { clientid: string; instance: string; state: string }[] }[] };
  const all: string[] = [];
  for (const instance of cluster.instances) {
    const { users = [] } = await instance.read<Detail>(`/conversations/${conversation}`);
    const lines = users.flatMap(({ userid, connections }) =>
      connections.length === 0
        ? [userid]
        : connections.map(({ clientid, instance: id, state }) => `${userid} ${clientid}@${id} ${state}`),
    );
    all.push(lines.sort().join(', '));
  }
  return all;
}

inCluster(
  test,
  'of two connections that one client makes on two instances at once exactly one stays, everywhere the same',
  {},
  (cluster) =>
    withClients(async (host) => {
      const bob = await enter(host, cluster.at(0), 'bob', 'room', { slots: 2 });
      is((await cluster.at(0).join('ann', 'room')).status, 200);
      for (let round = 0; round < 6; round++) {
        const both = await Promise.all([
          host.connect(cluster.at(round % 2).url, 'ann', { slots: 2 }),
          host.connect(cluster.at(1 - (round % 2)).url, 'ann', { slots: 2 }),
        ]);
        const connected = async (): Promise<TestClient[]> => {
          const states = await Promise.all(both.map((client) => client.state()));
          return both.filter((_, i) => states[i]!.state === 'connected');
        };
        await until('one of them is left', async () => (await connected()).length === 1);
        const [winner] = await connected();
        await bob.knows(({ total, userids }) => total === 2 && userids.join() === 'ann,bob');
        await winner!.knows(({ conversation, total }) => conversation === 'room' && total === 2);
        await winner!.talk();
        equal(speakersIn(await hear(bob, ['ann'])), ['ann']);
        await until('all instances tell the same', async () => {
          const all = await told(cluster, 'room');
          return new Set(all).size === 1 && all[0]!.split(', ').length === 2;
        });
        is((await connected()).length, 1);
        await bob.take();
      }
    }),
);

inCluster(
  test,
  'the last place of a conversation goes to one of those who want it on several instances at once',
  { instances: 3, env: { MAX_PARTICIPANTS: '3' } },
  async (cluster) => {
    for (let round = 0; round < 5; round++) {
      const room = `room-${round}`;
      for (const user of ['ann', 'bob']) is((await cluster.at(0).join(`${user}-${round}`, room)).status, 200);
      const wanted = await Promise.all(
        cluster.instances.map((instance, i) => instance.join(`late-${i}-${round}`, room)),
      );
      const statuses = wanted.map(({ status }) => status).toSorted();
      equal(statuses, [200, 409, 409], wanted.map(({ body }) => body).join());
      for (const instance of cluster.instances) {
        const { users } = await instance.read<{ users: unknown[] }>(`/conversations/${room}`);
        is(users.length, 3, instance.id);
      }
    }
  },
);

inCluster(
  test,
  'after joins, moves and leaves of many at once on all instances everybody agrees who is where',
  { instances: 3, env: { MAX_JOINS_PER_SECOND: '1000' } },
  (cluster) =>
    withClients(async (host) => {
      const random = prng(seed('cluster races'));
      const rooms = ['attic', 'cellar', 'garden'];
      const people: TestClient[] = [];
      for (let i = 0; i < 9; i++) people.push(await enter(host, cluster.at(i % 3), `p${i}`, 'hall', { slots: 1 }));
      const last = new Map<string, string>();
      const wander = async ({ name }: TestClient): Promise<void> => {
        for (let step = 0; step < 12; step++) {
          const room = rooms[below(random, rooms.length)]!;
          const method = below(random, 5) === 0 ? 'DELETE' : 'POST';
          const { status, body } = await cluster.at(below(random, 3)).ask(method, `/join/${room}`, name);
          is(status, 200, body);
          if (method === 'POST') last.set(name, room);
          else if (last.get(name) === room) last.delete(name);
          else if (!last.has(name)) last.delete(name);
        }
        // Whatever the last leave was about, they end somewhere.
        const room = rooms[below(random, rooms.length)]!;
        is((await cluster.at(below(random, 3)).join(name, room)).status, 200);
        last.set(name, room);
      };
      await Promise.all(people.map(wander));
      for (const client of people) {
        const room = last.get(client.name)!;
        const there = people.map(({ name }) => name).filter((name) => last.get(name) === room);
        await client.knows(
          ({ conversation, userids, total }) =>
            conversation === room && total === there.length && userids.join() === there.toSorted().join(),
        );
      }
      for (const room of rooms) {
        const all = await told(cluster, room);
        is(new Set(all).size, 1, all.join(' | '));
      }
    }),
);

inCluster(
  test,
  'memberships outlive all instances, and are forgotten in time once nobody is connected',
  { env: { MEMBERSHIP_TIMEOUT_MS: '4000' } },
  (cluster) =>
    withClients(async (host) => {
      await enter(host, cluster.at(0), 'ann', 'room');
      await enter(host, cluster.at(1), 'bob', 'room');
      is((await cluster.at(0).join('guest', 'room')).status, 200);
      await Promise.all(cluster.instances.map((instance) => instance.kill()));
      await Promise.all(cluster.instances.map((instance) => instance.start()));
      await cluster.whole();
      const [ann, bob] = [
        await host.connect(cluster.at(1).url, 'ann'),
        await host.connect(cluster.at(0).url, 'bob'),
      ] as const;
      for (const client of [ann, bob]) {
        await client.knows(({ conversation, userids }) => conversation === 'room' && userids.join() === 'ann,bob');
      }
      const { users } = await cluster.at(0).read<{ users: { userid: string }[] }>('/conversations/room');
      ok(users.length >= 2);
      // The guest is forgotten, and so is everybody who hangs up.
      await until(
        'the guest is forgotten',
        async () => !(await told(cluster, 'room')).some((all) => all.includes('guest')),
      );
      await Promise.all([ann.end(), bob.end()]);
      await until('nothing is left', async () => (await cluster.monitor.messages('KV_sfu_users')) === 0, {
        timeout: 30_000,
        interval: 200,
      });
      for (const instance of cluster.instances) {
        is((await instance.operate('GET', '/conversations/room')).status, 404);
        const { users: left } = await instance.read<{ users: number }>('/readyz');
        is(left, 0);
      }
    }),
  60,
);

inCluster(test, 'an instance that dies while NATS is away leaves nobody behind', { instances: 3 }, (cluster) =>
  withClients(async (host) => {
    const [a, b, c] = [cluster.at(0), cluster.at(1), cluster.at(2)];
    await enter(host, a, 'ann', 'room', { slots: 3 });
    const bob = await enter(host, b, 'bob', 'room', { slots: 3 });
    const cid = await enter(host, c, 'cid', 'room', { slots: 3 });
    for (const client of [bob, cid]) await client.knows(({ total }) => total === 3);
    await cluster.nats.kill();
    await a.kill();
    await cluster.nats.restart();
    for (const client of [bob, cid]) await client.knows(({ total, userids }) => total === 2 && userids.length === 2);
    await bob.talk();
    await hear(cid, ['bob']);
    await until('her record says so', async () => {
      const all = await told({ instances: [b, c] }, 'room');
      return all.every((one) => !one.includes('ann client'));
    });
    const again = await host.connect(c.url, 'ann', { slots: 3 });
    await again.knows(({ conversation, total }) => conversation === 'room' && total === 3);
    await hear(again, ['bob']);
  }),
);

inCluster(test, 'NATS that dies again and again leaves all instances together in the end', {}, (cluster) =>
  withClients(async (host) => {
    const ann = await enter(host, cluster.at(0), 'ann', 'room', { slots: 3 });
    const bob = await enter(host, cluster.at(1), 'bob', 'room', { slots: 3 });
    for (const client of [ann, bob]) await client.talk();
    await hear(ann, ['bob']);
    for (let i = 0; i < 4; i++) {
      await cluster.nats.kill();
      await cluster.nats.restart({ store: i % 2 === 0 });
      // Whatever is refused meanwhile is refused in time, and said.
      const { status } = await ask('POST', `${cluster.at(i % 2).url}/join/hall-${i}`, claimHeader(`guest-${i}`));
      ok(status === 200 || status === 503, `${status}`);
    }
    for (const [client, other] of [
      [ann, 'bob'],
      [bob, 'ann'],
    ] as const) {
      await client.knows(({ total, userids }) => total === 2 && userids.join() === 'ann,bob');
      await client.take();
      await hear(client, [other], 50);
    }
    is((await cluster.at(0).join('bob', 'garden')).status, 200);
    await bob.knows(({ conversation }) => conversation === 'garden');
  }),
);

test.run();
