/** Instances that die, come back, drain and are started one after the other. */
import { equal, is, match, ok } from 'uvu/assert';
import type { ClientHost, TestClient } from '../support/client.ts';
import { type ClusterInstance, enter, inCluster, seen } from '../support/cluster.ts';
import { hear, isContinuous, speakersIn } from '../support/hearing.ts';
import { launchUntilExit } from '../support/launch.ts';
import { scenarios } from '../support/scenario.ts';
import { shortestOf, until } from '../support/waiting.ts';
import { withClients } from '../support/with-clients.ts';

const test = scenarios('cluster ends');
/** Whatever waits for an instance that does not answer waits for two seconds at least; a busy machine for less. ms. */
const DELAYED_MS = 1500;
/** Longest time that people of a dead instance may stay on the list, milliseconds. */
const DEAD_MS = 4000;

/** People of one room who talk, each on their instance. */
async function talking(
  host: ClientHost,
  people: readonly (readonly [name: string, at: ClusterInstance])[],
  room = 'room',
): Promise<TestClient[]> {
  const clients: TestClient[] = [];
  for (const [name, at] of people) clients.push(await enter(host, at, name, room, { slots: 4 }));
  for (const client of clients) await client.talk();
  for (const client of clients) await client.knows(({ userids }) => userids.length >= people.length);
  return clients;
}

inCluster(test, 'the people of a killed instance are off all lists within 4 s, and the others go on', {}, (cluster) =>
  withClients(async (host) => {
    const [a, b] = [cluster.at(0), cluster.at(1)];
    // What the machine adds, it does not add every time.
    const took = await shortestOf(
      DEAD_MS,
      async () => {
        const [ann, bob, cid] = (await talking(host, [
          ['ann', a],
          ['bob', b],
          ['cid', b],
        ])) as [TestClient, TestClient, TestClient];
        await hear(bob, ['ann', 'cid']);
        const killed = await a.kill();
        await bob.knows(({ userids }) => userids.join() === 'bob,cid');
        const gone = performance.now() - killed;
        await cid.knows(({ total }) => total === 2);
        const packets = await hear(bob, ['cid'], 100);
        isContinuous(packets);
        equal(speakersIn(packets.slice(-50)), ['cid']);
        await a.start();
        await cluster.whole();
        for (const client of [ann, bob, cid]) await client.end();
        await until('b has nobody', async () => (await b.read<{ connections: number }>('/readyz')).connections === 0);
        return gone;
      },
      3,
    );
    ok(took < DEAD_MS, `${took.toFixed()} ms`);
  }),
);

inCluster(test, 'an instance that comes back knows the memberships, and splits nothing', { proxy: true }, (cluster) =>
  withClients(async (host) => {
    const [a, b] = [cluster.at(0), cluster.at(1)];
    const [ann, bob] = (await talking(host, [
      ['ann', a],
      ['bob', b],
    ])) as [TestClient, TestClient];
    await hear(bob, ['ann']);
    await a.kill();
    const { url } = await cluster.proxy();
    // She connects again through the proxy, and does not join again.
    const again = await host.connect(url, 'ann', { slots: 4 });
    await again.knows(({ conversation }) => conversation === 'room');
    await again.talk();
    await hear(bob, ['ann']);
    await a.start();
    await cluster.whole();
    const cid = await enter(host, a, 'cid', 'room', { slots: 4 });
    await cid.talk();
    equal(speakersIn(await hear(cid, ['ann', 'bob'])), ['ann', 'bob']);
    equal(speakersIn(await hear(bob, ['ann', 'cid'])), ['ann', 'cid']);
    for (const client of [again, bob, cid]) await client.knows(({ total }) => total === 3);
    for (const instance of cluster.instances) {
      const { users } = await instance.read<{ users: { userid: string; connections: unknown[] }[] }>(
        '/conversations/room',
      );
      equal(users.map(({ userid, connections }) => `${userid} ${connections.length}`).sort(), [
        'ann 1',
        'bob 1',
        'cid 1',
      ]);
    }
    for (const client of [ann, again, bob, cid]) await client.end();
  }),
);

