/**
 * All metrics of the service, for Prometheus. `docs/operations.md` lists them. Names begin with `sfu_`, units are base
 * units, and no label has a value that a client chose.
 */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config } from '../config.ts';
import type { Connections } from '../connections/connections.ts';
import type { Conversations } from '../conversations/conversations.ts';
import { busyMs } from '../event-loop.ts';
import type { EventHub } from '../events/hub.ts';
import type { SocketDrops } from '../media/socket-buffers.ts';
import type { OfferQueue } from '../signalling/offer-queue.ts';
import type { Taps } from '../taps/taps.ts';
import { type ClusterFigures, exposeCluster } from './metrics/cluster.ts';
import { ConnectionGauges, type Counted } from './metrics/connection-gauges.ts';
import type { Counters } from './metrics/counters.ts';
import { Exposition } from './metrics/exposition.ts';
import { exposeHooks, type HookFigures } from './metrics/hooks.ts';
import { LoopDelay } from './metrics/loop-delay.ts';
import { Total, WorkerTotals } from './metrics/worker-totals.ts';
import { type ExposedShard, exposePackets, exposeWorkers } from './metrics/workers.ts';

/** How often the workers' counters are read without a scrape, milliseconds. The fastest wraps within an hour. */
const LOOK_INTERVAL_MS = 60_000;
/**
 * How often prom-client looks at the event loop, milliseconds: hardly ever. Its timer would wake an idle process a
 * hundred times a second; `sfu_event_loop_delay_seconds` has the same figure.
 */
const LOOP_PRECISION_MS = 86_400_000;
/**
 * Metrics of prom-client that are left out: what that timer would have measured, and gauges with the suffix of counters,
 * which cost a walk over all handles, of which each connection has some.
 */
