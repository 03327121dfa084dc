/** What happens to the bucket behind the instances' backs, and what is said on the bus in others' names. */
import { equal, is, ok } from 'uvu/assert';
import { ClientHost, type TestClient } from '../support/client.ts';
import { type Cluster, enter, sharedCluster } from '../support/cluster.ts';
import { hear, heardWithin, isContinuous, speakersIn } from '../support/hearing.ts';
import { HostileBus, LIES } from '../support/hostile-bus.ts';
import { prng, seed } from '../support/prng.ts';
import { scenarios } from '../support/scenario.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('cluster under attack');
const NAMES = ['ann', 'bob', 'cid', 'dan'];
/** Time in which everything is as before, milliseconds. */
const HEALED_MS = 15_000;
const STREAM = 'KV_sfu_users';

const inCluster = sharedCluster(test, { env: { MEMBERSHIP_TIMEOUT_MS: '2000' } });

/** Lets four people talk, two on each instance, while `act` does something. Afterwards all hear all. */
async function amongPeople(
  cluster: Cluster,
  act: (hostile: HostileBus, people: readonly TestClient[]) => Promise<void>,
): Promise<void> {
  const host = new ClientHost();
  const hostile = await HostileBus.connect(cluster.nats.url);
  try {
    const people: TestClient[] = [];
    for (const [i, name] of NAMES.entries())
      people.push(await enter(host, cluster.at(i >> 1), name, 'room', { slots: 4 }));
    for (const one of people) await one.talk();
    for (const one of people) await hear(one, others(one), 20);
    await act(hostile, people);
    for (const one of people) await one.take();
    for (const one of people) equal(speakersIn(await hear(one, others(one), 20)), others(one));
    for (const one of people) await one.end();
  } finally {
    host.kill();
    await hostile.close();
  }
}

function others({ name }: TestClient): string[] {
  return NAMES.filter((one) => one !== name);
}

/** Waits until the bucket has a record of everybody again, and joins are answered. */
async function recovers(cluster: Cluster): Promise<void> {
  await until('all records are there again', async () => (await cluster.monitor.messages(STREAM)) >= NAMES.length, {
    timeout: HEALED_MS,
  });
  await until('joins are answered', async () => (await cluster.at(1).join('dan', 'room')).status === 200, {
    timeout: HEALED_MS,
  });
}

for (const [what, api, body] of [
  ['deleted', `STREAM.DELETE.${STREAM}`, {}],
  ['purged', `STREAM.PURGE.${STREAM}`, {}],
] as const) {
  inCluster(
    `the bucket is ${what}: nobody stops hearing anybody, and it is as before within seconds`,
    async (cluster) => {
      await amongPeople(cluster, async (hostile, people) => {
        for (const one of people) await one.take();
        const answer = await hostile.api(api, body);
        is(answer['success'], true, JSON.stringify(answer));
        await recovers(cluster);
        await pause(2000);
        for (const one of people) {
          const packets = await one.take();
          isContinuous(packets);
          equal(speakersIn(packets), others(one));
          ok(packets.length > 100);
        }
      });
    },
  );
}

inCluster('every record is deleted from the stream, one by one and without a marker: the same', async (cluster) => {
  await amongPeople(cluster, async (hostile, people) => {
    const { state } = (await hostile.api(`STREAM.INFO.${STREAM}`)) as { state: { last_seq: number } };
    for (let seq = 1; seq <= state.last_seq; seq++) await hostile.api(`STREAM.MSG.DELETE.${STREAM}`, { seq });
    is(await cluster.monitor.messages(STREAM), 0);
    await recovers(cluster);
    for (const one of people) isContinuous(await one.take());
  });
});

inCluster('the bucket gets other limits: the instances say which, until that is undone', async (cluster) => {
  const hostile = await HostileBus.connect(cluster.nats.url);
  const problems = async (index: number): Promise<string> => {
    const { status, problems: all } = await cluster.at(index).read<{ status: string; problems: string[] }>('/readyz');
    is(status, 'ready');
    return all.join();
  };
  try {
    const { config } = (await hostile.api(`STREAM.INFO.${STREAM}`)) as { config: object };
    for (const [change, said] of [
      [{ max_age: 3_600_000_000_000 }, 'max_age'],
      [{ max_age: 0 }, ''],
      [{ max_msgs: 1000, discard: 'old' }, 'discard'],
      [{ max_msgs: -1, discard: 'new' }, ''],
    ] as const) {
      const answer = await hostile.api(`STREAM.UPDATE.${STREAM}`, { ...config, ...change });
      is(answer['error'], undefined, JSON.stringify(answer['error']));
      for (const index of [0, 1]) {
        await until(`it says ${said || 'nothing'}`, async () =>
          said === '' ? (await problems(index)) === '' : (await problems(index)).includes(`was changed (${said})`),
        );
      }
    }
  } finally {
    await hostile.close();
  }
});

inCluster('lies of instances that do not exist stop nobody from hearing anybody', async (cluster) => {
  await amongPeople(cluster, async (hostile, people) => {
    const random = prng(seed('lies'));
    for (const one of people) await one.take();
    const end = performance.now() + 5000;
    const invented = ['beat', 'conversation', 'media', 'instance', 'id'] as const;
    while (performance.now() < end) {
      await hostile.lie(random, 20, invented, true);
      await pause(20);
    }
    for (const one of people) equal(await heardWithin(one, 1000), others(one));
    await until('the invented ones are gone', async () => (await idsOf(cluster)) === 'a,b', { timeout: HEALED_MS });
  });
});

inCluster(
  'lies in the names of instances are over within seconds',
  async (cluster) => {
    await amongPeople(cluster, async (hostile) => {
      const random = prng(seed('lies in names'));
      const end = performance.now() + 5000;
      while (performance.now() < end) {
        await hostile.lie(
          random,
          20,
          LIES.filter((kind) => kind !== 'bucket' && kind !== 'jetstream'),
        );
        await pause(10);
      }
      await until('the invented ones are gone', async () => (await idsOf(cluster)) === 'a,b', { timeout: HEALED_MS });
      await pause(HEALED_MS);
    });
  },
  90,
);

inCluster('nothing is left of it', async (cluster) => {
  await until('no record is left', async () => (await cluster.monitor.messages(STREAM)) === 0, { timeout: 30_000 });
  for (const { id, server, logs } of cluster.instances) {
    const bad = logs.filter((line) => !line.startsWith('{') || /"level":(?:50|60)/.test(line));
    equal(
      bad.filter(
        (line) => !/two instances have one INSTANCE_ID|has lost touch|was changed|do not see each other/.test(line),
      ),
      [],
      id,
    );
    is(await server.stop(), 0);
  }
  await cluster.stop();
});

async function idsOf(cluster: Cluster): Promise<string> {
  const { instances } = await cluster.at(0).read<{ instances: { id: string }[] }>('/cluster');
  return instances
    .map(({ id }) => id)
    .sort()
    .join();
}

test.run();
