/** Logs the figures of the running service at intervals of `STATS_INTERVAL_MS`; 0 turns this off. */
import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { Count, Drop } from '../../workers/protocol.ts';
import type { Config } from '../config.ts';
import type { Connections } from '../connections/connections.ts';
import type { Conversations } from '../conversations/conversations.ts';
import { LoopUse } from '../event-loop.ts';
import type { EventHub } from '../events/hub.ts';
import type { Log } from '../log/log.ts';
import type { Shard } from '../media/shard.ts';
import type { SocketDrops } from '../media/socket-buffers.ts';
import { overview } from '../rtcp/quality.ts';

/** Resolution of the measured event loop delay, milliseconds. */
const LOOP_RESOLUTION_MS = 5;
const NS_PER_MS = 1e6;
/** The quality is that of connections that reported within this time, milliseconds: two reports of a browser. */
const QUALITY_AGE_MS = 10_000;

/** Where the figures are read. */
export interface StatsSources {
  readonly connections: Connections;
  readonly conversations: Conversations<unknown>;
  readonly events: EventHub;
  readonly sockets: Pick<SocketDrops, 'count'>;
  readonly shards: readonly Shard[];
}

/** Logs the figures at each interval, if there is one. Counts are since the start. */
export function logStats(sources: StatsSources, config: Pick<Config, 'STATS_INTERVAL_MS'>, log: Log): void {
  if (config.STATS_INTERVAL_MS === 0) return;
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  const use = new LoopUse();
  setInterval(() => {
    log.info({ ...snapshot(sources), loop: { busy: round(use.look()), ...loopDelay(loop) } }, 'stats');
    loop.reset();
    for (const shard of sources.shards) shard.egress.forwardTime.reset();
  }, config.STATS_INTERVAL_MS).unref();
}

function snapshot({ connections, conversations, events, sockets, shards }: StatsSources): Record<string, unknown> {
  return {
    connections: connections.count,
    established: connections.establishedCount,
    users: conversations.userCount,
    conversations: conversations.conversationCount,
    eventChannels: events.count,
    drops: connections.ingress.drops,
    socketDrops: sockets.count(),
    rtcp: connections.rtcp.counts,
    quality: overview(connections.qualities(), performance.now() - QUALITY_AGE_MS),
    rss: process.memoryUsage.rss(),
    shards: shards.map((shard) => ({
      load: shard.load,
      packetsIn: shard.counter(Count.PacketsIn),
      packetsOut: shard.counter(Count.PacketsOut),
      silence: shard.counter(Count.Silence),
      switches: shard.counter(Count.Switches),
      rebuilt: shard.counter(Count.Rebuilt),
      ...shard.egress.counts,
      ingressDropped: shard.ingressDropped,
      corrupt: shard.corrupt,
      highestFill: { ingress: round(shard.highestFill.ingress), egress: round(shard.highestFill.egress) },
      drops: Object.fromEntries(Object.entries(Drop).map(([reason, index]) => [reason, shard.counter(index)])),
      forwardUs: {
        p50: shard.egress.forwardTime.percentile(50),
        p95: shard.egress.forwardTime.percentile(95),
        p99: shard.egress.forwardTime.percentile(99),
        count: shard.egress.forwardTime.count,
      },
    })),
  };
}

/** Returns the delay without what the resolution itself adds, milliseconds. */
function loopDelay(loop: IntervalHistogram): { p50Ms: number; p99Ms: number; maxMs: number } {
  const excess = (nanoseconds: number): number => round(Math.max(0, nanoseconds / NS_PER_MS - LOOP_RESOLUTION_MS));
  return { p50Ms: excess(loop.percentile(50)), p99Ms: excess(loop.percentile(99)), maxMs: excess(loop.max) };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
