/** One conversation of three speakers and a hundred listeners: on one instance, and over two. */
import { median, percentile, type Row, row, sum } from './figures.ts';
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
      process.stderr.write(`\r\x1b[Kconversation, round ${round + 1}: ${room}`);
      results[room] = await rooms[room]();
    }
    measured.push(results as Round);
  }
  process.stderr.write('\r\x1b[K');
  return rows(measured, count);
}

function rows(rounds: readonly Round[], count: number): Row[] {
  const of = (value: (round: Round) => number): number => median(rounds.map(value));
  const list = (value: (round: Round) => number, digits = 2): string =>
    rounds.map((round) => value(round).toFixed(digits)).join(', ');
  const added = (share: number) => (r: Round) =>
    percentile(r.two.latencies, share) - percentile(r.one.latencies, share);
  const relayRatio = (r: Round): number => relayMicros(r) / singleMicros(r);
  const activeRatio = (r: Round): number => activeRelayMicros(r) / activeSingleMicros(r);
  const together = (r: Round): number => sum(r.two.instances) / total(r.one);
  const late = Math.max(...rounds.flatMap((r) => [r.one.clientsLateMs, r.two.clientsLateMs]));
  return [
    row(`added one-way delay p50, ${SPEAKERS} → ${count} (${list(added(0.5))})`, of(added(0.5)), ' ms', 2, 2),
    row(`added one-way delay p99 (${list(added(0.99))})`, of(added(0.99)), ' ms', 10, 2),
    row(
      'one-way delay p50 on one instance',
      of((r) => percentile(r.one.latencies, 0.5)),
      ' ms',
      null,
      2,
    ),
    row(
      'one-way delay p99 on one instance',
      of((r) => percentile(r.one.latencies, 0.99)),
      ' ms',
      null,
      2,
    ),
    row(`loss (${list((r) => loss(r.two, count) * 100, 3)})`, of((r) => loss(r.two, count)) * 100, ' %', 0, 3),
    row('loss on one instance', of((r) => loss(r.one, count)) * 100, ' %', null, 3),
    row('CPU of a relayed packet, both sides and NATS', of(relayMicros), ' µs', null, 0),
    row('CPU of a packet to one listener', of(singleMicros), ' µs', null, 0),
    row(`ratio of these two (${list(relayRatio)})`, of(relayRatio), '', 1.5, 2),
    row(`the same without what idle instances take (${list(activeRatio)})`, of(activeRatio), '', null, 2),
    row(`CPU of A and B ÷ one instance with everybody (${list(together)})`, of(together), '', 1.25, 2),
    row(
      'the same with NATS',
      of((r) => total(r.two) / total(r.one)),
      '',
      null,
      2,
    ),
    row(
      'cores of one instance with everybody',
      of((r) => total(r.one)),
      '',
      null,
      3,
    ),
    row(
      'cores of A / of B',
      of((r) => r.two.instances[0]!),
      ` / ${of((r) => r.two.instances[1]!).toFixed(3)}`,
      null,
      3,
    ),
    row(
      'cores of NATS',
      of((r) => r.two.nats),
      '',
      null,
      3,
    ),
    row('delay of the clients’ own event loops p99, at most', late, ' ms'),
  ];
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
