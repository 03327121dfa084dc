/** The metrics of a cluster, which an instance that knows no other does not have. */
import type { Histogram } from '../../histogram.ts';
import type { ClusterHealth } from '../views.ts';
import { distribution, type Exposition, type Readings } from './exposition.ts';

const MS_PER_S = 1000;

/** Packets and bytes since the start. */
interface Amount {
  readonly packets: number;
  readonly bytes: number;
}

/** Reasons to drop relayed packets, by their names in the relay. */
const DROPS = {
  late: { direction: 'out', reason: 'late' },
  disconnected: { direction: 'out', reason: 'disconnected' },
  queue: { direction: 'out', reason: 'queue-full' },
  unknownSource: { direction: 'in', reason: 'unknown-source' },
  malformed: { direction: 'in', reason: 'malformed' },
  tooOld: { direction: 'in', reason: 'too-old' },
  noIndex: { direction: 'in', reason: 'no-index' },
} as const;

/** Reasons to drop control messages, by their names in the cluster. */
const MESSAGE_DROPS = {
  malformed: 'malformed',
  otherVersion: 'other-version',
  tooLarge: 'too-large',
  unknownType: 'unknown-type',
  tooMany: 'too-many',
} as const;

/** Where the values are read. `src/main/cluster` has them, and `service.ts` passes them on. */
export interface ClusterFigures extends ClusterHealth {
  /** Instances that live, this one included. */
  readonly instances: number;
  /** How often the links to NATS came back. */
  readonly reconnections: { readonly control: number; readonly media: number };
  /** How far the mirror of the user records is behind, milliseconds. */
  readonly kvLagMs: number;
  readonly messagesDropped: { readonly [Reason in keyof typeof MESSAGE_DROPS]: number };
  /** Participants of other instances that are listed here, and those of them whom a worker knows. */
  readonly remoteParticipants: number;
  readonly remoteSources: number;
  readonly relay: {
    readonly in: Amount;
    readonly out: Amount;
    readonly messagesIn: number;
    readonly messagesOut: number;
    readonly drops: { readonly [Reason in keyof typeof DROPS]: number };
    readonly delay: Histogram;
  };
}

/** Adds the metrics of a cluster. */
export function exposeCluster(to: Exposition, cluster: ClusterFigures): void {
  exposeInstances(to, cluster);
  exposeRelay(to, cluster);
}

function exposeInstances(to: Exposition, cluster: ClusterFigures): void {
  to.gauge(
    'sfu_cluster_whole',
    '1 while this instance reaches the others, else 0: people hear only those on their own instance, and joins get 503; /readyz says why.',
    () => +(cluster.problem === null),
  );
  to.gauge(
    'sfu_cluster_warnings',
    "What is wrong with the cluster though this instance serves: instances of another version, or NATS's bucket was changed; /readyz names it.",
    () => cluster.warnings.length,
  );
  to.gauge(
    'sfu_cluster_instances',
    'Living instances that this one knows, itself included; the same number on all of them.',
    () => cluster.instances,
  );
  to.counters(
    'sfu_cluster_reconnections_total',
    'How often a link to NATS was lost and came back: control carries memberships and presence, media the packets.',
    () => Object.entries(cluster.reconnections).map(([link, count]) => [{ link }, count]),
  );
  to.gauge(
    'sfu_cluster_kv_lag_seconds',
    "How late changes of memberships in NATS's bucket arrive here; people are moved that much later.",
    () => cluster.kvLagMs / MS_PER_S,
  );
  to.counters(
    'sfu_cluster_messages_dropped_total',
    'Control messages from NATS that were dropped; unknown-type and other-version are of instances of another version, too-many beyond what is allowed, the others of no instance.',
    () => readings(MESSAGE_DROPS, cluster.messagesDropped, (reason) => ({ reason })),
  );
  to.gauge(
    'sfu_remote_participants',
    'Participants on other instances, in conversations of this one.',
    () => cluster.remoteParticipants,
  );
  to.gauge(
    'sfu_remote_sources',
    'Those of them whose packets came within the last seconds; at most MAX_REMOTE_SOURCES.',
    () => cluster.remoteSources,
  );
}

function exposeRelay(to: Exposition, cluster: ClusterFigures): void {
  const both = (read: (amount: Amount) => number) => (): Readings => [
    [{ direction: 'in' }, read(cluster.relay.in)],
    [{ direction: 'out' }, read(cluster.relay.out)],
  ];
  to.counters(
    'sfu_relay_packets_total',
    'RTP packets from other instances (in), and to them (out), each once however many instances get it.',
    both(({ packets }) => packets),
  );
  to.counters(
    'sfu_relay_bytes_total',
    'Their bytes, without what the relay and NATS add.',
    both(({ bytes }) => bytes),
  );
  to.counters(
    'sfu_relay_messages_total',
    'Messages of NATS that carried them; one has several packets under load.',
    () => [
      [{ direction: 'in' }, cluster.relay.messagesIn],
      [{ direction: 'out' }, cluster.relay.messagesOut],
    ],
  );
  to.counters(
    'sfu_relay_dropped_total',
    'Packets that were to be relayed and were not, by direction and reason; unknown-source is no fault while people come and go.',
    () => readings(DROPS, cluster.relay.drops, (labels) => labels),
  );
  to.histogram(
    'sfu_relay_delay_seconds',
    'From the arrival of a packet at its own instance to its arrival here. Above 0.02 the links or NATS are slow.',
    () => distribution(cluster.relay.delay),
  );
}

/** Returns the counts of a table, each with its labels. */
function readings<Name extends string, Label>(
  table: Readonly<Record<Name, Label>>,
  counts: Readonly<Record<Name, number>>,
  labels: (label: Label) => Readonly<Record<string, string>>,
): Readings {
  return Object.entries<Label>(table).map(([name, label]) => [labels(label), counts[name as Name]]);
}
