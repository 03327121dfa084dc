/**
 * A cluster of real instances on a real NATS server. Each instance reaches NATS over a link of its own, which a test can
 * cut or stall, and keeps its ports when it is started again, so that proxies find it.
 */

import type { ClientHost, ClientOptions, TestClient } from './client.ts';
import { fixedPort } from './fixed-ports.ts';
import { NatsServer, natsPrograms } from './nats.ts';
import { NatsMonitor } from './nats-monitor.ts';
import { proxyProgram } from './proxies.ts';
import { type RoundRobin, startRoundRobin } from './round-robin.ts';
import type { Scenarios } from './scenario.ts';
import { claimHeader, type RunningServer, startServer } from './server.ts';
import { TcpLink } from './tcp-link.ts';
import { until } from './waiting.ts';

/** Names of instances, in order. */
const IDS = ['a', 'b', 'c', 'd'] as const;

/** How many of the latest log lines of a process are told where a scenario fails. */
const LOGGED = 120;

/** The answer to a request. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

export interface ClusterOptions {
  /** Number of instances; 2 by default. */
  readonly instances?: number;
  /** Variables of every instance. */
  readonly env?: Readonly<Record<string, string>>;
  /** Path of nats-server. */
  readonly nats?: string;
}

/** One instance, which may be killed and started again. */
export class ClusterInstance {
  /** Its `INSTANCE_ID`. */
  readonly id: string;
  /** Its link to NATS. */
  readonly link: TcpLink;
  private readonly env: Readonly<Record<string, string>>;
  private running: RunningServer | null = null;
  /** Log lines of the processes before this one. */
  private readonly earlier: string[] = [];

  constructor(id: string, link: TcpLink, env: Readonly<Record<string, string>>) {
    this.id = id;
    this.link = link;
    this.env = env;
  }

  /** Returns variables with ports that do not change while an instance is started again. */
  static async ports(): Promise<Record<string, string>> {
    return {
      LISTEN: `127.0.0.1:${await fixedPort()}`,
      ADMIN_LISTEN: `127.0.0.1:${await fixedPort()}`,
      MEDIA_PORTS: `${await fixedPort()},${await fixedPort()}`,
    };
  }

  /** The process that runs now, or ran last. */
  get server(): RunningServer {
    if (this.running === null) throw new Error(`${this.id} was never started`);
    return this.running;
  }

  get url(): string {
    return this.server.url;
  }

  /** All log lines, of all processes. */
  get logs(): readonly string[] {
    return [...this.earlier, ...(this.running?.logs ?? [])];
  }

  /** Starts it, again or for the first time. @param env variables that differ from the last time. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.running !== null) this.earlier.push(...this.running.logs, '--- started again');
    this.running = await startServer({ ...this.env, ...env });
  }

  /** Ends it without a goodbye. @returns the time, milliseconds of `performance.now()`. */
  async kill(): Promise<number> {
    const at = performance.now();
    this.server.process.kill('SIGKILL');
    await this.server.exited;
    return at;
  }

  /** Tells it to drain. */
  drain(): void {
    this.server.process.kill('SIGTERM');
  }

  /** Stops the process until {@link thaw}: it neither runs nor closes anything. */
  freeze(): void {
    this.server.process.kill('SIGSTOP');
  }

  thaw(): void {
    this.server.process.kill('SIGCONT');
  }

  join(userid: string, conversation: string): Promise<Answered> {
    return this.ask('POST', `/join/${conversation}`, userid);
  }

  leave(userid: string, conversation: string): Promise<Answered> {
    return this.ask('DELETE', `/join/${conversation}`, userid);
  }

  ask(method: string, path: string, userid: string): Promise<Answered> {
    return ask(method, `${this.url}${path}`, claimHeader(userid));
  }

  /** Sends a request to the operators' listener. */
  operate(method: 'GET' | 'POST', path: string): Promise<Answered> {
    return ask(method, `${this.server.adminUrl}${path}`);
  }

