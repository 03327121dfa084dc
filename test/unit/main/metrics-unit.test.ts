/** What keeps the figures right where no short run would show it: wraps, replaced workers, buckets. */
import { totalmem } from 'node:os';
import { equal, is, ok } from 'uvu/assert';
import { Histogram } from '../../../src/main/histogram.ts';
import { FORWARD_BOUNDS } from '../../../src/main/media/egress.ts';
import { Ingress } from '../../../src/main/media/ingress.ts';
import { Traffic } from '../../../src/main/media/traffic.ts';
import type { ClusterFigures } from '../../../src/main/operations/metrics/cluster.ts';
import { ConnectionGauges, type Counted } from '../../../src/main/operations/metrics/connection-gauges.ts';
import { Counters } from '../../../src/main/operations/metrics/counters.ts';
import { Exposition } from '../../../src/main/operations/metrics/exposition.ts';
import { Total, WorkerTotals } from '../../../src/main/operations/metrics/worker-totals.ts';
import type { ExposedShard } from '../../../src/main/operations/metrics/workers.ts';
import { Metrics, type MetricsSources } from '../../../src/main/operations/metrics.ts';
import { COUNTER_WORDS, Count } from '../../../src/workers/protocol.ts';
import { someFigures } from '../../support/cluster-figures.ts';
import { Scrape } from '../../support/metrics.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('metrics, in parts');

/** A shard whose words the test sets. */
class Shard implements ExposedShard {
  readonly words = new Uint32Array(COUNTER_WORDS);
  readonly load = 3;
  readonly fill = { ingress: 0.25, egress: 0 };
  readonly highestFill = { ingress: 0.5, egress: 0 };
  readonly corrupt = 0;
  readonly egress = {
    counts: { sent: 0, stale: 0, failed: 0, late: 0 },
    traffic: new Traffic(),
    forwardBuckets: new Histogram(FORWARD_BOUNDS, 1e6),
  };

  counter(index: number): number {
    return this.words[index]!;
  }

  beatAge(): number {
    return 1500;
  }
}

test('a total goes on where a word of shared memory wraps', () => {
  const shard = new Shard();
  const totals = new WorkerTotals();
  shard.words[Count.PacketsIn] = 2 ** 32 - 10;
  totals.look([shard]);
  is(totals.of(0, Count.PacketsIn), 2 ** 32 - 10);
  shard.words[Count.PacketsIn] = 5;
  totals.look([shard]);
  is(totals.of(0, Count.PacketsIn), 2 ** 32 + 5);
  for (let i = 1; i <= 100; i++) {
    shard.words[Count.PacketsIn] = (5 + i * 0x7000_0000) % 2 ** 32;
    totals.look([shard]);
    is(totals.of(0, Count.PacketsIn), 2 ** 32 + 5 + i * 0x7000_0000);
  }
});

