/** Two versions side by side: one that is later and compatible, and one that is not. */
import { equal, is, match, ok } from 'uvu/assert';
import { ClientHost, type TestClient } from '../support/client.ts';
import { type Cluster, type ClusterInstance, enter, inCluster } from '../support/cluster.ts';
import { hear, heardWithin, isContinuous, numbersAgree, speakersIn } from '../support/hearing.ts';
import { scrape } from '../support/metrics.ts';
import { scenarios } from '../support/scenario.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('cluster of versions');
const PRELOAD = new URL('../support/changed-build.js', import.meta.url);
const LATER = '99.0.0';
const FORGET = { MEMBERSHIP_TIMEOUT_MS: '1000' };

interface Overview {
  readonly whole: boolean;
  readonly warnings: readonly string[];
  readonly instances: readonly { readonly id: string; readonly version: string }[];
}

interface Ready {
  readonly status: string;
  readonly problems: readonly string[];
}

/** Runs a cluster of one instance as it is, and one of a later version. */
function besideLater(
  name: string,
  kind: 'compatible' | 'incompatible',
  body: (cluster: Cluster, a: ClusterInstance, later: ClusterInstance, host: ClientHost) => Promise<void>,
): void {
  const options = { instances: 1, env: FORGET };
  const run = async (cluster: Cluster): Promise<void> => {
    const env = { ...FORGET, NODE_OPTIONS: `--import=${PRELOAD.href}`, CHANGED_BUILD: kind };
    const later = await cluster.prepare('later', env);
    const host = new ClientHost();
    try {
      await later.start();
      await body(cluster, cluster.at(0), later, host);
    } catch (error) {
      console.log(['--- later', ...later.logs].join('\n'));
      throw error;
    } finally {
      host.kill();
      await later.stop();
    }
  };
  inCluster(test, name, options, run, 60);
}

/** Connects people who talk, by turns to each of the instances. */
async function talkers(
  host: ClientHost,
  at: readonly ClusterInstance[],
  names: readonly string[],
): Promise<TestClient[]> {
  const all: TestClient[] = [];
  for (const [i, name] of names.entries()) all.push(await enter(host, at[i % at.length]!, name, 'room', { slots: 4 }));
  for (const one of all) await one.talk();
  return all;
}

/** Checks that an instance has logged nothing worse than a warning, but for lines with one of these texts. */
function logsNoError({ id, logs }: ClusterInstance, but: RegExp | null = null): void {
  const bad = logs.filter((line) => !line.startsWith('{') || /"level":(?:50|60)/.test(line));
  equal(
    bad.filter((line) => but === null || !but.test(line)),
    [],
    id,
  );
}

