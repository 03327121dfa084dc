/** How long things take to get from one instance to the others. */
import { setTimeout as pause } from 'node:timers/promises';
import { BenchClient } from './client.ts';
import { percentile, type Row, row, say } from './figures.ts';
import { Cluster } from './instances.ts';

const INSTANCES = 3;
/** Pause before each probe, so that the one before has settled; and as much again at random, so that phases differ. */
const SETTLE_MS = 300;

const settle = (): Promise<void> => pause(SETTLE_MS + Math.random() * SETTLE_MS);

/** Measures joins over three instances. */
export async function joinCase(probes: number): Promise<Row[]> {
  const cluster = await Cluster.start(INSTANCES);
  try {
    return [...(await heard(cluster, probes)), ...(await visible(cluster, probes))];
  } finally {
    await cluster.stop();
  }
}

/** A speaker on A and a listener on B meet in one fresh conversation after the other. */
async function heard(cluster: Cluster, probes: number): Promise<Row[]> {
  const [a, b] = cluster.instances.map(({ url }) => url) as [string, string];
  const speaker = new BenchClient(a, 'speaker', { publishes: true });
  const listener = new BenchClient(b, 'listener');
  await speaker.connect();
  await listener.connect();
  speaker.talk();
  const times: Record<'listener' | 'speaker', number[]> = { listener: [], speaker: [] };
  for (let i = 0; i < probes; i++) {
    say(`join to first packet: ${i + 1} of ${probes}`);
    const any = cluster.instances[i % INSTANCES]!.url;
    const [first, second, who] =
      i % 2 === 0 ? ([speaker, listener, 'listener'] as const) : ([listener, speaker, 'speaker'] as const);
    await first.join(any, `heard-${i}`);
    await settle();
    const begun = performance.now();
    const joined = second.join(any, `heard-${i}`);
    times[who].push((await listener.meets('a packet', ({ heardAt }) => heardAt > begun)) - begun);
    await joined;
  }
  speaker.end();
  listener.end();
  const all = [...times.listener, ...times.speaker];
  return [
    row(`join → first packet heard across instances p50 (${all.length} joins)`, percentile(all, 0.5), ' ms'),
    row('join → first packet heard p99', percentile(all, 0.99), ' ms', 400),
    row('  a listener joins where somebody talks p50', percentile(times.listener, 0.5), ' ms'),
    row('  somebody who talks joins a listener p50', percentile(times.speaker, 0.5), ' ms'),
  ];
}

/** A user with a connection at each instance moves, and somebody at each instance sees the user come. */
async function visible(cluster: Cluster, probes: number): Promise<Row[]> {
  const { instances } = cluster;
  const movers = instances.map(({ url }, i) => new BenchClient(url, 'mover', { clientid: `c${i}` }));
  const observers = instances.map(({ url }, i) => new BenchClient(url, `observer-${i}`));
  for (const client of [...movers, ...observers]) await client.connect();
  for (const observer of observers) await observer.join(instances[0]!.url, 'seen');
  const moved: number[] = [];
  const answered: number[] = [];
  const listed: number[] = [];
  for (let i = 0; i < probes; i++) {
    say(`membership visible: ${i + 1} of ${probes}`);
    const room = i % 2 === 0 ? 'seen' : 'elsewhere';
    await settle();
    const before = movers.map(({ view }) => view.of('moved').length);
    const begun = performance.now();
    const answer = movers[0]!.join(instances[i % INSTANCES]!.url, room).then(() => performance.now());
    const seen = observers.map((observer) =>
      observer.meets('the list', ({ view }) => (view.named('mover') !== undefined) === (room === 'seen')),
    );
    const events = movers.map((mover, k) => mover.meets('moved', ({ view }) => view.of('moved').length > before[k]!));
    moved.push(Math.max(...(await Promise.all(events))) - begun);
    listed.push(Math.max(...(await Promise.all(seen))) - begun);
    answered.push((await answer) - begun);
  }
  for (const client of [...movers, ...observers]) client.end();
  say('');
  return [
    row(`membership visible on all ${INSTANCES} instances p50 (event moved)`, percentile(moved, 0.5), ' ms'),
    row('membership visible on all instances p99', percentile(moved, 0.99), ' ms', 100),
    row('POST /join answered p50', percentile(answered, 0.5), ' ms'),
    row('POST /join answered p99', percentile(answered, 0.99), ' ms'),
    row('on everybody’s list at all instances p50', percentile(listed, 0.5), ' ms'),
    row('on everybody’s list p99', percentile(listed, 0.99), ' ms'),
  ];
}

/** Kills an instance without a goodbye, a few times, and waits until its people are off the lists of the others. */
export async function deathCase(rounds: number): Promise<Row[]> {
  const cluster = await Cluster.start(INSTANCES);
  const observers = cluster.instances.slice(1).map(({ url }, i) => new BenchClient(url, `observer-${i}`));
  try {
    const url = cluster.instances[1]!.url;
    for (const observer of observers) {
      await observer.connect();
      await observer.join(url, 'room');
    }
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      say(`dead instance: ${round + 1} of ${rounds}`);
      const instance = round === 0 ? cluster.instances[0]! : await cluster.add();
      await cluster.whole();
      const victim = new BenchClient(instance.url, 'victim');
      await victim.connect();
      await victim.join(url, 'room');
      for (const one of observers) await one.meets('the victim', ({ view }) => view.named('victim') !== undefined);
      await pause(1000 + Math.random() * 1000);
      const begun = performance.now();
      await cluster.kill(instance);
      const gone = observers.map((one) => one.meets('its end', ({ view }) => view.named('victim') === undefined));
      times.push((Math.max(...(await Promise.all(gone))) - begun) / 1000);
      victim.end();
    }
    say('');
    return [
      row(`kill -9 → its people off all lists, median of ${rounds}`, percentile(times, 0.5), ' s', null, 2),
      row('kill -9 → its people off all lists, longest', Math.max(...times), ' s', 4, 2),
    ];
  } finally {
    for (const observer of observers) observer.end();
    await cluster.stop();
  }
}
