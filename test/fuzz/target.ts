/** Fuzz targets: their interface, how they run, and the report. */
import { below, prng, type Random } from '../support/prng.ts';

/** Counts of the outcomes of a run, by kind. */
export class Counters {
  readonly counts = new Map<string, number>();

  add(kind: string, count = 1): void {
    if (count > 0) this.counts.set(kind, (this.counts.get(kind) ?? 0) + count);
  }

  of(kind: string): number {
    return this.counts.get(kind) ?? 0;
  }

  /** Returns the counts, the most frequent first. */
  toString(): string {
    return [...this.counts]
      .sort(([, a], [, b]) => b - a)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ');
  }
}

/** A fuzz target. A seed alone determines each of its cases. */
export interface FuzzTarget {
  readonly name: string;
  /** The unit that is counted, such as `packets`. */
  readonly unit: string;
  /** Number of cases at a time. */
  readonly parallel: number;
  /** Share of the time that all targets have together. */
  readonly weight: number;
  /** Starts the object of the cases, such as a server. */
  start(): Promise<FuzzStage>;
}

/** The object that the cases of one run share. */
export interface FuzzStage {
  /** Runs one case. @returns its number of units. @throws Error with what it found. */
  run(random: Random, outcomes: Counters): number | Promise<number>;
  /** Returns the resident memory of the fuzzed process, bytes. */
  rss(): number;
  /** Ends the object. @throws Error if anything was left behind. */
  end(): Promise<void>;
}

/** The limits of a run. */
export interface FuzzBudget {
  readonly seed: number;
  /** Stops after this many units; never if not given. */
  readonly count?: number;
  /** Stops after this time, milliseconds; never if not given. */
  readonly time?: number;
  /** The only case to run. */
  readonly only?: number;
}

export interface FuzzReport {
  readonly name: string;
  readonly unit: string;
  readonly cases: number;
  readonly units: number;
  readonly seconds: number;
  /** Resident memory after the first tenth, and at the end, bytes. */
  readonly rss: readonly [number, number];
  readonly outcomes: Counters;
}

/** Time after which a case counts as stuck, milliseconds; generous, for machines that do other things too. */
const CASE_TIMEOUT_MS = 60_000;
/** Time of synchronous cases after which the event loop gets a turn, milliseconds. */
const TURN_MS = 20;

/**
 * Runs cases until the budget is used up.
 *
 * @throws Error that names the seed and the case, with the failure as its cause.
 */
export async function runTarget(target: FuzzTarget, budget: FuzzBudget): Promise<FuzzReport> {
  const stage = await target.start();
  const outcomes = new Counters();
  const begun = performance.now();
  const run = { cases: 0, units: 0, rss: stage.rss(), warm: false };
  const used = (): number => {
    const { count = Number.POSITIVE_INFINITY, time = Number.POSITIVE_INFINITY } = budget;
    return Math.max(run.units / count, (performance.now() - begun) / time);
  };
  const work = async (): Promise<void> => {
    let turned = performance.now();
    while (budget.only === undefined ? used() < 1 : run.cases === 0) {
      const number = budget.only ?? run.cases;
      run.cases++;
      try {
        const ran = stage.run(caseRandom(budget.seed, number), outcomes);
        const units = typeof ran === 'number' ? ran : await inTime(ran);
        run.units += units;
      } catch (error) {
        const found = error instanceof Error ? error.message : String(error);
        const again = `--target ${target.name} --seed ${budget.seed} --case ${number}`;
        throw new Error(`${target.name}: ${found} (npm run fuzz -- ${again})`, { cause: error });
      }
      if (!run.warm && used() > 0.1) {
        run.warm = true;
        run.rss = stage.rss();
      }
      if (performance.now() - turned < TURN_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      turned = performance.now();
    }
  };
  const workers = budget.only === undefined ? target.parallel : 1;
  await Promise.all(Array.from({ length: workers }, work));
  const seconds = (performance.now() - begun) / 1000;
  const rss = [run.rss, stage.rss()] as const;
  await stage.end();
  return { name: target.name, unit: target.unit, cases: run.cases, units: run.units, seconds, rss, outcomes };
}

/** Returns the random numbers of one case. */
export function caseRandom(seed: number, number: number): Random {
  return prng(prng(seed ^ Math.imul(number + 1, 0x9e3779b1))());
}

/** Returns one of these values. */
export function pick<T>(random: Random, values: readonly T[]): T {
  return values[below(random, values.length)]!;
}

/** Returns true once in this many times. */
export function oneIn(random: Random, times: number): boolean {
  return below(random, times) === 0;
}

/** Fails a case. */
export function insist(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new Error(message());
}

async function inTime(units: Promise<number>): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`stuck for ${CASE_TIMEOUT_MS} ms`)), CASE_TIMEOUT_MS);
  });
  try {
    return await Promise.race([units, stuck]);
  } finally {
    clearTimeout(timer);
  }
}
