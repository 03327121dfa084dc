/** What the cluster's benchmarks run on: a real nats-server, and one or more instances. */
import { type Scrape, scrape } from '../../test/support/metrics.ts';
import { NatsServer, natsPrograms } from '../../test/support/nats.ts';
import { freeUdpPort, type RunningServer, startServer } from '../../test/support/server.ts';
import { until } from '../../test/support/waiting.ts';
import { cpuByThread, cpuSeconds } from '../room/process.ts';

const MEDIA_PORTS = 4;

/** The program to start; set by the option `--nats`. */
let [program = ''] = natsPrograms();

export function chooseNats(path: string): void {
  program = path;
}

/** CPU time since the start, seconds. */
export interface Cpu {
  readonly at: number;
  /** By instance. */
  readonly instances: readonly number[];
  /** By instance and thread name. */
  readonly threads: readonly ReadonlyMap<string, number>[];
  readonly nats: number;
}

/** Instances that belong together by a nats-server, or a single one without. */
export class Cluster {
  readonly instances: RunningServer[] = [];
  private readonly env: Record<string, string>;
  private readonly nats: NatsServer | null;

  private constructor(env: Record<string, string>, nats: NatsServer | null) {
    this.env = env;
    this.nats = nats;
  }

  /** Starts one instance without NATS, or several with it, and waits until all of them know each other. */
  static async start(count: number, env: Readonly<Record<string, string>> = {}): Promise<Cluster> {
    if (count === 1) {
      const single = new Cluster({ ...env }, null);
      await single.add();
      return single;
    }
    const nats = await NatsServer.start({ program });
    const cluster = new Cluster({ ...env, NATS_URL: nats.url }, nats);
    for (let i = 0; i < count; i++) await cluster.add();
    await cluster.whole();
    return cluster;
  }

  /** Starts one more instance. @returns it. */
  async add(): Promise<RunningServer> {
    const ports: number[] = [];
    for (let i = 0; i < MEDIA_PORTS; i++) ports.push(await freeUdpPort());
    const server = await startServer({
      MEDIA_PORTS: ports.join(','),
      MAX_CONNECTIONS: '4000',
      MAX_JOINS_PER_SECOND: '1000',
      MAX_SLOTS: '64',
      MAX_MEDIA_LINES: '80',
      ...this.env,
    });
    this.instances.push(server);
    return server;
  }

  /** Kills an instance, as a crash would. */
  async kill(instance: RunningServer): Promise<void> {
    this.instances.splice(this.instances.indexOf(instance), 1);
    instance.process.kill('SIGKILL');
    await instance.exited;
  }

  /** Waits until every instance sees all others. */
  async whole(): Promise<void> {
    const count = this.instances.length;
    for (const { adminUrl } of this.instances) {
      await until('the instances see each other', async () => seen(await scrape(adminUrl)) === count);
    }
  }

  cpu(): Cpu {
    const pids = this.instances.map(({ process }) => process.pid!);
    return {
      at: performance.now(),
      instances: pids.map(cpuSeconds),
      threads: pids.map(cpuByThread),
      nats: this.nats === null ? 0 : cpuSeconds(this.nats.pid),
    };
  }

  scrapes(): Promise<Scrape[]> {
    return Promise.all(this.instances.map(({ adminUrl }) => scrape(adminUrl)));
  }

  async stop(): Promise<void> {
    await Promise.all(this.instances.map((instance) => instance.stop()));
    await this.nats?.stop();
  }
}

/** What happened between two looks at the CPU time. */
export interface Spent {
  readonly seconds: number;
  /** CPU seconds per second. */
  readonly instances: readonly number[];
  readonly threads: readonly ReadonlyMap<string, number>[];
  readonly nats: number;
}

export function spent(before: Cpu, after: Cpu): Spent {
  const seconds = (after.at - before.at) / 1000;
  return {
    seconds,
    instances: after.instances.map((value, i) => (value - before.instances[i]!) / seconds),
    threads: after.threads.map(
      (threads, i) =>
        new Map([...threads].map(([name, cpu]) => [name, (cpu - (before.threads[i]!.get(name) ?? 0)) / seconds])),
    ),
    nats: (after.nats - before.nats) / seconds,
  };
}

/** Returns how many instances one knows, itself included. */
function seen(metrics: Scrape): number {
  return metrics.value('sfu_cluster_instances') ?? 0;
}

/** Packets that an instance has relayed since its start. */
export interface Relayed {
  readonly in: number;
  readonly out: number;
  readonly dropped: number;
}

export function relayed(metrics: Scrape): Relayed {
  return {
    in: metrics.value('sfu_relay_packets_total', { direction: 'in' }) ?? 0,
    out: metrics.value('sfu_relay_packets_total', { direction: 'out' }) ?? 0,
    dropped: metrics.sum('sfu_relay_dropped_total'),
  };
}
