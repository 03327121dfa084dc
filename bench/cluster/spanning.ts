/** Many conversations of two people: within the instances, and spanning two of them. */
import { median, percentile, type Row, row, sum } from './figures.ts';
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
      process.stderr.write(`\r\x1b[Kmany conversations, round ${round + 1}: ${kind}`);
      Object.assign(results, { [kind]: await measure(kind === 'spanning') });
    }
    measured.push(results as Round);
  }
  process.stderr.write('\r\x1b[K');
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
  const of = (value: (round: Round) => number): number => median(rounds.map(value));
  const list = (value: (round: Round) => number): string => rounds.map((r) => value(r).toFixed(1)).join(', ');
  const share = (i: number) => (r: Round) => (r.spanning.mains[i]! - r.within.mains[i]!) * 100;
  return [
    ...[0, 1].map((i) =>
      row(
        `${rooms} conversations: the relay's share of main thread ${'AB'[i]} (${list(share(i))})`,
        of(share(i)),
        ' %',
        15,
      ),
    ),
    row('main thread of A, within the instances', of((r) => r.within.mains[0]!) * 100, ' %'),
    row('main thread of A, spanning', of((r) => r.spanning.mains[0]!) * 100, ' %'),
    row(
      'cores of both, within',
      of((r) => sum(r.within.instances)),
      '',
      null,
      2,
    ),
    row(
      'cores of both, spanning',
      of((r) => sum(r.spanning.instances)),
      '',
      null,
      2,
    ),
    row(
      'cores of NATS',
      of((r) => r.spanning.nats),
      '',
      null,
      2,
    ),
    row(
      'packets relayed per second',
      of((r) => r.spanning.spoken),
      '',
      null,
      0,
    ),
    row('loss, spanning', of((r) => r.spanning.loss) * 100, ' %', null, 3),
    row(
      'added one-way delay p50',
      of((r) => percentile(r.spanning.latencies, 0.5) - percentile(r.within.latencies, 0.5)),
      ' ms',
    ),
    row(
      'delay of the clients’ own event loops p99, at most',
      Math.max(...rounds.map((r) => r.spanning.clientsLateMs)),
      ' ms',
    ),
  ];
}
