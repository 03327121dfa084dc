/**
 * The figures of the service as Prometheus reads them: `docs/operations.md` lists them all. Names begin with `sfu_`, units
 * are base units, and no label holds anything that a client chose.
 */
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config } from '../config.ts';
import type { Connections } from '../connections/connections.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { EventHub } from '../events/hub.ts';
import type { Telemetry } from '../telemetry.ts';
import { Census, type Counted } from './metrics/census.ts';
import { Counters } from './metrics/counters.ts';
import { Exposition } from './metrics/exposition.ts';
import { LoopDelay } from './metrics/loop-delay.ts';
import { Total, WorkerTotals } from './metrics/worker-totals.ts';
import { type ExposedShard, exposePackets, exposeWorkers } from './metrics/workers.ts';

/** How often the workers' words are looked at without a scrape, milliseconds: the fastest wraps within an hour. */
const LOOK_INTERVAL_MS = 60_000;
/** Of prom-client's own event-loop figures, milliseconds. */
const LOOP_PRECISION_MS = 10;
/**
 * The library's own that are gauges with the suffix of counters, and that walk over all handles, of which each connection
 * has some.
 */
const UNWANTED = ['handles', 'requests', 'resources'].flatMap((what) => [
  `nodejs_active_${what}`,
  `nodejs_active_${what}_total`,
]);
const { version }: { version: string } = JSON.parse(
  readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8'),
);

/** What is looked at. */
export interface MetricsSources {
  readonly connections: Pick<Connections, 'ingress' | 'rtcp' | 'waiting'>;
  readonly conversations: Pick<Conversations<unknown>, 'userCount' | 'conversationCount'>;
  readonly events: Pick<EventHub, 'count' | 'flooded'>;
  /** By worker, and how often one was replaced. */
  readonly shards: { readonly all: readonly ExposedShard[]; readonly restarts: number };
  /** Connections by index, with holes. */
  readonly receivers: readonly (Counted | undefined)[];
  readonly logOutput: { readonly lost: number };
}

export class Metrics {
  /** To be told what happens. */
  readonly telemetry: Telemetry;
  private readonly registry = new Registry();
  private readonly exposition = new Exposition(this.registry);
  private readonly totals = new WorkerTotals();
  private readonly delay = new LoopDelay();
  private readonly config: Pick<Config, 'MAX_CONNECTIONS' | 'MAX_MEMBERSHIPS'>;
  private look: () => void = () => undefined;
  private looking: NodeJS.Timeout | undefined;
  private census = new Census([]);
  private isDraining = false;

  constructor(config: Pick<Config, 'MAX_CONNECTIONS' | 'MAX_MEMBERSHIPS'>) {
    this.config = config;
    const tally = new Counters();
    this.telemetry = tally;
    this.exposeProcess();
    tally.expose(this.exposition);
  }

  /** Adds what is looked up. To be called once. */
  watch(sources: MetricsSources): void {
    this.look = () => {
      this.totals.look(sources.shards.all);
      this.census = new Census(sources.receivers);
    };
    this.looking = setInterval(() => this.totals.look(sources.shards.all), LOOK_INTERVAL_MS).unref();
    this.exposeService(sources);
    this.exposeTraffic(sources);
    exposeWorkers(this.exposition, () => sources.shards.all, this.totals);
    this.exposition.counter(
      'sfu_worker_restarts_total',
      'Workers that ended by themselves, or hung, and were replaced: each a moment of silence in its conversations, and a bug; the log has the cause.',
      () => sources.shards.restarts,
    );
    this.exposition.counter(
      'sfu_log_lines_lost_total',
      'Lines of the log that are lost because nobody reads standard output.',
      () => sources.logOutput.lost,
    );
    exposePackets(
      this.exposition,
      this.totals,
      () => sources.connections.ingress.drops,
      () => sources.connections.rtcp.counts,
    );
  }

  /** The server takes nothing new any more, or does so again. */
  draining(yes: boolean): void {
    this.isDraining = yes;
  }

  /** All of them, in Prometheus' text format. */
  async render(): Promise<{ contentType: string; body: string }> {
    this.look();
    return { contentType: this.registry.contentType, body: await this.registry.metrics() };
  }

