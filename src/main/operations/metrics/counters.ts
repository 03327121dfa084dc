/** Counts the events of the telemetry. */

import { Close, Problem, type ProblemKind } from '../../errors.ts';
import { Histogram } from '../../histogram.ts';
import {
  type Asked,
  END_REASONS,
  type EndReason,
  type JoinOutcome,
  type PermissionOutcome,
  type SetupFailure,
  type Telemetry,
  type Trimmed,
} from '../../telemetry.ts';
import { type Distribution, distribution, type Exposition, type Readings } from './exposition.ts';

const MS_PER_S = 1000;
const WAIT_BOUNDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16];
const SETUP_BOUNDS = [0.1, 0.25, 0.5, 0.75, 1, 2, 3, 5, 10, 20];
const LIFE_BOUNDS = [1, 10, 60, 300, 900, 1800, 3600, 7200, 14_400];
const RTT_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2];
const LOSS_BOUNDS = [0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
const PERMISSION_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5];

const JOIN_OUTCOMES: readonly JoinOutcome[] = ['joined', 'denied', 'full', 'conversation-full', 'failed'];
const PERMISSION_OUTCOMES: readonly PermissionOutcome[] = ['allowed', 'denied', 'timeout', 'failed'];
const DIRECTIONS = ['uplink', 'downlink'] as const;
/** Causes besides the close codes: the rest of {@link SetupFailure}, and refusals of requests for a websocket. */
const OTHER_FAILURES = [
  'hung-up',
  'bad-frame',
  'abandoned',
  'displaced',
  'bad-claim',
  'too-many-connections',
  'not-established',
] as const;

/** Counts by one label. Its values are known in advance, so that each has a series from the start. */
class LabelledCounts<Value extends string> {
  private readonly label: string;
  private readonly counts: Map<string, number>;

  constructor(label: string, values: Iterable<Value>) {
    this.label = label;
    this.counts = new Map(Array.from(values, (value) => [value, 0]));
  }

  add(value: Value, count = 1): void {
    this.counts.set(value, (this.counts.get(value) ?? 0) + count);
  }

  *readings(): Readings {
    for (const [value, count] of this.counts) yield [{ [this.label]: value }, count];
  }
}

/** Telemetry that is exposed as metrics. */
export class Counters implements Telemetry {
  private readonly joins = new LabelledCounts('outcome', JOIN_OUTCOMES);
  private readonly refusals = new LabelledCounts('problem', Object.keys(Problem) as ProblemKind[]);
  private readonly ends = new LabelledCounts('reason', END_REASONS);
  private readonly failures = new LabelledCounts<SetupFailure | ProblemKind>('cause', [
    ...(Object.keys(Close) as (keyof typeof Close)[]).filter((kind) => kind !== 'connected'),
    ...OTHER_FAILURES,
  ]);
  private readonly waits = new Histogram(WAIT_BOUNDS, MS_PER_S);
  private readonly setup = new Histogram(SETUP_BOUNDS, MS_PER_S);
  private readonly life = new Histogram(LIFE_BOUNDS, MS_PER_S);
  private readonly trips = new Histogram(RTT_BOUNDS, MS_PER_S);
  private readonly losses = { uplink: new Histogram(LOSS_BOUNDS, 1), downlink: new Histogram(LOSS_BOUNDS, 1) };
  private readonly permissions = new Map(
    PERMISSION_OUTCOMES.map((outcome) => [outcome, new Histogram(PERMISSION_BOUNDS, MS_PER_S)]),
  );
  private readonly trims = new LabelledCounts<Trimmed>('what', ['slots', 'candidates']);
  private leaves = 0;
  private unreadable = 0;
  private leavesRefused = 0;
  private cached = 0;

  refused(problem: ProblemKind, asked: Asked): void {
    this.refusals.add(problem);
    if (asked === 'connect') this.failures.add(problem);
    if (asked === 'leave') this.leavesRefused++;
    if (asked !== 'join') return;
    if (problem === 'not-permitted' || problem === 'banned') this.joins.add('denied');
    if (problem === 'permissions-unavailable' || problem === 'cluster-unavailable') this.joins.add('failed');
  }

  joined(outcome: JoinOutcome): void {
    this.joins.add(outcome);
  }

  left(): void {
    this.leaves++;
  }

  trimmed(what: Trimmed, count: number): void {
    this.trims.add(what, count);
  }

  badRed(): void {
    this.unreadable++;
  }

