/** NATS that dies, loses its disk, or stands still. */
import { equal, is, ok } from 'uvu/assert';
import type { TestClient } from '../support/client.ts';
import { type ClusterInstance, inCluster } from '../support/cluster.ts';
import { isDegraded, status, together, told, withFour } from '../support/four-people.ts';
import { hear, isContinuous, speakersIn } from '../support/hearing.ts';
import { scenarios } from '../support/scenario.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('cluster and NATS');

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

inCluster(
  test,
  'a NATS without room on its disk is named in /readyz and in the log, until it has some again',
  {},
  async ({ nats, monitor, instances: [a] }) => {
    const limited = async (limits: string): Promise<void> => {
      await nats.kill();
      nats.configure(`${monitor.config}\njetstream { ${limits} }`);
      await nats.restart();
      await until('NATS is back', async () => (await status(a!)) === 'ready', { timeout: 20_000 });
    };
    await limited('max_file_store: 700');
    let joined = 0;
    for (let code = 200; code === 200 && joined < 50; joined++) code = (await a!.join(`user${joined}`, 'room')).status;
    ok(joined < 50, 'some joins are refused');
    await until('it is named', async () => {
      const { problems } = await a!.read<{ problems: string[] }>('/readyz');
      return problems.some((problem) => /disk/.test(problem));
    });
    is(await status(a!), 'degraded');
    await a!.server.logged('"level":50', 'its disk');
    await limited('max_file_store: 100M');
    is((await a!.join('ann', 'room')).status, 200);
    is(await status(a!), 'ready');
  },
  60,
);

test.run();