  /** Reads JSON from the operators' listener, whatever the status. */
  async read<T>(path: string): Promise<T> {
    return JSON.parse((await this.operate('GET', path)).body) as T;
  }

  async stop(): Promise<void> {
    if (this.running !== null) {
      this.running.process.kill('SIGCONT');
      this.running.process.kill('SIGKILL');
      await this.running.exited;
    }
    await this.link.close();
  }
}

export class Cluster {
  readonly nats: NatsServer;
  readonly monitor: NatsMonitor;
  readonly instances: readonly ClusterInstance[];
  private roundRobin: Promise<RoundRobin> | null = null;

  private constructor(nats: NatsServer, monitor: NatsMonitor, instances: readonly ClusterInstance[]) {
    this.nats = nats;
    this.monitor = monitor;
    this.instances = instances;
  }

  /** Starts NATS and the instances, and waits until each knows all others. */
  static async start({ instances: count = 2, env = {}, nats: program }: ClusterOptions = {}): Promise<Cluster> {
    const monitor = new NatsMonitor(await fixedPort());
    const nats = await NatsServer.start({
      config: monitor.config,
      port: await fixedPort(),
      ...(program === undefined ? {} : { program }),
    });
    const instances: ClusterInstance[] = [];
    const cluster = new Cluster(nats, monitor, instances);
    try {
      for (const id of IDS.slice(0, count)) instances.push(await cluster.prepare(id, env));
      await Promise.all(instances.map((instance) => instance.start()));
      await cluster.whole();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Prepares an instance, which is not started yet and no part of {@link instances}. */
  async prepare(id: string, env: Readonly<Record<string, string>> = {}): Promise<ClusterInstance> {
    const link = await TcpLink.open(this.nats.port);
    const own = { NATS_URL: `nats://127.0.0.1:${link.port}`, INSTANCE_ID: id, EVENTS_INTERVAL_MS: '50' };
    return new ClusterInstance(id, link, { ...(await ClusterInstance.ports()), ...own, ...env });
  }

  /** The instance of an index. */
  at(index: number): ClusterInstance {
    return this.instances[index]!;
  }

  /** Waits until each instance knows all others. */
  async whole(instances: readonly ClusterInstance[] = this.instances): Promise<void> {
    const knowsAll = async (instance: ClusterInstance): Promise<boolean> => {
      const ids = (await seen(instance)).sort();
      return (
        ids.join() ===
        instances
          .map(({ id }) => id)
          .sort()
          .join()
      );
    };
    for (const instance of instances) {
      await until(`${instance.id} knows all instances`, () => knowsAll(instance), { timeout: 20_000, interval: 50 });
    }
  }

  /** Returns the proxy in front of all instances, which is started when it is first needed. */
  proxy(): Promise<RoundRobin> {
    this.roundRobin ??= startRoundRobin(this.instances.map(({ server }) => server.port));
    return this.roundRobin;
  }

  /** The latest lines that NATS and the instances have logged. */
  logs(): string {
    const parts = this.instances.map(({ id, logs }) => [`--- instance ${id}`, ...logs.slice(-LOGGED)].join('\n'));
    return [...parts, '--- nats', ...this.nats.lines.slice(-LOGGED)].join('\n');
  }

  async stop(): Promise<void> {
    await (await this.roundRobin)?.stop();
    await Promise.all(this.instances.map((instance) => instance.stop()));
    this.nats.resume();
    await this.nats.kill();
  }
}

/** Returns the ids of the instances that an instance knows, itself included. */
export async function seen(instance: ClusterInstance): Promise<string[]> {
  const { instances } = await instance.read<{ instances: { id: string }[] }>('/cluster');
  return instances.map(({ id }) => id);
}

/** Sends a request. @returns the answer, whatever its status. */
export async function ask(method: string, url: string, headers: Record<string, string> = {}): Promise<Answered> {
  const response = await fetch(url, { method, headers });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

/** Connects a client and lets its user join. @throws Error if either is refused. */
export async function enter(
  host: ClientHost,
  at: Pick<ClusterInstance, 'url'>,
  userid: string,
  conversation: string,
  options: Partial<Omit<ClientOptions, 'url'>> = {},
  joinAt: Pick<ClusterInstance, 'url'> = at,
): Promise<TestClient> {
  const client = await host.connect(at.url, userid, options);
  if (client.close.code !== 1000) throw new Error(`${userid}: ${JSON.stringify(client.close)}`);
  const user = options.claim?.userid ?? userid;
  const { status, body } = await ask('POST', `${joinAt.url}/join/${conversation}`, claimHeader(user));
  if (status !== 200) throw new Error(`${userid} joins: ${status} ${body}`);
  return client;
}

/** What a scenario needs beside nats-server. */
export interface Needs extends ClusterOptions {
  readonly proxy?: boolean;
}

/** Adds a scenario that starts a cluster of its own. */
export function inCluster(
  test: Scenarios,
  name: string,
  options: Needs,
  body: (cluster: Cluster) => Promise<void>,
  seconds = 40,
): void {
  whereInstalled(test, name, options, seconds, async () => {
    const cluster = await Cluster.start(options);
    try {
      await withLogs(cluster, body);
    } finally {
      await cluster.stop();
    }
  });
}

/** Adds a scenario; where a program is missing, it is skipped, or fails with REQUIRE_TOOLS. */
function whereInstalled(
  test: Scenarios,
  name: string,
  { nats, proxy = false }: Needs,
  seconds: number | undefined,
  body: () => Promise<void>,
): void {
  const missing = [
    ...(nats === undefined && natsPrograms().length === 0 ? ['nats-server'] : []),
    ...(proxy && proxyProgram('nginx') === undefined ? ['nginx'] : []),
  ];
  if (missing.length === 0 || process.env['REQUIRE_TOOLS'] === '1') test(name, body, seconds);
  else test.skip(name, `${missing.join(' and ')} not installed`);
}

/** Runs `body`, and tells what everybody logged if it fails. */
export async function withLogs(cluster: Cluster, body: (cluster: Cluster) => Promise<void>): Promise<void> {
  try {
    await body(cluster);
  } catch (error) {
    console.log(cluster.logs());
    throw error;
  }
}

/** Scenarios that share one cluster, because starting it takes longer than most of them. */
export interface SharedCluster {
  /** Adds a scenario. */
  (name: string, body: (cluster: Cluster) => Promise<void>, seconds?: number): void;
  /** Adds the last scenario: all instances end with 0 and have logged neither an error nor a warning that names one. */
  ends(): void;
}

/** Returns a way to add scenarios that share a cluster, which is started by the first of them. */
export function sharedCluster(test: Scenarios, options: Needs = {}): SharedCluster {
  let started: Promise<Cluster> | null = null;
  const shared = (name: string, body: (cluster: Cluster) => Promise<void>, seconds?: number): void =>
    whereInstalled(test, name, options, seconds, async () => {
      started ??= Cluster.start(options);
      await withLogs(await started, body);
    });
  const ends = (): void =>
    whereInstalled(test, 'the instances end with 0, and none has logged an error', options, undefined, async () => {
      const cluster = await started;
      if (cluster === null) return;
      try {
        await withLogs(cluster, async () => {
          for (const { id, server, logs } of cluster.instances) {
            const bad = logs.filter((line) => /"level":(?:50|60)/.test(line));
            if (bad.length > 0) throw new Error(`${id} logged ${bad.join('\n')}`);
            const code = await server.stop();
            if (code !== 0) throw new Error(`${id} ended with ${code}`);
          }
        });
      } finally {
        await cluster.stop();
      }
    });
  return Object.assign(shared, { ends });
}
