/** One conversation of three speakers and a hundred listeners: on one instance, and over two. */
import { median, percentile, type Row, row, say, sum, told } from './figures.ts';
import { Cluster } from './instances.ts';
import { type Measured, measurePeople, type Party, type Span } from './people.ts';

const SPEAKERS = 3;
const MEASURED = 20;
const SLOTS = 3;

const speakers = (at: number): Party => ({ at, count: SPEAKERS, speaks: true, slots: 0 });
const listeners = (at: number, count: number): Party => ({
  at,
  count,
  speaks: false,
  slots: SLOTS,
  measured: Math.min(MEASURED, count),
});

interface Round {
  /** Everybody on one instance, without NATS. */
  readonly one: Measured;
  /** The speakers on one instance, the listeners on the other. */
  readonly two: Measured;
  /** The same speakers and a single listener on one instance: what a packet to one listener costs. */
  readonly single: Measured;
}

/** Measures the three rooms in turn, a few times. */
export async function conversationCase(rounds: number, count: number, span: Span): Promise<Row[]> {
  const measure = async (instances: number, parties: readonly Party[]): Promise<Measured> => {
    const cluster = await Cluster.start(instances);
    try {
      return await measurePeople(cluster, parties, span);
    } finally {
      await cluster.stop();
    }
  };
  const rooms = {
    one: () => measure(1, [listeners(0, count), speakers(0)]),
    two: () => measure(2, [listeners(1, count), speakers(0)]),
    single: () => measure(1, [listeners(0, 1), speakers(0)]),
  };
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    const order = Object.keys(rooms) as (keyof typeof rooms)[];
    const results: Partial<Record<keyof typeof rooms, Measured>> = {};
    for (const room of round % 2 === 0 ? order : order.reverse()) {
      say(`conversation, round ${round + 1}: ${room}`);
      results[room] = await rooms[room]();
    }
    measured.push(results as Round);
  }
  say('');
  return rows(measured, count);
}

function rows(rounds: readonly Round[], count: number): Row[] {
  const of = (value: Value): number => median(rounds.map(value));
  const list = (value: Value, digits = 2): string => rounds.map((round) => value(round).toFixed(digits)).join(', ');
  const tell = (what: string, ...values: Value[]): Row => told(what, ...values.map(of));
  const lossOf: Value = (r) => 100 * loss(r.two, count);
  const added =
    (share: number): Value =>
    (r) =>
      percentile(r.two.latencies, share) - percentile(r.one.latencies, share);
  const relayRatio: Value = (r) => relayMicros(r) / singleMicros(r);
  const activeRatio: Value = (r) => activeRelayMicros(r) / activeSingleMicros(r);
  const together: Value = (r) => sum(r.two.instances) / total(r.one);
  const last = rounds.at(-1)!;
  return [
    row(`added one-way delay p50, ${SPEAKERS} → ${count} (${list(added(0.5))})`, of(added(0.5)), ' ms', 2, 2),
    row(`added one-way delay p99 (${list(added(0.99))})`, of(added(0.99)), ' ms', 10, 2),
    row(`loss (${list(lossOf, 3)})`, of(lossOf), ' %', 0, 3),
    row(`CPU of a relayed packet ÷ of one to one listener (${list(relayRatio)})`, of(relayRatio), '', 1.5, 2),
    row(`CPU of A and B ÷ one instance with everybody (${list(together)})`, of(together), '', 1.25, 2),
    tell('CPU of a relayed packet, both sides and NATS / of a packet to one listener, µs', relayMicros, singleMicros),
    tell('ratio of these two, without what idle instances take', activeRatio),
    tell('CPU of A, B and NATS ÷ one instance with everybody', (r) => total(r.two) / total(r.one)),
    tell('one-way delay on one instance p50 / p99, ms', ...delays((r) => r.one)),
    tell('one-way delay over two instances p50 / p99, ms', ...delays((r) => r.two)),
    tell('loss on one instance, %', (r) => 100 * loss(r.one, count)),
    tell('packets relayed ÷ packets of the speakers', (r) => r.two.relayed[1]!.in / r.two.spoken),
    tell(
      'cores: one instance / A / B / NATS',
      (r) => total(r.one),
      coresOf(0),
      coresOf(1),
      (r) => r.two.nats,
    ),
    tell(
      IDLE,
      (r) => total(r.one.idle),
      (r) => sum(r.two.idle.instances),
      (r) => r.two.idle.nats,
    ),
    told('cores by thread, last round: one instance', threadsOf(last.one, 0)),
    told('cores by thread, last round: A', threadsOf(last.two, 0)),
    told('cores by thread, last round: B', threadsOf(last.two, 1)),
    tell(
      'delay of the clients’ own event loops p99, one / two, ms',
      (r) => r.one.clientsLateMs,
      (r) => r.two.clientsLateMs,
    ),
  ];
}

type Value = (round: Round) => number;

const IDLE = 'cores while nobody talks: one instance / A and B / NATS';

/** Median and 99th percentile of the one-way delay in a room. */
function delays(room: (round: Round) => Measured): Value[] {
  return [0.5, 0.99].map((share) => (round) => percentile(room(round).latencies, share));
}

function coresOf(at: number): Value {
  return ({ two }) => two.instances[at]!;
}

/** CPU of instances and NATS, in cores. */
function total({ instances, nats }: Pick<Measured, 'instances' | 'nats'>): number {
  return sum(instances) + nats;
}

/** What two instances take more than one, by packet that one sends to the other. */
function relayMicros({ one, two }: Round): number {
  return ((total(two) - total(one)) * 1e6) / two.spoken;
}

function singleMicros({ single }: Round): number {
  return (total(single) * 1e6) / single.spoken;
}

function activeRelayMicros({ one, two }: Round): number {
  return ((total(two) - total(two.idle) - total(one) + total(one.idle)) * 1e6) / two.spoken;
}

function activeSingleMicros({ single }: Round): number {
  return ((total(single) - total(single.idle)) * 1e6) / single.spoken;
}

/** The larger of what gaps in the numbers show, and what fails to arrive of all that was sent, beyond one packet each. */
function loss(room: Measured, count: number): number {
  const measured = Math.min(MEASURED, count);
  const expected = room.spoken * measured * room.seconds;
  const missing = expected - SPEAKERS * measured - room.received * room.seconds;
  return Math.max(room.loss, missing / Math.max(1, expected), 0);
}

/** Returns what the busiest threads of an instance took. */
function threadsOf({ threads }: Measured, at: number): string {
  const busiest = [...threads[at]!].sort(([, a], [, b]) => b - a).slice(0, 5);
  return busiest.map(([name, cpu]) => `${name} ${cpu.toFixed(3)}`).join(', ');
}
