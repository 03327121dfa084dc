/** Compares the model with real instances, whose clients talk by the same random numbers. */
import { sum } from './figures.ts';
import { Cluster } from './instances.ts';
import { Model, type ModelOptions, type Traffic } from './model.ts';
import { measurePeople, WARM_UP_MS } from './people.ts';

const MICROPHONES = 10;
const LISTENERS = 5;
const SLOTS = 3;
const FOREMOST = 5;
const TALK_MS = 3000;
const PAUSE_MS = 2000;
/** Largest deviation of a rate, as a share of it. */
const TOLERANCE = 0.1;

/** Prints both, side by side. @returns whether all figures agree. */
export async function checkModel(seed: number, seconds: number): Promise<boolean> {
  console.log(
    '| Instances | Instance | | Model | Measured | Measured ÷ model | |\n| --- | --- | --- | --- | --- | --- | --- |',
  );
  let good = true;
  for (const instances of [2, 3]) {
    const options: ModelOptions = {
      ...{ instances, listeners: LISTENERS, slots: SLOTS, foremost: FOREMOST, microphones: MICROPHONES, seed },
      ...{ talkMs: TALK_MS, pauseMs: PAUSE_MS, warmUpSeconds: WARM_UP_MS / 1000, seconds },
    };
    const seen = new Model(options).run();
    const real = await measured(options);
    for (let i = 0; i < instances; i++) {
      for (const what of RATES) {
        const model = sum(seen.map((second) => second[i]![what])) / seconds;
        const ratio = real[i]![what] / model;
        const fits = Math.abs(ratio - 1) <= TOLERANCE;
        good &&= fits;
        const cells = [
          instances,
          'ABC'[i],
          TITLES[what],
          model.toFixed(0),
          real[i]![what].toFixed(0),
          ratio.toFixed(3),
        ];
        console.log(`| ${cells.join(' | ')} | ${fits ? '' : '**off**'} |`);
      }
    }
  }
  return good;
}

const RATES = ['out', 'in', 'toListeners'] as const;
type Rates = Pick<Traffic, (typeof RATES)[number]>;
const TITLES: Readonly<Record<(typeof RATES)[number], string>> = {
  out: 'out, packets/s',
  in: 'in, packets/s',
  toListeners: 'to listeners, packets/s',
};

/** Returns the traffic of real instances, packets a second. */
async function measured({ instances, microphones, seed, seconds, talkMs, pauseMs }: ModelOptions): Promise<Rates[]> {
  const cluster = await Cluster.start(instances);
  try {
    const parties = Array.from({ length: instances }, (_, at) => [
      { at, count: LISTENERS, speaks: false, slots: SLOTS },
      { at, count: microphones, speaks: true, slots: 0, spurts: { seed: seed + at * microphones, talkMs, pauseMs } },
    ]).flat();
    const { relayed, forwarded } = await measurePeople(cluster, parties, { seconds, sinks: null });
    return relayed.map(({ in: into, out }, i) => ({ in: into, out, toListeners: forwarded[i]! }));
  } finally {
    await cluster.stop();
  }
}
