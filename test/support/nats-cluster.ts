/** Three real NATS servers that are one cluster. */
import { fixedPort } from './fixed-ports.ts';
import { NatsServer } from './nats.ts';
import { NatsMonitor } from './nats-monitor.ts';

const COUNT = 3;

export interface NatsCluster {
  readonly servers: readonly NatsServer[];
  readonly monitors: readonly NatsMonitor[];
  /** All URLs, beginning with that of a server. @param first its index. */
  urls(first: number): string;
  /** Returns the index of the server that leads a stream; -1 for none. */
  leaderOf(stream: string): Promise<number>;
  stop(): Promise<void>;
}

export async function startNatsCluster(program?: string): Promise<NatsCluster> {
  const ports: number[] = [];
  const routes: number[] = [];
  const monitors: NatsMonitor[] = [];
  for (let i = 0; i < COUNT; i++) {
    ports.push(await fixedPort());
    routes.push(await fixedPort());
    monitors.push(new NatsMonitor(await fixedPort()));
  }
  const others = routes.map((port) => `nats-route://127.0.0.1:${port}`).join(', ');
  const config = (i: number): string =>
    [
      `server_name: n${i}`,
      monitors[i]!.config,
      `cluster { name: "test", listen: "127.0.0.1:${routes[i]}", routes: [${others}] }`,
    ].join('\n');
  const servers = await Promise.all(
    ports.map((port, i) =>
      NatsServer.start({ config: config(i), port, ...(program === undefined ? {} : { program }) }),
    ),
  );
  return {
    servers,
    monitors,
    urls: (first) => ports.map((_, i) => servers[(first + i) % COUNT]!.url).join(),
    leaderOf: async (stream) => {
      for (const monitor of monitors) {
        const leader = await monitor.leader(stream).catch(() => null);
        if (leader !== null) return Number(leader.slice(1));
      }
      return -1;
    },
    stop: async () => {
      for (const server of servers) await server.kill().catch(() => undefined);
    },
  };
}
