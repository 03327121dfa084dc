/**
 * A hostile client on a real NATS with two real instances, whose people talk: it publishes everything that it has heard,
 * changed, on every subject, and has JetStream delete, purge and change the bucket. Nobody falls; when it is gone,
 * everybody is heard again, and nothing is left.
 */
import { readFileSync } from 'node:fs';
import { ClientHost, type TestClient } from '../support/client.ts';
import { Cluster, enter, seen } from '../support/cluster.ts';
import { hear, speakersIn } from '../support/hearing.ts';
import { HostileBus, LIES, type Lie } from '../support/hostile-bus.ts';
import { type Scrape, scrape } from '../support/metrics.ts';
import type { Random } from '../support/prng.ts';
import { until } from '../support/waiting.ts';
import { type Counters, type FuzzStage, type FuzzTarget, insist } from './target.ts';

const MESSAGES_A_CASE = 100;
/** After so many cases it is noted who is heard. */
const LISTEN_CASES = 40;
const PAGE_BYTES = 4096;
const NAMES = ['ann', 'bob', 'cid', 'dan'];
/** Time in which everybody is heard again, milliseconds. */
const HEALED_MS = 30_000;
/** Memberships are forgotten soon, so that the end need not wait for long. */
const ENV = {
  // A small heap, so that garbage hides no leak.
  NODE_OPTIONS: '--max-semi-space-size=1 --max-old-space-size=60',
  MEMBERSHIP_TIMEOUT_MS: '2000',
  LOG_LEVEL: 'info',
};

class Siege implements FuzzStage {
  private readonly kinds: readonly Lie[];
  private readonly cluster: Cluster;
  private readonly hostile: HostileBus;
  private cases = 0;
  private readonly host: ClientHost;
  private readonly people: TestClient[];

  static async begin(kinds: readonly Lie[]): Promise<Siege> {
    const cluster = await Cluster.start({ env: ENV });
    const hostile = await HostileBus.connect(cluster.nats.url);
    const host = new ClientHost();
    const people: TestClient[] = [];
    for (const [i, name] of NAMES.entries()) {
      people.push(await enter(host, cluster.at(i % 2), name, 'room', { slots: 4 }));
    }
    for (const one of people) await one.talk();
    await hear(people[0]!, NAMES.slice(1), 20);
    return new Siege(kinds, cluster, hostile, host, people);
  }

  private constructor(
    kinds: readonly Lie[],
    cluster: Cluster,
    hostile: HostileBus,
    host: ClientHost,
    people: TestClient[],
  ) {
    this.kinds = kinds;
    this.cluster = cluster;
    this.hostile = hostile;
    this.host = host;
    this.people = people;
  }

  async run(random: Random, outcomes: Counters): Promise<number> {
    await this.hostile.lie(random, MESSAGES_A_CASE, this.kinds);
    for (const { id, server, logs } of this.cluster.instances) {
      insist(server.process.exitCode === null && server.process.signalCode === null, () => {
        return `${id} fell: ${logs.slice(-5).join('\n')}`;
      });
      const response = await fetch(`${server.adminUrl}/healthz`);
      insist(response.status === 200, () => `${id} is not healthy`);
      outcomes.add(`ready: ${(await fetch(`${server.adminUrl}/readyz`)).status}`);
    }
    if (++this.cases % LISTEN_CASES === 0) {
      for (const one of this.people) outcomes.add(`hear ${speakersIn(await one.take()).length} others`);
      // Clients that are told that they are in no conversation join again.
      const joins = NAMES.map((name, i) => this.cluster.at(i % 2).join(name, 'room'));
      for (const { status } of await Promise.all(joins)) outcomes.add(`join: ${status}`);
    }
    return MESSAGES_A_CASE;
  }

  rss(): number {
    return this.cluster.instances.reduce((sum, { server }) => sum + rssOf(server.process.pid!), 0);
  }

