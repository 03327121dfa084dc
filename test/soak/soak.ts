/** The course of a soak: rounds of churn, each of which ends with all clients gone. */
import { setTimeout as delay } from 'node:timers/promises';
import { prng } from '../support/prng.ts';
import { ACTIONS, type WeightedAction } from './actions.ts';
import { describe, type Figures, Watch } from './figures.ts';
import { ReferenceCall } from './reference-call.ts';
import type { Report } from './report.ts';
import { startAllSoaked } from './soaked.ts';
import { SoakState } from './state.ts';

/** Time limit of each action, milliseconds: all time-outs of the server are shorter. */
const ACTION_TIMEOUT_MS = 60_000;
const LOOK_INTERVAL_MS = 1000;
/** The report gets a point of the curve after this many looks. */
const CURVE_EVERY = 60;

export interface SoakOptions {
  /** Number of rounds. The first one warms up, and the others are compared with it. */
  readonly rounds: number;
  /** Churn of a round, seconds; it takes up to half a minute more until the server misses all vanished clients. */
  readonly seconds: number;
  /** Rough number of clients at a time. */
  readonly clients: number;
  /** Actions a second. */
  readonly rate: number;
  readonly seed: number;
  /** Number of instances, which are a cluster if there are several. */
  readonly instances: number;
  /** Whether clients vanish without a goodbye; the server takes up to 30 s to notice. */
  readonly vanish: boolean;
}

/** Soaks servers, and writes the findings to the report. */
export async function soak(options: SoakOptions, report: Report): Promise<void> {
  const soaked = await startAllSoaked(options.instances);
  const { servers } = soaked;
  const watches = servers.map((server) => new Watch(server, report));
  const reference = new ReferenceCall(report);
  const state = new SoakState(servers, report, prng(options.seed), options.vanish);
  try {
    await reference.open(servers.map(({ url }) => url));
    await rounds(options, state, watches, reference);
    for (const watch of watches) watch.referenceStays = false;
    await reference.close();
    for (const watch of watches) await watch.settled(0, 0, Number.POSITIVE_INFINITY);
    for (const watch of watches) await watch.emptied();
    for (const watch of watches) await watch.balance();
    await soaked.emptied(report);
  } finally {
    const { heard, longestPause } = reference;
    state.kill();
    reference.kill();
    const cpu = watches.map(({ cpuPercent }) => cpuPercent.toFixed(0));
    await soaked.stop(report);
    report.tell(`reference: ${heard} packets, longest pause ${longestPause.toFixed(0)} ms`);
    report.tell(`done: ${report.summary('action ')}`);
    report.tell(`websockets closed: ${report.summary('closed ')}`);
    for (const [i, { highestRssMib }] of watches.entries()) {
      report.tell(`server: ${cpu[i]} % of a core, ${highestRssMib.toFixed(1)} MiB at most`);
    }
  }
}

async function rounds(
  options: SoakOptions,
  state: SoakState,
  watches: readonly Watch[],
  reference: ReferenceCall,
): Promise<void> {
  const { report } = state;
  const churnMs = options.seconds * 1000;
  for (const watch of watches) report.tell(`before: ${describe(await watch.figures())}`);
  let first: readonly Figures[] | null = null;
  for (let round = 0; round < options.rounds; round++) {
    await Promise.all([churn(options, state, churnMs), attend(state, watches, reference, churnMs)]);
    const settling: Promise<Figures[]> = Promise.all(
      watches.map((watch, i) => watch.settled(2, 1, first?.[i]?.descriptors ?? Number.POSITIVE_INFINITY)),
    );
    await attend(state, watches, reference, settling);
    const figures = await settling;
    for (const [i, watch] of watches.entries()) {
      if (first !== null) watch.compare(first[i]!, figures[i]!);
      report.tell(`round ${round + 1} settled: ${describe(figures[i]!)}`);
    }
    first ??= figures;
  }
}

/** Checks the servers and the reference call every second, for a time in milliseconds or until a promise settles. */
async function attend(
  state: SoakState,
  watches: readonly Watch[],
  reference: ReferenceCall,
  until: number | Promise<unknown>,
): Promise<void> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  (typeof until === 'number' ? delay(until) : until).then(end, end);
  for (let looks = 1; !over; looks++) {
    await delay(LOOK_INTERVAL_MS);
    for (const watch of watches) await watch.look();
    await reference.listen();
    if (looks % CURVE_EVERY !== 0) continue;
    for (const watch of watches) state.report.tell(`under way: ${describe(await watch.figures())}`);
  }
}

/** Starts actions at an even rate, and lets all clients hang up afterwards. */
async function churn(options: SoakOptions, state: SoakState, ms: number): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const begun = performance.now();
  for (let due = 0; performance.now() - begun < ms; due++) {
    const doing = perform(choose(options, state), state);
    underWay.add(doing);
    doing.then(() => underWay.delete(doing));
    const wait = begun + ((due + 1) * 1000) / options.rate - performance.now();
    await delay(Math.max(1, wait));
  }
  await Promise.all(underWay);
  await state.empty();
}

/** Chooses an action at random; above the wanted number of clients, one hangs up instead of another connecting. */
function choose({ clients, vanish }: SoakOptions, state: SoakState): WeightedAction {
  const actions = vanish ? ACTIONS : ACTIONS.filter(({ name }) => name !== 'kill');
  let at = state.below(actions.reduce((sum, { weight }) => sum + weight, 0));
  const chosen = actions.find(({ weight }) => {
    at -= weight;
    return at < 0;
  })!;
  const crowded = chosen.name === 'connect' && state.clients.length >= clients;
  return crowded ? actions.find(({ name }) => name === 'hang up')! : chosen;
}

async function perform({ name, act }: WeightedAction, state: SoakState): Promise<void> {
  state.report.count(`action ${name} `);
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ACTION_TIMEOUT_MS / 1000} s`)), ACTION_TIMEOUT_MS);
  });
  try {
    await Promise.race([act(state), deadline]);
  } catch (error) {
    // An action fails where the client's process is killed meanwhile.
    if (!String(error).includes('the client process ended')) state.report.violated(`${name}: ${error}`);
  } finally {
    clearTimeout(timer);
  }
}
