/** Many conversations of two people: within the instances, and spanning two of them. */
import { median, percentile, type Row, row, say, sum, told } from './figures.ts';
import { Cluster } from './instances.ts';
import { type Measured, measurePeople, type Party, type Span } from './people.ts';

interface Round {
  readonly within: Measured;
  readonly spanning: Measured;
}

/** Measures the same people in the same conversations on two instances, with and without a relay between them. */
export async function spanningCase(rounds: number, rooms: number, span: Span): Promise<Row[]> {
  const half = Math.floor(rooms / 2);
  const measure = async (crossed: boolean): Promise<Measured> => {
    const cluster = await Cluster.start(2);
    try {
      return await measurePeople(cluster, [...pairs(0, half, 0, crossed), ...pairs(half, half, 1, crossed)], span);
    } finally {
      await cluster.stop();
    }
  };
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    const results: Partial<Round> = {};
    for (const kind of round % 2 === 0 ? (['within', 'spanning'] as const) : (['spanning', 'within'] as const)) {
      say(`many conversations, round ${round + 1}: ${kind}`);
      Object.assign(results, { [kind]: await measure(kind === 'spanning') });
    }
    measured.push(results as Round);
  }
  say('');
  return rows(measured, 2 * half);
}

/** Speakers at an instance, each with one listener, at the other instance if they are crossed. */
function pairs(firstRoom: number, count: number, at: number, crossed: boolean): Party[] {
  const measured = Math.min(20, count);
  return [
    { at: crossed ? 1 - at : at, count, speaks: false, slots: 1, measured, firstRoom },
    { at, count, speaks: true, slots: 0, firstRoom },
  ];
}

function rows(rounds: readonly Round[], rooms: number): Row[] {
  const of = (value: Value): number => median(rounds.map(value));
  const list = (value: Value): string => rounds.map((r) => value(r).toFixed(1)).join(', ');
  const share =
    (i: number): Value =>
    (r) =>
      100 * (mainOf(r.spanning, i) - mainOf(r.within, i));
  const title = (i: number): string => `${rooms} conversations: the relay's share of main thread ${'AB'[i]}`;
  const both = (what: string, value: (measured: Measured) => number): Row =>
    told(
      `${what}: within / spanning`,
      of(({ within }) => value(within)),
      of(({ spanning }) => value(spanning)),
    );
  return [
    ...[0, 1].map((i) => row(`${title(i)} (${list(share(i))})`, of(share(i)), ' %', 15)),
    both('cores of main thread A', (m) => mainOf(m, 0)),
    both('cores of main thread B', (m) => mainOf(m, 1)),
    both('cores of both instances', (m) => sum(m.instances)),
    both('cores of NATS', ({ nats }) => nats),
    both('packets of the speakers', ({ spoken }) => spoken),
    both('packets to listeners', ({ forwarded }) => sum(forwarded)),
    both('packets relayed', ({ relayed }) => sum(relayed.map((one) => one.in))),
    both('packets that the relays dropped', ({ relayed }) => sum(relayed.map((one) => one.dropped))),
    both('loss, %', ({ loss }) => 100 * loss),
    both('one-way delay p50, ms', ({ latencies }) => percentile(latencies, 0.5)),
    both('one-way delay p99, ms', ({ latencies }) => percentile(latencies, 0.99)),
    both('delay of the clients’ own event loops p99, ms', ({ clientsLateMs }) => clientsLateMs),
  ];
}

type Value = (round: Round) => number;

/** CPU of an instance's main thread, in cores. */
function mainOf({ threads }: Measured, at: number): number {
  return threads[at]!.get('main') ?? 0;
}