const UNWANTED = [
  ...['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map((what) => `nodejs_eventloop_lag_${what}_seconds`),
  ...['handles', 'requests', 'resources'].flatMap((what) => [`nodejs_active_${what}`, `nodejs_active_${what}_total`]),
];
const { version }: { version: string } = JSON.parse(
  readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8'),
);

/** Where the values are read. */
export interface MetricsSources {
  readonly connections: Pick<Connections, 'ingress' | 'rtcp' | 'waiting'>;
  readonly offers: Pick<OfferQueue<object>, 'length'>;
  readonly conversations: Pick<Conversations<unknown>, 'userCount' | 'conversationCount'>;
  readonly events: Pick<EventHub, 'count' | 'flooded'>;
  readonly sockets: Pick<SocketDrops, 'count'>;
  /** By worker, and how often workers were replaced. */
  readonly shards: { readonly all: readonly ExposedShard[]; readonly restarts: number };
  /** Connections by index, with holes. */
  readonly receivers: readonly (Counted | undefined)[];
  readonly logOutput: { readonly lost: number };
  readonly memberships: { readonly draining: boolean };
  readonly taps: Pick<Taps, 'count' | 'counts'>;
  /** Null without a `WEBHOOK_URL`. */
  readonly hooks: { readonly sender: HookFigures } | null;
  /** Null for an instance that knows no other. */
  readonly cluster: ClusterFigures | null;
}

export class Metrics {
  private readonly processMetrics = new Registry();
  private readonly exposition = new Exposition();
  private readonly totals = new WorkerTotals();
  private readonly delay = new LoopDelay();
  private readonly config: Pick<Config, 'MAX_CONNECTIONS' | 'MAX_MEMBERSHIPS'>;
  private readonly sources: MetricsSources;
  private readonly looking: NodeJS.Timeout;
  /** At the latest scrape. */
  private connections = new ConnectionGauges([]);

  /** @param counters the counts of events. */
  constructor(
    config: Pick<Config, 'MAX_CONNECTIONS' | 'MAX_MEMBERSHIPS'>,
    counters: Counters,
    sources: MetricsSources,
  ) {
    this.config = config;
    this.sources = sources;
    collectDefaultMetrics({ register: this.processMetrics, eventLoopMonitoringPrecision: LOOP_PRECISION_MS });
    for (const name of UNWANTED) this.processMetrics.removeSingleMetric(name);
    this.exposeProcess(sources);
    counters.expose(this.exposition);
    this.exposeService(sources);
    this.exposeTraffic(sources);
    this.exposeTaps(sources);
    exposeWorkers(this.exposition, () => sources.shards.all, this.totals);
    exposePackets(
      this.exposition,
      this.totals,
      () => sources.connections.ingress.drops,
      () => sources.connections.rtcp.counts,
    );
    exposeHooks(this.exposition, sources.hooks?.sender ?? null);
    if (sources.cluster !== null) exposeCluster(this.exposition, sources.cluster);
    this.looking = setInterval(() => this.totals.look(sources.shards.all), LOOK_INTERVAL_MS).unref();
  }

  /** Returns all metrics in Prometheus' text format. */
  async render(): Promise<{ contentType: string; body: string }> {
    const { shards, receivers } = this.sources;
    this.totals.look(shards.all);
    this.connections = new ConnectionGauges(receivers);
    const body = `${await this.processMetrics.metrics()}\n${this.exposition.render()}`;
    return { contentType: this.processMetrics.contentType, body };
  }

  /** Stops the timers. */
  stop(): void {
    clearInterval(this.looking);
    this.delay.stop();
  }

  private exposeProcess({ memberships, shards, logOutput }: MetricsSources): void {
    const { exposition, delay } = this;
    exposition.gauges('sfu_build_info', 'Always 1; the labels tell what runs.', () => [[{ version }, 1]]);
    exposition.gauge(
      'sfu_draining',
      '1 while the server shuts down and takes nothing new, else 0.',
      () => +memberships.draining,
    );
    exposition.gauge(
      'sfu_memory_limit_bytes',
      'Memory that the process may have: that of its control group, or of the machine. Compare with process_resident_memory_bytes.',
      memoryLimit,
    );
    exposition.histogram(
      'sfu_event_loop_delay_seconds',
      'How late the main thread gets to its timers, four times a second. Above 0.05 everything suffers: connections, forwarding, HTTP; lower MAX_CONNECTIONS or add instances.',
      () => ({ bounds: delay.buckets.bounds, cumulative: delay.buckets.cumulative(), sum: delay.buckets.sum }),
    );
    exposition.counter(
      'sfu_event_loop_busy_seconds_total',
      'Time that the main thread was not waiting; from OFFLOAD_PERCENT on, connections are handed to other threads.',
      () => busyMs() / 1000,
    );
    exposition.counter(
      'sfu_worker_restarts_total',
      'Workers that ended by themselves, or hung, and were replaced: each a moment of silence in its conversations, and a bug; the log has the cause.',
      () => shards.restarts,
    );
    exposition.counter(
      'sfu_log_lines_lost_total',
      'Lines of the log that are lost because nobody reads standard output.',
      () => logOutput.lost,
    );
  }

  private exposeService({ connections, offers, conversations, events }: MetricsSources): void {
    const { exposition, config } = this;
    const gauge = exposition.gauge.bind(exposition);
    exposition.gauges(
      'sfu_connections',
      'Connections that hold a place: being set up, established, or closing; together they are full at sfu_connections_limit.',
      () => Object.entries(this.connections.byState).map(([state, count]) => [{ state }, count]),
    );
    gauge('sfu_connections_limit', 'MAX_CONNECTIONS.', () => config.MAX_CONNECTIONS);
    gauge(
      'sfu_websockets_waiting',
      'Websockets that have not made their offer yet; beyond MAX_WAITING the oldest is closed.',
      () => connections.waiting,
    );
    gauge(
      'sfu_offers_queued',
      'Offers that wait for their turn; beyond MAX_QUEUED_OFFERS clients are sent away for some seconds.',
      () => offers.length,
    );
    gauge(
      'sfu_connections_offloaded',
      "Connections handed to the library's own threads because the main thread was busy; many: the machine is near its limit.",
      () => this.connections.offloaded,
    );
    gauge('sfu_event_channels', 'Clients that listen to events.', () => events.count);
    exposition.counter(
      'sfu_event_floods_total',
      'Clients that sent more requests than MAX_REQUESTS_PER_SECOND and lost their channel for events.',
      () => events.flooded,
    );
    gauge(
      'sfu_users',
      'Users known, connected or with a membership; full at sfu_users_limit.',
      () => conversations.userCount,
    );
    gauge('sfu_users_limit', 'MAX_MEMBERSHIPS.', () => config.MAX_MEMBERSHIPS);
    gauge(
      'sfu_conversations',
      'Conversations that have a member, connected or not.',
      () => conversations.conversationCount,
    );
    gauge('sfu_conversations_active', 'Conversations that have a connection.', () => this.connections.hosted);
    gauge('sfu_participants', 'Connections that are in a conversation.', () => this.connections.participants);
    gauge('sfu_publishers', 'Participants that have a microphone to publish.', () => this.connections.publishers);
    gauge(
      'sfu_slots',
      'Receive slots of all participants, what most of the work goes into.',
      () => this.connections.slots,
    );
    gauge(
      'sfu_conversation_participants_max',
      'Participants of the largest conversation.',
      () => this.connections.largest,
    );
  }

  private exposeTaps({ taps }: MetricsSources): void {
    const { exposition } = this;
    exposition.gauge('sfu_taps', 'Readers of conversations, such as recorders; at most MAX_TAPS.', () => taps.count);
    exposition.counter(
      'sfu_tap_packets_total',
      'Packets that taps were given, each for each reader.',
      () => taps.counts.packets,
    );
    exposition.counter(
      'sfu_tap_lost_packets_total',
      'Packets that a tap did not get because its reader was too slow; it was told how many.',
      () => taps.counts.lost,
    );
  }

  private exposeTraffic({ connections: { ingress, rtcp }, sockets }: MetricsSources): void {
    const { exposition, totals } = this;
    const help = 'RTP and RTCP without what encryption, UDP and IP add';
    exposition.counters('sfu_packets_received_total', 'Packets from clients, by kind.', () => [
      [{ kind: 'rtp' }, ingress.traffic.packets],
      [{ kind: 'rtcp' }, rtcp.received.packets],
    ]);
    exposition.counters('sfu_bytes_received_total', `Bytes from clients: ${help}.`, () => [
      [{ kind: 'rtp' }, ingress.traffic.bytes],
      [{ kind: 'rtcp' }, rtcp.received.bytes],
    ]);
    exposition.counters('sfu_packets_sent_total', 'Packets to clients, by kind.', () => [
      [{ kind: 'rtp' }, totals.sum(Total.Sent)],
      [{ kind: 'rtcp' }, rtcp.sent.packets],
    ]);
    exposition.counters('sfu_bytes_sent_total', `Bytes to clients: ${help}.`, () => [
      [{ kind: 'rtp' }, totals.sum(Total.Bytes)],
      [{ kind: 'rtcp' }, rtcp.sent.bytes],
    ]);
    exposition.counters(
      'sfu_socket_drops_total',
      'Datagrams of any kind that the kernel dropped because the receive buffer of a media port was full: the machine is overloaded, or net.core.rmem_max is too small. Absent where the system does not tell.',
      () => {
        const drops = sockets.count();
        return drops === null ? [] : [[{}, drops]];
      },
    );
    exposition.counters(
      'sfu_rtcp_unused_total',
      'RTCP from clients that was of no use: malformed, flooded (more than 20 a second from one client), or ignored (nothing in it that is understood).',
      () => (['malformed', 'flooded', 'ignored'] as const).map((reason) => [{ reason }, rtcp.counts[reason]]),
    );
  }
}

/** Returns the least of the machine's memory and the control group's, bytes. */
function memoryLimit(): number {
  // Without a limit it is 0, or larger than any memory.
  return Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem());
}