test('a worker that takes the place of another begins at 0, and nothing of either is lost', () => {
  const [first, second, other] = [new Shard(), new Shard(), new Shard()];
  const totals = new WorkerTotals();
  other.words[Count.PacketsOut] = 7;
  first.words[Count.PacketsOut] = 100;
  first.egress.counts.sent = 90;
  totals.look([first, other]);
  // Counted after the last look at it.
  first.words[Count.PacketsOut] = 120;
  first.egress.counts.sent = 110;
  first.egress.traffic.count(1000);
  first.egress.forwardBuckets.add(150);
  second.words[Count.PacketsOut] = 3;
  second.egress.counts.sent = 2;
  second.egress.forwardBuckets.add(5000);
  totals.look([second, other]);
  is(totals.of(0, Count.PacketsOut), 123);
  is(totals.of(1, Count.PacketsOut), 7);
  is(totals.sum(Count.PacketsOut), 130);
  is(totals.sum(Total.Sent), 112);
  is(totals.sum(Total.Bytes), 1000);
  const cumulative = Array.from({ length: FORWARD_BOUNDS.length + 1 }, (_, i) => totals.sum(Total.Forward + i));
  equal(cumulative, [0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
  totals.look([second, other]);
  is(totals.sum(Count.PacketsOut), 130);
});

test('a value lies in the first bucket that is not below it', () => {
  const buckets = new Histogram([0, 0.5, 1], 1000);
  for (const value of [0, 1, 500, 501, 1000, 1001, 1e9]) buckets.add(value);
  equal(buckets.cumulative(), [1, 3, 5, 7]);
  is(buckets.sum, (1 + 500 + 501 + 1000 + 1001 + 1e9) / 1000);
});

function service(
  shards: { all: readonly ExposedShard[]; restarts: number },
  receivers: readonly (Counted | undefined)[],
  telemetry = new Counters(),
  cluster: ClusterFigures | null = null,
): Metrics {
  const counts = { received: 0, sent: 0, failed: 0, malformed: 0, flooded: 0, ignored: 0 };
  const rtcp = { counts, received: new Traffic(), sent: new Traffic() };
  return new Metrics({ MAX_CONNECTIONS: receivers.length, MAX_MEMBERSHIPS: 10 }, telemetry, {
    connections: { ingress: new Ingress(), rtcp, waiting: 0 } as unknown as MetricsSources['connections'],
    offers: { length: 6 },
    conversations: { userCount: 4, conversationCount: 2 },
    hooks: null,
    events: { count: 1, flooded: 0 },
    sockets: { count: () => 12 },
    shards,
    receivers,
    logOutput: { lost: 3 },
    memberships: { draining: true },
    taps: { count: 2, counts: { packets: 9, lost: 1 } },
    cluster,
  });
}

test('counters never go back when a worker is replaced between two scrapes', async () => {
  const first = new Shard();
  first.words[Count.Switches] = 40;
  const shards: { all: readonly ExposedShard[]; restarts: number } = { all: [first], restarts: 0 };
  const metrics = service(shards, []);
  const before = new Scrape((await metrics.render()).body);
  shards.all = [new Shard()];
  const after = new Scrape((await metrics.render()).body);
  is(before.value('sfu_speaker_switches_total'), 40);
  is(after.value('sfu_speaker_switches_total'), 40);
  metrics.stop();
});

test('telemetry comes out in base units', async () => {
  const telemetry = new Counters();
  const metrics = service({ all: [new Shard()], restarts: 0 }, [], telemetry);
  telemetry.established(250);
  telemetry.ended('gone', 61_000);
  telemetry.rtt(30);
  telemetry.loss('downlink', 0.25);
  telemetry.permission('timeout', 2000);
  telemetry.permissionCached();
  telemetry.joined('denied');
  const { contentType, body } = await metrics.render();
  is(contentType, 'text/plain; version=0.0.4; charset=utf-8');
  const seen = new Scrape(body);
  is(seen.value('sfu_connection_setup_seconds_sum'), 0.25);
  is(seen.value('sfu_connection_setup_seconds_bucket', { le: '0.25' }), 1);
  is(seen.value('sfu_connection_setup_seconds_bucket', { le: '0.1' }), 0);
  is(seen.value('sfu_connection_life_seconds_sum'), 61);
  is(seen.value('sfu_round_trip_seconds_sum'), 0.03);
  is(seen.value('sfu_loss_ratio_bucket', { direction: 'downlink', le: '0.2' }), 0);
  is(seen.value('sfu_loss_ratio_bucket', { direction: 'downlink', le: '0.5' }), 1);
  is(seen.value('sfu_permission_seconds_sum', { outcome: 'timeout' }), 2);
  is(seen.value('sfu_permission_cache_hits_total'), 1);
  is(seen.value('sfu_joins_total', { outcome: 'denied' }), 1);
  is(seen.value('sfu_draining'), 1);
  is(seen.value('sfu_worker_beat_age_seconds', { worker: '0' }), 1.5);
  is(seen.value('sfu_ring_fill_ratio', { worker: '0', ring: 'ingress' }), 0.25);
  metrics.stop();
});

test('an instance of a cluster has metrics of it, and one without has none', async () => {
  // Every value is as old as the scrape, none as old as the service.
  let figures: ClusterFigures | null = null;
  const read = (name: string | symbol): unknown => Reflect.get(figures ?? {}, name);
  const late = new Proxy({}, { get: (_, name) => read(name) }) as ClusterFigures;
  const metrics = service({ all: [], restarts: 0 }, [], new Counters(), late);
  figures = someFigures();
  const seen = new Scrape((await metrics.render()).body);
  metrics.stop();
  const values = (name: string, label: string, ...all: string[]): unknown[] =>
    all.map((value) => seen.value(name, { [label]: value }));
  is(seen.value('sfu_cluster_whole'), 1);
  is(seen.value('sfu_cluster_warnings'), 2);
  is(seen.value('sfu_cluster_instances'), 3);
  is(seen.value('sfu_cluster_kv_lag_seconds'), 1.5);
  equal(values('sfu_cluster_reconnections_total', 'link', 'control', 'media'), [1, 2]);
  const reasons = ['malformed', 'other-version', 'too-large', 'unknown-type', 'too-many'];
  equal(values('sfu_cluster_messages_dropped_total', 'reason', ...reasons), [4, 5, 6, 7, 27]);
  equal([seen.value('sfu_remote_participants'), seen.value('sfu_remote_sources')], [8, 9]);
  equal(values('sfu_relay_packets_total', 'direction', 'in', 'out'), [10, 12]);
  equal(values('sfu_relay_bytes_total', 'direction', 'in', 'out'), [11, 13]);
  equal(values('sfu_relay_messages_total', 'direction', 'in', 'out'), [14, 15]);
  const dropped = [
    'out late',
    'out disconnected',
    'out queue-full',
    'in unknown-source',
    'in malformed',
    'in too-old',
    'in no-index',
  ];
  equal(
    dropped.map((one) => {
      const [direction = '', reason = ''] = one.split(' ');
      return seen.value('sfu_relay_dropped_total', { direction, reason });
    }),
    [16, 17, 18, 19, 20, 21, 26],
  );
  equal([seen.value('sfu_relay_delay_seconds_sum'), seen.value('sfu_relay_delay_seconds_count')], [0.0055, 2]);
  const apart = service({ all: [], restarts: 0 }, [], new Counters(), { ...figures, problem: 'NATS is gone' });
  is(new Scrape((await apart.render()).body).value('sfu_cluster_whole'), 0);
  apart.stop();
  const alone = service({ all: [], restarts: 0 }, []);
  const names = [...new Scrape((await alone.render()).body).types.keys()];
  alone.stop();
  equal(
    names.filter((name) => /^sfu_(cluster|relay|remote)/.test(name)),
    [],
  );
});

test('the limit of memory is no more than the machine has', async () => {
  const metrics = service({ all: [], restarts: 0 }, []);
  const limit = new Scrape((await metrics.render()).body).value('sfu_memory_limit_bytes')!;
  metrics.stop();
  ok(limit > process.memoryUsage.rss() && limit <= totalmem(), String(limit));
});

test('metrics are written as the text format wants them', () => {
  const exposition = new Exposition();
  exposition.gauge('a', 'A "quoted" \\ and\nbroken line.', () => Number.NaN);
  exposition.counters('b_total', 'B.', () => [
    [{ why: 'a "b" \\ c\nd', worker: 0 }, 1],
    [{ why: 'other', worker: 1 }, 2.5],
    [{ why: 'other', worker: 1 }, 3],
  ]);
  exposition.histograms('c_seconds', 'C.', () => [
    [{ way: 'up' }, { bounds: [0.1, 1], cumulative: [1, 1, 2], sum: 7.5 }],
  ]);
  exposition.gauges('d', 'Without a value.', () => []);
  equal(exposition.render().split('\n'), [
    '# HELP a A "quoted" \\\\ and\\nbroken line.',
    '# TYPE a gauge',
    'a NaN',
    '',
    '# HELP b_total B.',
    '# TYPE b_total counter',
    'b_total{why="a \\"b\\" \\\\ c\\nd",worker="0"} 1',
    'b_total{why="other",worker="1"} 5.5',
    '',
    '# HELP c_seconds C.',
    '# TYPE c_seconds histogram',
    'c_seconds_bucket{way="up",le="0.1"} 1',
    'c_seconds_bucket{way="up",le="1"} 1',
    'c_seconds_bucket{way="up",le="+Inf"} 2',
    'c_seconds_sum{way="up"} 7.5',
    'c_seconds_count{way="up"} 2',
    '',
    '# HELP d Without a value.',
    '# TYPE d gauge',
    '',
  ]);
});

test('connections are counted by state, and those in a conversation by what they do', () => {
  const [kitchen, garden] = [
    { seats: { size: 3 }, tapped: true },
    { seats: { size: 1 }, tapped: false },
  ];
  const person = (current: Counted['seat']['current'], publishes: boolean, offloaded: boolean): Counted => ({
    state: 'established',
    slotCount: 3,
    publication: publishes ? {} : null,
    peer: { offloaded },
    seat: { current },
  });
  const waiting: Counted = { state: 'waiting', slotCount: 0, publication: null, peer: null, seat: { current: null } };
  const gauges = new ConnectionGauges([
    person(kitchen, true, true),
    undefined,
    person(kitchen, false, false),
    person(garden, true, false),
    person(null, true, false),
    waiting,
    { ...waiting, state: 'ended' },
  ]);
  equal(gauges.byState, { setup: 1, established: 4, closing: 1 });
  const { participants, publishers, slots, offloaded, largest, hosted } = gauges;
  equal(
    { participants, publishers, slots, offloaded, largest, hosted },
    {
      participants: 3,
      publishers: 2,
      slots: 9,
      offloaded: 1,
      largest: 2,
      hosted: 2,
    },
  );
});

test.run();