besideLater(
  'a later version that only says more works with this one',
  'compatible',
  async (cluster, a, later, host) => {
    await cluster.whole([a, later]);
    const versions = (await a.read<Overview>('/cluster')).instances.map(({ id, version }) => `${id} ${version}`);
    equal(versions.slice(1), [`later ${LATER}`]);
    const names = ['ann', 'bob', 'cid', 'dan'];
    const people = await talkers(host, [a, later], names);
    for (const one of people) {
      const others = names.filter((name) => name !== one.name);
      const packets = await hear(one, others, 20);
      equal(speakersIn(packets), others);
      isContinuous(packets);
      await numbersAgree(one, packets, others);
    }
    const [ann, bob] = people as [TestClient, TestClient];
    // Operators of each see and command those on the other.
    for (const [here, there] of [
      [a, bob],
      [later, ann],
    ] as const) {
      type Detail = {
        users: { userid: string; connections: { instance: string; state: string }[] }[];
        missing: string[];
      };
      const detail = await here.read<Detail>('/conversations/room');
      equal(detail.missing, []);
      const user = detail.users.find(({ userid }) => userid === there.name)!;
      equal([user.connections.length, user.connections[0]!.state], [1, 'established']);
      is((await here.operate('POST', `/conversations/room/users/${there.name}/mute`)).status, 200);
      const others = people.filter((one) => one !== there);
      for (const one of others) {
        await until(
          `${one.name} hears ${there.name} no more`,
          async () => !(await heardWithin(one, 300)).includes(there.name),
        );
      }
      is((await here.operate('POST', `/conversations/room/users/${there.name}/unmute`)).status, 200);
      for (const one of others) await hear(one, [there.name], 5);
    }
    // A join on one moves a client of the other; the record that the other wrote has members unknown here.
    is((await later.join('ann', 'hall')).status, 200);
    await ann.knows(({ total }) => total === 1);
    is((await a.join('ann', 'room')).status, 200);
    is((await a.join('bob', 'hall')).status, 200);
    await bob.knows(({ total }) => total === 1);
    is((await later.operate('POST', '/conversations/room/users/ann/kick')).status, 200);
    // The same client, connected anew to the other one, replaces itself.
    const again = await enter(host, later, 'cid', 'room', { claim: { userid: 'cid', clientid: 'cid' } });
    ok(again.close.code === 1000);
    for (const one of [...people, again]) await one.end();
    for (const { id, server } of [a, later]) {
      const metrics = await scrape(server.adminUrl);
      const dropped = (reason: string): number => metrics.value('sfu_cluster_messages_dropped_total', { reason })!;
      equal([dropped('malformed'), dropped('other-version'), dropped('too-many')], [0, 0, 0], id);
      is(metrics.value('sfu_relay_dropped_total', { direction: 'in', reason: 'malformed' }), 0, id);
      if (id === 'a') ok(dropped('unknown-type') > 10, `${dropped('unknown-type')} of unknown type`);
    }
    await until('no record is left', async () => (await cluster.monitor.messages('KV_sfu_users')) === 0, {
      timeout: 40_000,
    });
    for (const one of [a, later]) {
      logsNoError(one);
      is(await one.server.stop(), 0);
    }
  },
);

besideLater(
  'a later version whose messages are of another version goes on alone, as does this one, and both say so',
  'incompatible',
  async (cluster, a, later, host) => {
    const says = async (one: ClusterInstance, other: RegExp): Promise<void> => {
      const ready = await until(`${one.id} names the other`, async () => {
        const told = await one.read<Ready>('/readyz');
        return told.problems.length > 0 ? told : null;
      });
      equal([ready.status, ready.problems.length], ['ready', 1]);
      match(ready.problems[0]!, other);
      ok(one.logs.some((line) => line.includes('"level":50') && line.includes('they do not see each other')));
      const { whole, warnings, instances } = await one.read<Overview>('/cluster');
      equal([whole, warnings, instances.map(({ id }) => id)], [true, ready.problems, [one.id]]);
      const metrics = await scrape(one.server.adminUrl);
      is(metrics.value('sfu_cluster_warnings'), 1);
      ok(metrics.value('sfu_cluster_messages_dropped_total', { reason: 'other-version' })! > 0);
    };
    await says(
      a,
      /^later \(version 99\.0\.0 on .*\) sends messages of version 2, this one, a \(version .*\), of version 1/,
    );
    await says(
      later,
      /^a \(version .*\) sends messages of version 1, this one, later \(version 99\.0\.0\), of version 2/,
    );
    // One room, split; each half is whole.
    const people = await talkers(host, [a, later], ['ann', 'bob', 'cid', 'dan']);
    for (const [i, one] of people.entries()) {
      const partner = people[(i + 2) % 4]!.name;
      equal(speakersIn(await hear(one, [partner], 30)), [partner]);
      await one.knows(({ total }) => total === 2);
    }
    // A user on both is in the room on both, and neither undoes what the other writes.
    const twin = await enter(host, later, 'ann', 'room', { claim: { userid: 'ann', clientid: 'second' } });
    const before = (await cluster.monitor.figures()).inMsgs;
    equal(await heardWithin(people[0]!, 2000), ['cid']);
    const rate = ((await cluster.monitor.figures()).inMsgs - before) / 2;
    ok(rate < 400, `${rate} messages a second`);
    for (const one of [...people, twin]) await one.end();
    // The other one ends: this one is content again.
    is(await later.server.stop(), 0);
    logsNoError(later, /they do not see each other/);
    await until('nothing is wrong any more', async () => (await a.read<Ready>('/readyz')).problems.length === 0, {
      timeout: 30_000,
    });
    is(await a.server.stop(), 0);
    logsNoError(a, /they do not see each other/);
  },
);

test.run();
