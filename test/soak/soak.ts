/** The course of a soak: rounds of churn, each of which ends with everybody gone. */
import { setTimeout as delay } from 'node:timers/promises';
import { prng } from '../support/prng.ts';
import { freeUdpPort, type RunningServer, startServer } from '../support/server.ts';
import { DEEDS, type Deed } from './actions.ts';
import { Canaries } from './canaries.ts';
import { describe, type Figures, Watch } from './figures.ts';
import type { Report } from './report.ts';
import { World } from './world.ts';

/** Longest that anything may take, milliseconds: all timeouts of the server are shorter. */
const DEED_TIMEOUT_MS = 60_000;
const LOOK_INTERVAL_MS = 1000;
/** How often the curve has a point, looks. */
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
  // Where other work keeps the machine from this for a second, that is no hole in what the canaries hear.
  MAX_DELAY_MS: '60000',
};

export interface SoakOptions {
  /** The first one warms up, and is what the others are compared with. */
  readonly rounds: number;
  /** Churn of a round, seconds; then it takes up to half a minute until all who vanished are missed. */
  readonly seconds: number;
  /** Clients at a time, about. */
  readonly clients: number;
  /** Deeds a second. */
  readonly rate: number;
  readonly seed: number;
  /** Whether clients vanish without a goodbye, which takes the server up to 30 s to notice. */
  readonly vanish: boolean;
}

/**
 * Starts a server as in production, but with short timeouts. V8 lets garbage gather by the dozens of MiB, in which a leak
 * would hide for hours, so its heap is kept small: 11 MiB are in use.
 */
export async function startSoaked(): Promise<RunningServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startServer({ ...ENVIRONMENT, MEDIA_PORTS: `${await freeUdpPort()},${await freeUdpPort()}` });
    } catch (error) {
      // On a busy machine somebody may take a free port meanwhile.
      if (attempt === START_ATTEMPTS || !String(error).includes('EADDRINUSE')) throw error;
    }
  }
}

/** Soaks a server. What was found is in the report. */
export async function soak(options: SoakOptions, report: Report): Promise<void> {
  const server = await startSoaked();
  const watch = new Watch(server, report);
  const canaries = new Canaries(report);
  const world = new World(server, report, prng(options.seed), options.vanish);
  try {
    await canaries.open(server.url);
    await rounds(options, world, watch, canaries);
    watch.canariesStay = false;
    await canaries.close();
    await watch.settled(0, 0, Number.POSITIVE_INFINITY);
    await watch.emptied();
    await watch.balance();
  } finally {
    const { heard, longestPause } = canaries;
    world.kill();
    canaries.kill();
    const cpu = watch.cpuPercent.toFixed(0);
    const code = await server.stop();
    if (code !== 0) report.violated(`the server ended with ${code}`);
    report.tell(`canaries: ${heard} packets, longest pause ${longestPause.toFixed(0)} ms`);
    report.tell(`done: ${report.summary('deed ')}`);
    report.tell(`websockets closed: ${report.summary('closed ')}`);
    report.tell(`server: ${cpu} % of a core, ${watch.highestRssMib.toFixed(1)} MiB at most`);
  }
}

async function rounds(options: SoakOptions, world: World, watch: Watch, canaries: Canaries): Promise<void> {
  const { report } = world;
  const churnMs = options.seconds * 1000;
  report.tell(`before: ${describe(await watch.figures())}`);
  let first: Figures | null = null;
  for (let round = 0; round < options.rounds; round++) {
    await Promise.all([churn(options, world, churnMs), attend(world, watch, canaries, churnMs)]);
    const allowed = first === null ? Number.POSITIVE_INFINITY : first.descriptors;
    const settling = watch.settled(2, 1, allowed);
    await attend(world, watch, canaries, settling);
    const figures = await settling;
    if (first !== null) watch.compare(first, figures);
    first ??= figures;
    report.tell(`round ${round + 1} settled: ${describe(figures)}`);
  }
}

/** Looks at the server and listens with the canaries, for so long or until that. */
async function attend(world: World, watch: Watch, canaries: Canaries, until: number | Promise<unknown>): Promise<void> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  (typeof until === 'number' ? delay(until) : until).then(end, end);
  for (let looks = 1; !over; looks++) {
    await delay(LOOK_INTERVAL_MS);
    await watch.look();
    await canaries.listen();
    if (looks % CURVE_EVERY === 0) world.report.tell(`under way: ${describe(await watch.figures())}`);
  }
}

/** Has things done at an even rate, then everybody hang up. */
async function churn(options: SoakOptions, world: World, ms: number): Promise<void> {
  const underWay = new Set<Promise<void>>();
  const begun = performance.now();
  for (let due = 0; performance.now() - begun < ms; due++) {
    const doing = perform(choose(options, world), world);
    underWay.add(doing);
    doing.then(() => underWay.delete(doing));
    const wait = begun + ((due + 1) * 1000) / options.rate - performance.now();
    await delay(Math.max(1, wait));
  }
  await Promise.all(underWay);
  await world.empty();
}

/** A deed by chance; above the wanted number of clients somebody hangs up instead of connecting. */
function choose({ clients, vanish }: SoakOptions, world: World): Deed {
  const deeds = vanish ? DEEDS : DEEDS.filter(({ name }) => name !== 'kill');
  let at = world.below(deeds.reduce((sum, { weight }) => sum + weight, 0));
  const chosen = deeds.find(({ weight }) => {
    at -= weight;
    return at < 0;
  })!;
  const crowded = chosen.name === 'connect' && world.people.length >= clients;
  return crowded ? deeds.find(({ name }) => name === 'hang up')! : chosen;
}

async function perform({ name, act }: Deed, world: World): Promise<void> {
  world.report.count(`deed ${name} `);
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${DEED_TIMEOUT_MS / 1000} s`)), DEED_TIMEOUT_MS);
  });
  try {
    await Promise.race([act(world), deadline]);
  } catch (error) {
    // That of a client whose process was killed meanwhile.
    if (!String(error).includes('the client process ended')) world.report.violated(`${name}: ${error}`);
  } finally {
    clearTimeout(timer);
  }
}
