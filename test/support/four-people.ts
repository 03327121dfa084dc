/** Four people of one room on two instances, and what an instance without NATS owes them. */
import { equal, is, match, ok } from 'uvu/assert';
import { ClientHost, type TestClient } from './client.ts';
import { type Cluster, type ClusterInstance, enter } from './cluster.ts';
import { hear, heardWithin, isContinuous, speakersIn } from './hearing.ts';
import { until } from './waiting.ts';

/** Ann and Bob on the first instance, Cid and Dan on the second, all in one room and talking. */
export interface Four {
  readonly host: ClientHost;
  readonly people: readonly TestClient[];
  readonly ann: TestClient;
  readonly bob: TestClient;
  readonly cid: TestClient;
  readonly dan: TestClient;
}

export async function withFour(cluster: Cluster, body: (four: Four) => Promise<void>): Promise<void> {
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
export async function together(people: readonly TestClient[]): Promise<void> {
  for (const client of people) {
    const others = people.filter((other) => other !== client).map(({ name }) => name);
    await client.take();
    equal(speakersIn(await hear(client, others)), others.toSorted());
    await client.knows(({ total, userids }) => total === people.length && userids.length === people.length);
  }
}

/** Waits until the clients have been told that the cluster is whole, or that it is not. */
export async function told(people: readonly TestClient[], whole: boolean): Promise<void> {
  for (const client of people) await client.knows((view) => view.of('cluster').at(-1)?.whole === whole);
}

export async function status(instance: ClusterInstance): Promise<string> {
  return (await instance.read<{ status: string }>('/readyz')).status;
}

/** Checks what an instance without NATS owes its clients. */
export async function isDegraded(instance: ClusterInstance, ann: TestClient, bob: TestClient): Promise<void> {
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