  async end(): Promise<void> {
    const { cluster, hostile, host, people } = this;
    try {
      console.log(`  told: ${hostile.told}`);
      for (const { id, server } of cluster.instances) console.log(`  ${id}: ${dropsOf(await scrape(server.adminUrl))}`);
      await this.restoreLimits();
      await hostile.close();
      await until('the instances know each other alone', () => this.know(), { timeout: HEALED_MS });
      await this.everybodyIsHeard();
      this.checkLogs();
      for (const one of people) await one.end();
      await until('nothing is left', async () => (await this.left()) === '', { timeout: HEALED_MS });
      for (const { id, server } of cluster.instances) {
        const code = await server.stop();
        insist(code === 0, () => `${id} ended with ${code}`);
      }
    } catch (error) {
      console.log(cluster.logs());
      throw error;
    } finally {
      host.kill();
      await hostile.close();
      await cluster.stop();
    }
  }

  /** Other limits of the bucket's stream are for operators to undo: the instances say so. */
  private async restoreLimits(): Promise<void> {
    await this.hostile.api('STREAM.DELETE.KV_sfu_users');
  }

  private async know(): Promise<boolean> {
    for (const instance of this.cluster.instances) {
      if ((await seen(instance)).sort().join() !== 'a,b') return false;
    }
    return true;
  }

  /** Whoever lost their membership joins again, as a client does; then all are heard by all. */
  private async everybodyIsHeard(): Promise<void> {
    const { cluster, people } = this;
    await until(
      'everybody has joined again',
      async () => {
        const answers = await Promise.all(NAMES.map((name, i) => cluster.at(i % 2).join(name, 'room')));
        return answers.every(({ status }) => status === 200);
      },
      { timeout: HEALED_MS },
    );
    await this.undo();
    for (const one of people) {
      const others = NAMES.filter((name) => name !== one.name);
      await one.take();
      const heard = speakersIn(await hear(one, others, 20));
      insist(heard.join() === others.join(), () => `${one.name} hears ${heard.join()}`);
    }
  }

  /** A record that says that an operator muted somebody, or that their client connected elsewhere, is a valid one. */
  private async undo(): Promise<void> {
    for (const [i, { name }] of this.people.entries()) {
      const at = this.cluster.at(i % 2);
      const { status } = await at.operate('POST', `/conversations/room/users/${name}/unmute`);
      insist(status === 200, () => `${name} cannot be unmuted: ${status}`);
      if ((await this.people[i]!.state()).state !== 'closed') continue;
      this.people[i] = await enter(this.host, at, name, 'room', { slots: 4 });
      await this.people[i]!.talk();
    }
  }

  /** Returns what the instances still have, for people. */
  private async left(): Promise<string> {
    const left: string[] = [];
    for (const { id, server } of this.cluster.instances) {
      const metrics = await scrape(server.adminUrl);
      for (const name of ['sfu_connections', 'sfu_conversations', 'sfu_remote_participants', 'sfu_remote_sources']) {
        if (metrics.sum(name) > 0) left.push(`${id}: ${name} ${metrics.sum(name)}`);
      }
    }
    return left.join(', ');
  }

  private checkLogs(): void {
    for (const { id, logs } of this.cluster.instances) {
      const bad = logs.filter((line) => !line.startsWith('{') || /"level":(?:50|60)/.test(line));
      const unknown = bad.filter(
        (line) => !/two instances have one INSTANCE_ID|has lost touch|do not see each other|was changed/.test(line),
      );
      insist(unknown.length === 0, () => `${id} logged ${unknown[0]}`);
    }
  }
}

function dropsOf(metrics: Scrape): string {
  const lines = metrics.text.split('\n').filter((line) => /^sfu_(?:cluster_messages|relay)_dropped_total/.test(line));
  return lines
    .map((line) => line.replace(/^sfu_|_dropped_total|direction=|reason=/g, ''))
    .filter((line) => !line.endsWith(' 0'))
    .join(', ');
}

function rssOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}

const ON_THE_BUS = LIES.filter((kind) => kind !== 'bucket' && kind !== 'jetstream');

/** Lies to the instances. */
export const bus: FuzzTarget = {
  ...{ name: 'bus', unit: 'messages', parallel: 1, weight: 1 },
  start: () => Siege.begin(ON_THE_BUS),
};

/** The same, and whatever NATS can do to the bucket. */
export const bucket: FuzzTarget = {
  ...{ name: 'bucket', unit: 'messages', parallel: 1, weight: 1 },
  start: () => Siege.begin(LIES),
};
