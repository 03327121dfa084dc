/** NATS that dies, loses its disk, or stands still, and links to it that are cut or stalled. */
import { equal, is, match, ok } from 'uvu/assert';
import { ClientHost, type TestClient } from '../support/client.ts';
import { type Cluster, type ClusterInstance, enter, inCluster } from '../support/cluster.ts';
import { hear, heardWithin, isContinuous, speakersIn } from '../support/hearing.ts';
import { scenarios } from '../support/scenario.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('cluster and NATS');

/** Ann and Bob on the first instance, Cid and Dan on the second, all in one room and talking. */
interface Four {
  readonly host: ClientHost;
  readonly people: readonly TestClient[];
  readonly ann: TestClient;
  readonly bob: TestClient;
  readonly cid: TestClient;
  readonly dan: TestClient;
}

async function withFour(cluster: Cluster, body: (four: Four) => Promise<void>): Promise<void> {
  const host = new ClientHost();
  try {
    const people: TestClient[] = [];
    for (const [i, name] of ['ann', 'bob', 'cid', 'dan'].entries()) {
      people.push(await enter(host, cluster.at(i >> 1), name, 'room', { slots: 4 }));
    }
    for (const client of people) await client.talk();
    await together(people);
    const [ann, bob, cid, dan] = people as [TestClient, TestClient, TestClient, TestClient];
    await body({ host, people, ann, bob, cid, dan });
  } finally {
    host.kill();
  }
}

/** Waits until everybody hears and lists everybody. */
async function together(people: readonly TestClient[]): Promise<void> {
  for (const client of people) {
    const others = people.filter((other) => other !== client).map(({ name }) => name);
    await client.take();
    equal(speakersIn(await hear(client, others)), others.toSorted());
    await client.knows(({ total, userids }) => total === people.length && userids.length === people.length);
  }
}

/** Waits until the clients have been told that the cluster is whole, or that it is not. */
async function told(people: readonly TestClient[], whole: boolean): Promise<void> {
  for (const client of people) await client.knows((view) => view.of('cluster').at(-1)?.whole === whole);
}

async function status(instance: ClusterInstance): Promise<string> {
  return (await instance.read<{ status: string }>('/readyz')).status;
}

/** Checks what an instance without NATS owes its clients. */
async function isDegraded(instance: ClusterInstance, ann: TestClient, bob: TestClient): Promise<void> {
  await told([ann, bob], false);
  await until('it says so to operators', async () => (await status(instance)) === 'degraded', { timeout: 5000 });
  is((await instance.operate('GET', '/readyz')).status, 503);
  is((await instance.operate('GET', '/healthz')).status, 200, 'nobody may restart it for that');
  for (const { status: code, headers, body } of [
    await instance.join('eve', 'room'),
    await instance.join(ann.name, 'other'),
    await instance.leave(ann.name, 'room'),
  ]) {
    is(code, 503, body);
    ok(Number(headers.get('retry-after')) > 0);
    match(body, 'other instances');
  }
  // Those on this instance are the only ones left, and hear each other without a hole.
  for (const client of [ann, bob]) await client.knows(({ total, userids }) => total === 2 && userids.length === 2);
  const packets = (await hear(ann, [bob.name], 50)).filter(({ from }) => from === bob.name);
  isContinuous(packets.slice(-50));
  equal(await heardWithin(ann, 300), [bob.name]);
}

for (const [what, wiped] of [
  ['with its disk', false],
  ['without its disk', true],
] as const) {
  inCluster(
    test,
    `NATS dies and comes back ${what}: each instance goes on alone, says so, and all heals`,
    {},
    (cluster) =>
      withFour(cluster, async ({ host, people, ann, bob, cid, dan }) => {
        const [a, b] = [cluster.at(0), cluster.at(1)];
        // A member without a connection, and an operator's mute.
        is((await a.join('guest', 'room')).status, 200);
        is((await b.operate('POST', '/conversations/room/users/dan/mute')).status, 200);
        await dan.knows((view) => view.of('silenced').at(-1)?.silenced === true);
        const numbers = bob.view.named('ann')!.number;
        await bob.take();
        await cluster.nats.kill();
        await Promise.all([isDegraded(a, ann, bob), isDegraded(b, dan, cid).catch(rethrow)]);
        isContinuous((await bob.take()).filter(({ from }) => from === 'ann'));
        await cluster.nats.restart({ store: !wiped });
        await told(people, true);
        for (const instance of cluster.instances) {
          await until(`${instance.id} is ready`, async () => (await status(instance)) === 'ready', { timeout: 20_000 });
        }
        await cluster.whole();
        for (const client of people) await client.knows(({ total }) => total === 4);
        await hear(ann, ['bob', 'cid']);
        await hear(cid, ['ann', 'bob']);
        is(bob.view.named('ann')!.number, numbers, 'numbers of one instance stay');
        equal(await speakersOfNext(cid), ['ann', 'bob'], 'the mute still holds');
        const guest = await host.connect(b.url, 'guest', { slots: 4 });
        await guest.knows(({ conversation }) => conversation === 'room');
        is((await b.join('ann', 'other')).status, 200, 'records are written again');
        await ann.knows(({ conversation }) => conversation === 'other');
        is((await b.operate('POST', '/conversations/room/users/dan/unmute')).status, 200);
        await hear(cid, ['dan']);
        await guest.end();
      }),
    60,
  );
}

/** Says where an error came from, because two run at once. */
function rethrow(error: unknown): never {
  throw new Error(`the second instance: ${error}`);
}

/** Returns who is heard in the next packets. */
async function speakersOfNext(client: TestClient): Promise<string[]> {
  await client.take();
  return speakersIn(await client.receives(({ length }) => length > 60));
}

inCluster(
  test,
  'NATS stands still for ten seconds: sound goes on within each instance, and all heals',
  {},
  (cluster) =>
    withFour(cluster, async ({ people, ann, bob, cid, dan }) => {
      await bob.take();
      const frozen = performance.now();
      cluster.nats.pause();
      await Promise.all([isDegradedOnPause(cluster.at(0), ann, bob), isDegradedOnPause(cluster.at(1), cid, dan)]);
      await until('ten seconds are over', () => performance.now() - frozen > 10_000);
      isContinuous((await bob.take()).filter(({ from }) => from === 'ann'));
      cluster.nats.resume();
      const thawed = performance.now();
      await told(people, true);
      await together(people);
      ok(performance.now() - thawed < 15_000, `${(performance.now() - thawed).toFixed()} ms`);
      // What was said meanwhile is not heard afterwards.
      const late = (await hear(ann, ['cid'], 100)).filter(({ from }) => from === 'cid').map(({ count }) => count);
      ok(late.at(-1)! - late[0]! < 300, `${late[0]} … ${late.at(-1)}`);
    }),
  60,
);

async function isDegradedOnPause(instance: ClusterInstance, one: TestClient, other: TestClient): Promise<void> {
  const begun = performance.now();
  await told([one, other], false);
  ok(performance.now() - begun < 6000, 'a link that is silent is noticed');
  is((await instance.join('eve', 'room')).status, 503);
  for (const client of [one, other]) await client.knows(({ total }) => total === 2);
  await hear(one, [other.name]);
}

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
      const { text } = await import('../support/metrics.ts').then(({ scrape }) =>
        scrape(cluster.at(0).server.adminUrl),
      );
      match(text, /cluster/);
    }),
  60,
);

test.run();