  /** Ends the timers. */
  stop(): void {
    clearInterval(this.looking);
    this.delay.stop();
  }

  private exposeProcess(): void {
    const { registry, exposition, delay } = this;
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_PRECISION_MS });
    for (const name of UNWANTED) registry.removeSingleMetric(name);
    exposition.gauges('sfu_build_info', 'Always 1; the labels tell what runs.', ['version'], () => [[{ version }, 1]]);
    exposition.gauge(
      'sfu_draining',
      '1 while the server shuts down and takes nothing new, else 0.',
      () => +this.isDraining,
    );
    exposition.histogram(
      'sfu_event_loop_delay_seconds',
      'How late the main thread gets to its timers, fifty times a second. Above 0.05 everything suffers: connections, forwarding, HTTP; lower MAX_CONNECTIONS or add instances.',
      () => ({ bounds: delay.buckets.bounds, cumulative: delay.buckets.cumulative(), sum: delay.buckets.sum }),
    );
    exposition.counter(
      'sfu_event_loop_busy_seconds_total',
      'Time that the main thread was not waiting; from OFFLOAD_PERCENT on, connections are handed to other threads.',
      () => performance.eventLoopUtilization().active / 1000,
    );
  }

  private exposeService({ connections, conversations, events }: MetricsSources): void {
    const { exposition, config } = this;
    const gauge = exposition.gauge.bind(exposition);
    exposition.gauges(
      'sfu_connections',
      'Connections that hold a place: being set up, established, or closing; together they are full at sfu_connections_limit.',
      ['state'],
      () => Object.entries(this.census.connections).map(([state, count]) => [{ state }, count]),
    );
    gauge('sfu_connections_limit', 'MAX_CONNECTIONS.', () => config.MAX_CONNECTIONS);
    gauge(
      'sfu_websockets_waiting',
      'Websockets that have not made their offer yet; beyond MAX_WAITING the oldest is closed.',
      () => connections.waiting,
    );
    gauge(
      'sfu_connections_offloaded',
      "Connections handed to the library's own threads because the main thread was busy; many: the machine is near its limit.",
      () => this.census.offloaded,
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
    gauge('sfu_conversations_active', 'Conversations that have a connection.', () => this.census.hosted);
    gauge('sfu_participants', 'Connections that are in a conversation.', () => this.census.participants);
    gauge('sfu_publishers', 'Participants that have a microphone to publish.', () => this.census.publishers);
    gauge('sfu_slots', 'Receive slots of all participants, what most of the work goes into.', () => this.census.slots);
    gauge('sfu_conversation_participants_max', 'Participants of the largest conversation.', () => this.census.largest);
  }

  private exposeTraffic({ connections: { ingress, rtcp } }: MetricsSources): void {
    const { exposition, totals } = this;
    const help = 'RTP and RTCP without what encryption, UDP and IP add';
    exposition.counters('sfu_packets_received_total', 'Packets from clients, by kind.', ['kind'], () => [
      [{ kind: 'rtp' }, ingress.traffic.packets],
      [{ kind: 'rtcp' }, rtcp.received.packets],
    ]);
    exposition.counters('sfu_bytes_received_total', `Bytes from clients: ${help}.`, ['kind'], () => [
      [{ kind: 'rtp' }, ingress.traffic.bytes],
      [{ kind: 'rtcp' }, rtcp.received.bytes],
    ]);
    exposition.counters('sfu_packets_sent_total', 'Packets to clients, by kind.', ['kind'], () => [
      [{ kind: 'rtp' }, totals.sum(Total.Sent)],
      [{ kind: 'rtcp' }, rtcp.sent.packets],
    ]);
    exposition.counters('sfu_bytes_sent_total', `Bytes to clients: ${help}.`, ['kind'], () => [
      [{ kind: 'rtp' }, totals.sum(Total.Bytes)],
      [{ kind: 'rtcp' }, rtcp.sent.bytes],
    ]);
    exposition.counters(
      'sfu_rtcp_unused_total',
      'RTCP from clients that was of no use: malformed, flooded (more than 20 a second from one client), or ignored (nothing in it that is understood).',
      ['reason'],
      () => (['malformed', 'flooded', 'ignored'] as const).map((reason) => [{ reason }, rtcp.counts[reason]]),
    );
  }
}
