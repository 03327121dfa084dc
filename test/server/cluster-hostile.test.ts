/** A client on the bus that publishes rubbish and lies on every subject of the cluster. */
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { equal, is, ok } from 'uvu/assert';
import { ClientHost, type TestClient } from '../support/client.ts';
import { type Cluster, enter, inCluster, seen } from '../support/cluster.ts';
import { hear, isContinuous, speakersIn } from '../support/hearing.ts';
import { scrape } from '../support/metrics.ts';
import { bytes } from '../support/packets.ts';
import { below, prng, type Random, seed } from '../support/prng.ts';
import { scenarios } from '../support/scenario.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('cluster and a hostile bus');
const seconds = 8;
/** Messages of each burst. */
const BURST = 20;
/** NATS takes no larger ones by default. */
const MAX_PAYLOAD = 1 << 20;

interface Overheard {
  readonly subject: string;
  readonly data: Uint8Array;
}

/** Listens to everything of the cluster, so that lies can begin as truths. */
async function overhear(bus: NatsConnection): Promise<Overheard[]> {
  const heard: Overheard[] = [];
  bus.subscribe('sfu.>', {
    callback: (error, { subject, data }) => {
      // Few of each length, so that media does not crowd out what is rare.
      if (error === null && heard.filter((one) => one.subject === subject).length < 50) heard.push({ subject, data });
    },
  });
  bus.subscribe('$KV.sfu_users.>', {
    callback: (error, { subject, data }) => {
      if (error === null && heard.length < 5000) heard.push({ subject, data });
    },
  });
  await bus.flush();
  return heard;
}

/** Returns a lie: a message as somebody sent it, with something else in it. */
function lie(random: Random, { data }: Overheard): Uint8Array {
  const copy = Buffer.from(data);
  switch (below(random, 6)) {
    case 0:
      return bytes(random, below(random, 300));
    case 1:
      return copy.subarray(0, below(random, copy.length + 1));
    case 2:
      return Buffer.concat([copy, bytes(random, below(random, 3000))]);
    case 3:
      for (let i = 0; i < 4 && copy.length > 0; i++) copy[below(random, copy.length)] = random() & 0xff;
      return copy;
    case 4:
      return twisted(random, copy);
    default:
      return copy;
  }
}

const WRONG = [null, -1, 0, 1e308, 2 ** 53, '', 'x'.repeat(3000), [], {}, [[]], true, '__proto__', '\ud800'] as const;

/** Returns JSON with wrong values in places; what is no JSON comes back as it is. */
function twisted(random: Random, data: Buffer): Buffer {
  let json: unknown;
  try {
    json = JSON.parse(data.toString('utf8'));
  } catch {
    return data;
  }
  const twist = (value: unknown, depth: number): unknown => {
    if (below(random, 6) === 0) return WRONG[below(random, WRONG.length)];
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) {
      const list = value.map((one) => twist(one, depth + 1));
      return below(random, 8) === 0 ? Array.from({ length: 2000 }, () => list[0]) : list;
    }
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, twist(one, depth + 1)]));
  };
  return Buffer.from(JSON.stringify(twist(json, 0)) ?? 'null');
}

/** Publishes lies for some seconds. @returns how many. */
async function pester(bus: NatsConnection, heard: readonly Overheard[], random: Random): Promise<number> {
  let count = 0;
  const end = performance.now() + seconds * 1000;
  const rubbish = ['sfu.beat', 'sfu.id.YQ', 'sfu.id.x', 'sfu.instance.x', 'sfu.conversation.x', 'sfu.media.x', 'sfu.x'];
  while (performance.now() < end) {
    for (let i = 0; i < BURST; i++, count++) {
      const truth = heard[below(random, heard.length)]!;
      const other = heard[below(random, heard.length)]!;
      const where = below(random, 4) === 0 ? other.subject : truth.subject;
      const subject = below(random, 5) === 0 ? rubbish[below(random, rubbish.length)]! : where;
      // Whoever may write somebody's record decides where they are, so these are records of nobody.
      if (subject.startsWith('$KV'))
        bus.publish(`$KV.sfu_users.x${below(random, 50)}`, bytes(random, below(random, 200)));
      else
        bus.publish(
          subject,
          lie(random, truth).subarray(0, MAX_PAYLOAD),
          below(random, 5) === 0 ? { reply: '_INBOX.nobody' } : {},
        );
    }
    await bus.flush();
    await pause(20);
  }
  return count;
}

/** Four people of one room on two instances, who talk. */
async function people(host: ClientHost, cluster: Cluster): Promise<TestClient[]> {
  const all: TestClient[] = [];
  for (const [i, name] of ['ann', 'bob', 'cid', 'dan'].entries()) {
    all.push(await enter(host, cluster.at(i >> 1), name, 'room', { slots: 4 }));
  }
  for (const client of all) await client.talk();
  return all;
}

inCluster(
  test,
  'rubbish and lies on the bus end nobody, are counted, and leave nothing behind',
  {},
  async (cluster) => {
    const host = new ClientHost();
    const bus = await connect({ servers: cluster.nats.url });
    try {
      const heard = await overhear(bus);
      const all = await people(host, cluster);
      await hear(all[0]!, ['bob', 'cid', 'dan'], 50);
      ok(new Set(heard.map(({ subject }) => subject.split('.')[1])).size >= 3, 'it heard several kinds of messages');
      for (const client of all) await client.take();
      const count = await pester(bus, heard, prng(seed('hostile bus')));
      ok(count > 1000, `${count} lies`);
      for (const { id, server, logs } of cluster.instances) {
        is(server.process.exitCode, null, `${id} runs`);
        equal(
          logs.filter((line) => /"level":(?:50|60)/.test(line) && !/the same INSTANCE_ID|malformed/i.test(line)),
          [],
        );
        const scraped = await scrape(server.adminUrl);
        ok(scraped.sum('sfu_cluster_messages_dropped_total') > 100, scraped.text);
      }
      // Within an instance nothing was disturbed.
      isContinuous((await hear(all[0]!, ['bob'])).filter(({ from }) => from === 'bob').slice(-20));
      await bus.close();
      // Invented instances die like others, and with them all that they claimed.
      await until('a knows only real ones', async () => (await seen(cluster.at(0))).sort().join() === 'a,b', {
        timeout: 15_000,
      });
      for (const client of all) {
        const others = all.filter((one) => one !== client).map(({ name }) => name);
        await client.knows(({ total, userids }) => total === 4 && new Set(userids).size === 4);
        await client.take();
        equal(speakersIn(await hear(client, others, 20)), others.toSorted());
      }
      is((await cluster.at(0).join('eve', 'room')).status, 200);
    } finally {
      await bus.close();
      host.kill();
    }
  },
  60,
);

test.run();