inCluster(
  test,
  'while an instance drains, newcomers on the others hear those who stay, and the other way round',
  { proxy: true, env: { DRAIN_TIMEOUT_MS: '60000' } },
  (cluster) =>
    withClients(async (host) => {
      const [a, b] = [cluster.at(0), cluster.at(1)];
      const [ann, bob] = (await talking(host, [
        ['ann', a],
        ['bob', a],
      ])) as [TestClient, TestClient];
      a.drain();
      for (const client of [ann, bob]) await client.knows((view) => view.of('draining').length === 1);
      await until('b knows that a drains', async () => {
        const { instances } = await b.read<{ instances: { id: string; draining: boolean }[] }>('/cluster');
        return instances.find(({ id }) => id === 'a')?.draining;
      });
      const { url } = await cluster.proxy();
      const [cid, dan] = [
        await enter(host, { url }, 'cid', 'room', { slots: 4 }),
        await enter(host, { url }, 'dan', 'room', { slots: 4 }),
      ];
      for (const client of [cid, dan]) await client.talk();
      equal(speakersIn(await hear(cid, ['ann', 'bob', 'dan'])), ['ann', 'bob', 'dan']);
      equal(speakersIn(await hear(ann, ['bob', 'cid', 'dan'])), ['bob', 'cid', 'dan']);
      const { status } = await a.ask('GET', '/connect', 'eve');
      ok(status === 503 || status === 426, `${status}`);
      is((await a.join('dan', 'other')).status, 200, 'any instance can let somebody join');
      await dan.knows(({ conversation }) => conversation === 'other');
      await ann.knows(({ total }) => total === 3);
      is((await a.join('dan', 'room')).status, 200);
      await hear(ann, ['dan']);
      // Who is on the draining instance may move, and goes on.
      is((await b.join('ann', 'other')).status, 200);
      await ann.knows(({ conversation }) => conversation === 'other');
      is((await a.join('ann', 'room')).status, 200);
      await hear(cid, ['ann']);
      is(a.server.process.exitCode, null);
      for (const client of [ann, bob]) await client.end();
      is(await a.server.exited, 0);
      await cid.knows(({ total }) => total === 2);
      equal(await seen(b), ['b'], 'it said goodbye');
      for (const client of [cid, dan]) await client.end();
    }),
);

inCluster(
  test,
  'everybody is together on whatever is left while all instances are started again in turn',
  { instances: 3, proxy: true },
  (cluster) =>
    withClients(async (host) => {
      const { url } = await cluster.proxy();
      const people = ['ann', 'bob', 'cid'];
      const clients = await talking(
        host,
        people.map((name, i) => [name, cluster.at(i)] as const),
      );
      for (const instance of cluster.instances) {
        is(await instance.server.stop(), 0);
        // Whoever was there connects again, as the shipped client would have done before.
        for (const [i, client] of clients.entries()) {
          if ((await client.state()).state === 'connected') continue;
          const again = await host.connect(url, client.name, { slots: 4 });
          is(again.close.code, 1000, again.close.reason);
          await again.talk();
          clients[i] = again;
        }
        for (const client of clients) {
          const others = people.filter((name) => name !== client.name);
          await client.take();
          equal(speakersIn(await hear(client, others)), others);
        }
        await instance.start();
        await cluster.whole();
      }
      for (const client of clients)
        await client.knows(({ total, conversation }) => total === 3 && conversation === 'room');
      for (const client of clients) await client.end();
    }),
  60,
);

inCluster(
  test,
  'a second instance with the id of a living one does not start, and says which two they are',
  {},
  (cluster) =>
    withClients(async (host) => {
      const [a, b] = [cluster.at(0), cluster.at(1)];
      const clients = await talking(host, [
        ['ann', a],
        ['bob', b],
      ]);
      const env = { NATS_URL: cluster.nats.url, INSTANCE_ID: 'a', LISTEN: '127.0.0.1:0' };
      const { code, stdout, stderr } = await launchUntilExit(env);
      is(code, 1);
      const said = [...stdout, ...stderr].join('\n');
      match(said, /INSTANCE_ID/);
      match(said, new RegExp(`\\b${a.server.process.pid}\\b`), 'it names the process that has the id');
      equal((await seen(b)).sort(), ['a', 'b']);
      await hear(clients[1]!, ['ann']);
      // A dead one's id is free, even at once.
      await a.kill();
      await a.start();
      await cluster.whole();
      for (const client of clients) await client.end();
    }),
);

inCluster(
  test,
  'an instance that stands still for six seconds delays nobody else, and is back when it goes on',
  { instances: 3 },
  (cluster) =>
    withClients(async (host) => {
      const [a, b, c] = [cluster.at(0), cluster.at(1), cluster.at(2)];
      const [ann, bob, cid] = (await talking(host, [
        ['ann', a],
        ['bob', b],
        ['cid', c],
      ])) as [TestClient, TestClient, TestClient];
      await hear(bob, ['ann', 'cid']);
      await bob.take();
      c.freeze();
      const frozen = performance.now();
      await bob.knows(({ total }) => total === 2);
      const begun = performance.now();
      is((await b.join('dan', 'elsewhere')).status, 200);
      ok(performance.now() - begun < 1000, 'a join is not delayed');
      const packets = await hear(bob, ['ann'], 150);
      isContinuous(packets.filter(({ from }) => from === 'ann'));
      const times = packets.filter(({ from }) => from === 'ann').map(({ at }) => at);
      const gap = Math.max(...times.slice(1).map((at, i) => at - times[i]!));
      ok(gap < DELAYED_MS, `the longest gap of ann at bob is ${gap.toFixed()} ms`);
      await until('six seconds are over', () => performance.now() - frozen > 6000);
      c.thaw();
      await cluster.whole();
      for (const client of [ann, bob, cid]) await client.knows(({ total }) => total === 3);
      await bob.take();
      await hear(bob, ['cid', 'ann']);
      await cid.take();
      await hear(cid, ['ann', 'bob']);
      for (const client of [ann, bob, cid]) await client.end();
    }),
  60,
);

test.run();
