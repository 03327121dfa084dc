/** The course of a soak: rounds of churn, each of which ends with all clients gone. */
import { setTimeout as delay } from 'node:timers/promises';
import { prng } from '../support/prng.ts';
import { freeUdpPort, type RunningServer, startServer } from '../support/server.ts';
import { ACTIONS, type WeightedAction } from './actions.ts';
import { describe, type Figures, Watch } from './figures.ts';
import { ReferenceCall } from './reference-call.ts';
import type { Report } from './report.ts';
import { SoakState } from './state.ts';

/** Time limit of each action, milliseconds: all time-outs of the server are shorter. */
const ACTION_TIMEOUT_MS = 60_000;
const LOOK_INTERVAL_MS = 1000;
/** The report gets a point of the curve after this many looks. */
const CURVE_EVERY = 60;

const START_ATTEMPTS = 3;

const ENVIRONMENT = {
  NODE_ENV: 'production',
  NODE_OPTIONS: '--max-semi-space-size=1 --max-old-space-size=40',
  WORKERS: '2',
  EVENTS_INTERVAL_MS: '100',
  OFFER_TIMEOUT_MS: '2000',
  CONNECT_TIMEOUT_MS: '10000',
  MEMBERSHIP_TIMEOUT_MS: '3000',
  STATS_INTERVAL_MS: '1000',
  // A machine that is busy with other work for a second must not leave a hole in the reference call.
  MAX_DELAY_MS: '60000',
};

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
  /** Whether clients vanish without a goodbye; the server takes up to 30 s to notice. */
  readonly vanish: boolean;
}

/**
 * Starts a server as in production, except for short time-outs and a small heap: V8 lets dozens of MiB of garbage
 * gather, in which a leak would hide for hours, and only 11 MiB are in use.
 */
export async function startSoaked(): Promise<RunningServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startServer({ ...ENVIRONMENT, MEDIA_PORTS: `${await freeUdpPort()},${await freeUdpPort()}` });
    } catch (error) {
      // Another process may have taken the port since it was found free.
      if (attempt === START_ATTEMPTS || !String(error).includes('EADDRINUSE')) throw error;
    }
  }
}

/** Soaks a server, and writes the findings to the report. */
export async function soak(options: SoakOptions, report: Report): Promise<void> {
  const server = await startSoaked();
  const watch = new Watch(server, report);
  const reference = new ReferenceCall(report);
  const state = new SoakState(server, report, prng(options.seed), options.vanish);
  try {
    await reference.open(server.url);
    await rounds(options, state, watch, reference);
    watch.referenceStays = false;
    await reference.close();
    await watch.settled(0, 0, Number.POSITIVE_INFINITY);
    await watch.emptied();
    await watch.balance();
  } finally {
    const { heard, longestPause } = reference;
    state.kill();
    reference.kill();
    const cpu = watch.cpuPercent.toFixed(0);
    const code = await server.stop();
    if (code !== 0) report.violated(`the server ended with ${code}`);
    report.tell(`reference: ${heard} packets, longest pause ${longestPause.toFixed(0)} ms`);
    report.tell(`done: ${report.summary('action ')}`);
    report.tell(`websockets closed: ${report.summary('closed ')}`);
    report.tell(`server: ${cpu} % of a core, ${watch.highestRssMib.toFixed(1)} MiB at most`);
  }
}

async function rounds(options: SoakOptions, state: SoakState, watch: Watch, reference: ReferenceCall): Promise<void> {
  const { report } = state;
  const churnMs = options.seconds * 1000;
  report.tell(`before: ${describe(await watch.figures())}`);
  let first: Figures | null = null;
  for (let round = 0; round < options.rounds; round++) {
    await Promise.all([churn(options, state, churnMs), attend(state, watch, reference, churnMs)]);
    const allowed = first === null ? Number.POSITIVE_INFINITY : first.descriptors;
    const settling = watch.settled(2, 1, allowed);
    await attend(state, watch, reference, settling);
    const figures = await settling;
    if (first !== null) watch.compare(first, figures);
    first ??= figures;
    report.tell(`round ${round + 1} settled: ${describe(figures)}`);
  }
}

/** Checks the server and the reference call every second, for a time in milliseconds or until a promise settles. */
async function attend(
  state: SoakState,
  watch: Watch,
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
    await watch.look();
    await reference.listen();
    if (looks % CURVE_EVERY === 0) state.report.tell(`under way: ${describe(await watch.figures())}`);
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