  offerWaited(milliseconds: number): void {
    this.waits.add(milliseconds);
  }

  established(setupMs: number): void {
    this.setup.add(setupMs);
  }

  failed(cause: SetupFailure): void {
    this.failures.add(cause);
  }

  ended(reason: EndReason, lifeMs: number): void {
    this.ends.add(reason);
    this.life.add(lifeMs);
  }

  rtt(milliseconds: number): void {
    this.trips.add(milliseconds);
  }

  loss(direction: 'uplink' | 'downlink', share: number): void {
    this.losses[direction].add(share);
  }

  permission(outcome: PermissionOutcome, milliseconds: number): void {
    this.permissions.get(outcome)?.add(milliseconds);
  }

  permissionCached(): void {
    this.cached++;
  }

  expose(to: Exposition): void {
    to.histogram(
      'sfu_offer_wait_seconds',
      'How long offers waited for their turn, because others came at the same time or the main thread was busy with packets.',
      () => distribution(this.waits),
    );
    to.histogram(
      'sfu_connection_setup_seconds',
      'From a granted request for a websocket to the standing peer connection; its count is the connections ever established. Slow with a quick network: look at sfu_event_loop_delay_seconds.',
      () => distribution(this.setup),
    );
    to.counters(
      'sfu_connection_setup_failures_total',
      'Connections that never stood, by cause; no-ice and transport-failed point at firewalls, ANNOUNCED_ADDRESS or clients without UDP, no-dtls and many no-ice at clients that reject the answer, full at MAX_CONNECTIONS or MAX_MEMBERSHIPS, busy at many that came at once, displaced at MAX_SETUPS or MAX_WAITING or at a flood.',
      () => this.failures.readings(),
    );
    to.counters(
      'sfu_offers_trimmed_total',
      'Slots and candidates that clients offered beyond MAX_SLOTS and MAX_CANDIDATES, and that were left out; the connections went on.',
      () => this.trims.readings(),
    );
    to.counter(
      'sfu_bad_red_total',
      'Clients whose RED cannot be read, end-to-end encrypted mostly, so that nobody hears them; the log names them.',
      () => this.unreadable,
    );
    to.counters(
      'sfu_connections_ended_total',
      'Connections that stood and ended, by reason; many "gone" at once are a network or a client that crashes, "flooded" is a client that opened or said too much on data channels.',
      () => this.ends.readings(),
    );
    to.histogram('sfu_connection_life_seconds', 'How long connections that ended had stood.', () =>
      distribution(this.life),
    );
    to.counters(
      'sfu_http_refusals_total',
      'HTTP requests refused, by problem; "internal" is a bug, and the log says more.',
      () => this.refusals.readings(),
    );
    to.counters(
      'sfu_joins_total',
      'POST /join by outcome; "denied" is about PERMISSIONS_HOST or a ban, "failed" about it or the cluster, "full" about MAX_MEMBERSHIPS or MAX_CONVERSATIONS, "conversation-full" about MAX_PARTICIPANTS.',
      () => this.joins.readings(),
    );
    to.counter('sfu_leaves_total', 'DELETE /join that were answered.', () => this.leaves);
    to.counter(
      'sfu_leaves_refused_total',
      'DELETE /join that were refused; sfu_http_refusals_total has the problems.',
      () => this.leavesRefused,
    );
    to.histogram(
      'sfu_round_trip_seconds',
      'Round trips as clients report them, one for each report and connection.',
      () => distribution(this.trips),
    );
    to.histograms(
      'sfu_loss_ratio',
      'Packets lost between two reports, as a share, one for each report and connection: uplink on the way to the server, downlink in the worst slot of a client. The bucket le="0" is those without loss.',
      () => DIRECTIONS.map((direction) => [{ direction }, distribution(this.losses[direction])]),
    );
    to.histograms(
      'sfu_permission_seconds',
      'Questions to PERMISSIONS_HOST by outcome; with "timeout" or "failed" nobody who is not cached can join.',
      () => this.permissionReadings(),
    );
    to.counter(
      'sfu_permission_cache_hits_total',
      'Joins whose permission was still known (PERMISSIONS_CACHE_MS).',
      () => this.cached,
    );
  }

  private *permissionReadings(): Iterable<[{ outcome: string }, Distribution]> {
    for (const [outcome, buckets] of this.permissions) yield [{ outcome }, distribution(buckets)];
  }
}
