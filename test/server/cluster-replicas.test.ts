/** Three NATS servers, of which one dies, then another. */
import { equal, is, ok } from 'uvu/assert';
import { ClientHost, type TestClient } from '../support/client.ts';
import { ClusterInstance, enter, seen } from '../support/cluster.ts';
import { hear } from '../support/hearing.ts';
import { withEachNats } from '../support/nats.ts';
import { type NatsCluster, startNatsCluster } from '../support/nats-cluster.ts';
import { scenarios } from '../support/scenario.ts';
import { TcpLink } from '../support/tcp-link.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('replicas of NATS');
const STREAM = 'KV_sfu_users';
/** Longest gap of a voice on another instance while one of the servers dies, milliseconds. */
const MAX_GAP_MS = 2000;

async function makeInstance(id: string, url: string): Promise<ClusterInstance> {
  const link = await TcpLink.open(0);
  const env = { NATS_URL: url, NATS_REPLICAS: '3', INSTANCE_ID: id, EVENTS_INTERVAL_MS: '50' };
  return new ClusterInstance(id, link, { ...(await ClusterInstance.ports()), ...env });
}

/** Two instances, connected to different servers. */
async function startTwo(nats: NatsCluster): Promise<ClusterInstance[]> {
  const instances = [await makeInstance('a', nats.urls(0)), await makeInstance('b', nats.urls(1))];
  await Promise.all(instances.map((instance) => instance.start()));
  for (const instance of instances) {
    await until(`${instance.id} knows both`, async () => (await seen(instance)).length === 2);
  }
  return instances;
}

function longestGap(times: readonly number[]): number {
  return Math.max(0, ...times.slice(1).map((at, i) => at - times[i]!));
}

async function status(instance: ClusterInstance): Promise<string> {
  return (await instance.read<{ status: string }>('/readyz')).status;
}

withEachNats(
  test,
  'one of three servers dies: voices go on after two seconds at most, and joins too; without a majority they are refused',
  async (program) => {
    const nats = await startNatsCluster(program);
    const host = new ClientHost();
    let instances: ClusterInstance[] = [];
    try {
      instances = await startTwo(nats);
      const [a, b] = instances as [ClusterInstance, ClusterInstance];
      const ann = await enter(host, a, 'ann', 'room', { slots: 2 });
      const bob = await enter(host, b, 'bob', 'room', { slots: 2 });
      for (const client of [ann, bob]) await client.talk();
      await hear(ann, ['bob']);
      await hear(bob, ['ann']);

      // The one that leads the bucket: the others have to elect another.
      const leader = await until('the bucket has a leader', async () => {
        const index = await nats.leaderOf(STREAM);
        return index < 0 ? null : { index };
      });
      for (const client of [ann, bob]) await client.take();
      await nats.servers[leader.index]!.kill();
      const killed = performance.now();
      const joined = await until('a join succeeds', async () => {
        const { status: answer } = await a.join('guest', 'room');
        ok(answer === 200 || answer === 503, `${answer}`);
        return answer === 200;
      });
      ok(joined);
      ok(performance.now() - killed < 20_000, 'after an election');
      const gaps: number[] = [];
      for (const [client, other] of [
        [ann, 'bob'],
        [bob, 'ann'],
      ] as const) {
        const packets = await hear(client, [other], 150);
        gaps.push(longestGap(packets.filter(({ from }) => from === other).map(({ at }) => at)));
      }
      ok(Math.max(...gaps) < MAX_GAP_MS, `the longest gaps: ${gaps}`);
      for (const client of [ann, bob]) await client.knows(({ total }) => total === 2);
      await both(instances, 'ready');

      const next = [0, 1, 2].find((i) => i !== leader.index)!;
      await nats.servers[next]!.kill();
      await both(instances, 'degraded');
      const refused = await a.join('late', 'room');
      is(refused.status, 503, refused.body);
      await nats.servers[next]!.restart();
      await both(instances, 'ready');
      // It is ready as soon as it has read the bucket; the new leader may need another moment for changes.
      await until('a join succeeds again', async () => (await b.join('late', 'room')).status === 200);
      await talkTogether(ann, bob);
      await nats.servers[leader.index]!.restart();
      equal((await seen(a)).sort(), ['a', 'b']);
      await talkTogether(ann, bob);
    } catch (error) {
      for (const { id, logs } of instances) console.log([`--- ${id}`, ...logs].join('\n'));
      throw error;
    } finally {
      host.kill();
      for (const instance of instances) await instance.stop();
      await nats.stop();
    }
  },
  60,
);

withEachNats(
  test,
  'an instance on the server that leads the bucket says so when both others die, although that one goes on answering',
  async (program) => {
    const nats = await startNatsCluster(program);
    const instance = await makeInstance('a', nats.urls(0));
    try {
      await instance.start();
      const leader = await until('the bucket has a leader', async () => {
        const index = await nats.leaderOf(STREAM);
        return index < 0 ? null : { index };
      });
      // The library would connect to any server that it hears of; this one gets no other address.
      await instance.stop();
      await instance.start({ NATS_URL: nats.servers[leader.index]!.url });
      await both([instance], 'ready');
      const others = nats.servers.filter((_, i) => i !== leader.index);
      for (const server of others) await server.kill();
      await both([instance], 'degraded');
      is((await instance.join('late', 'room')).status, 503);
      for (const server of others) await server.restart();
      await both([instance], 'ready');
      await until('a join succeeds', async () => (await instance.join('late', 'room')).status === 200);
    } catch (error) {
      console.log(instance.logs.join('\n'));
      throw error;
    } finally {
      await instance.stop();
      await nats.stop();
    }
  },
  120,
);

/** Waits until instances have a status. */
async function both(instances: readonly ClusterInstance[], wanted: string): Promise<void> {
  for (const instance of instances) {
    await until(`${instance.id} is ${wanted}`, async () => (await status(instance)) === wanted, { timeout: 60_000 });
  }
}

async function talkTogether(ann: TestClient, bob: TestClient): Promise<void> {
  for (const client of [ann, bob]) {
    await client.knows(({ total }) => total === 2);
    await client.take();
  }
  await hear(ann, ['bob'], 30);
  await hear(bob, ['ann'], 30);
}

test.run();
