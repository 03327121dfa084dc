/** Measures moves beside two who talk: the server in one process, the two in another, the receiver in a third. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { ClientHost, type TestClient } from '../../test/support/client.ts';
import { type Listened, Listening } from '../../test/support/listening.ts';
import { type Scrape, scrape } from '../../test/support/metrics.ts';
import { claimHeader, type RunningServer, startServer } from '../../test/support/server.ts';
import { pause, until } from '../../test/support/waiting.ts';
import { cpuByThread } from '../room/process.ts';

const RECEIVER = fileURLToPath(new URL('./receiver.js', import.meta.url));
const SECRET = 'a-secret-for-the-benchmark';
/** How often moves are asked for, milliseconds. */
const TICK_MS = 10;
const SOCKETS = 64;
/** For how long people move before anything is measured, milliseconds: until V8 has compiled what runs. */
const WARM_UP_MS = 4000;

export interface MovesSetup {
  /** Moves a second. */
  readonly rate: number;
  readonly seconds: number;
  readonly users: number;
  readonly rooms: number;
}

export interface MovesResult {
  /** What the two who talk heard of each other. */
  readonly heard: Listened;
  /** Moves a second that were answered with 200. */
  readonly movesPerSecond: number;
  /** Milliseconds of a move, as the client sees it. */
  readonly p50: number;
  readonly p99: number;
  /** Of the server's main thread, milliseconds for each move. */
  readonly mainEach: number;
  readonly allEach: number;
  /** Null without webhooks. */
  readonly webhooks: WebhookFigures | null;
}

interface WebhookFigures {
  /** Events that the receiver accepted while people moved, and a second. */
  readonly accepted: number;
  readonly perSecond: number;
  readonly perRequest: number;
  /** From the event to its acceptance, milliseconds: at most so much for this share of them. */
  readonly delay50: number;
  readonly delay99: number;
  readonly lost: number;
}

export async function runMoves(setup: MovesSetup, webhooks: boolean): Promise<MovesResult> {
  const receiver = fork(RECEIVER);
  const [{ port }] = (await once(receiver, 'message')) as [{ port: number }];
  const env = webhooks ? { WEBHOOK_URL: `http://127.0.0.1:${port}/`, WEBHOOK_SECRET: SECRET } : {};
  const server = await startServer({ MAX_JOINS_PER_SECOND: '1000', KEEP_ALIVE_TIMEOUT_MS: '600000', ...env });
  const host = new ClientHost();
  try {
    return await measure(setup, server, host, webhooks ? receiver : null);
  } finally {
    host.kill();
    receiver.kill();
    server.process.kill('SIGKILL');
    await server.exited;
  }
}

async function measure(
  setup: MovesSetup,
  server: RunningServer,
  host: ClientHost,
  receiver: ChildProcess | null,
): Promise<MovesResult> {
  const moves = new Moves(server.url, setup);
  await moves.settle();
  const pair: TestClient[] = [];
  for (const name of ['ann', 'bob']) {
    pair.push(await host.connect(server.url, name, { levelId: 1 }));
    await moves.join(name, 'attic');
  }
  for (const client of pair) await client.talk();
  await moves.during(WARM_UP_MS);
  await pause(1000);
  const pid = server.process.pid!;
  const before = { cpu: cpuByThread(pid), seen: await scrape(server.adminUrl), told: await countsOf(receiver) };
  moves.times.length = 0;
  let accepted = 0;
  let told = before.told;
  const heard = await new Listening(pair as [TestClient, TestClient]).during(async () => {
    await moves.during(setup.seconds * 1000);
    told = await countsOf(receiver);
    accepted = told.events - before.told.events;
  });
  const seconds = setup.seconds;
  const cpu = cpuByThread(pid);
  const spent = (names: Iterable<string>): number => {
    let sum = 0;
    for (const name of names) sum += (cpu.get(name) ?? 0) - (before.cpu.get(name) ?? 0);
    return (sum / moves.times.length) * 1000;
  };
  const times = moves.times.toSorted((a, b) => a - b);
  const at = (share: number): number => times[Math.floor((times.length - 1) * share)] ?? Number.NaN;
  const result = {
    heard,
    movesPerSecond: times.length / seconds,
    p50: at(0.5),
    p99: at(0.99),
  };
  const each = { mainEach: spent(['main']), allEach: spent(cpu.keys()) };
  if (receiver === null) return { ...result, ...each, webhooks: null };
  const queued = async (): Promise<boolean> => (await scrape(server.adminUrl)).value('sfu_webhook_events_queued') === 0;
  await until('everything is delivered', queued);
  const seen = await scrape(server.adminUrl);
  const lost = ['failed', 'dropped'].reduce(
    (sum, outcome) => sum + (seen.value('sfu_webhook_events_total', { outcome }) ?? 0),
    0,
  );
  const perRequest = accepted / (told.requests - before.told.requests);
  const delays = { delay50: delay(before.seen, seen, 0.5), delay99: delay(before.seen, seen, 0.99) };
  return { ...result, ...each, webhooks: { accepted, perSecond: accepted / seconds, perRequest, ...delays, lost } };
}

/** Returns the bound of the histogram within which a share of the deliveries were, milliseconds. */
function delay(before: Scrape, after: Scrape, share: number): number {
  const bounds = [...after.text.matchAll(/^sfu_webhook_delivery_seconds_bucket\{le="([\d.]+)"\}/gm)].map(
    ([, le]) => le!,
  );
  const name = 'sfu_webhook_delivery_seconds';
  const grown = (suffix: string, labels?: Record<string, string>): number =>
    (after.value(`${name}_${suffix}`, labels) ?? 0) - (before.value(`${name}_${suffix}`, labels) ?? 0);
  const all = grown('count');
  const bound = bounds.find((le) => grown('bucket', { le }) >= share * all);
  return Number(bound ?? Number.POSITIVE_INFINITY) * 1000;
}

async function countsOf(receiver: ChildProcess | null): Promise<{ events: number; requests: number }> {
  if (receiver === null) return { events: 0, requests: 0 };
  receiver.send('counts');
  const [counts] = (await once(receiver, 'message')) as [{ events: number; requests: number }];
  return counts;
}

/** People who move all the time. Somebody stays in each conversation, so each move is one event. */
class Moves {
  /** How long each one took, milliseconds. */
  readonly times: number[] = [];
  private readonly agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
  private readonly url: string;
  private readonly setup: MovesSetup;
  private next = 0;

  constructor(url: string, setup: MovesSetup) {
    this.url = url;
    this.setup = setup;
  }

  /** Puts somebody into each conversation. */
  async settle(): Promise<void> {
    for (let room = 0; room < this.setup.rooms; room++) await this.join(`host-${room}`, `room-${room}`);
  }

  /** Lets people move, at an even rate. */
  async during(milliseconds: number): Promise<void> {
    const { rate, users, rooms } = this.setup;
    const begun = performance.now();
    const underWay = new Set<Promise<void>>();
    for (let asked = 0; performance.now() - begun < milliseconds; await pause(TICK_MS)) {
      const due = ((performance.now() - begun) / 1000) * rate;
      for (; asked < due; asked++) {
        const move = this.next++;
        const since = performance.now();
        const room = (move % users) + Math.floor(move / users);
        const done = this.join(`user-${move % users}`, `room-${room % rooms}`).then(() => {
          this.times.push(performance.now() - since);
          underWay.delete(done);
        });
        underWay.add(done);
      }
    }
    await Promise.all(underWay);
  }

  join(userid: string, room: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const headers = claimHeader(userid);
      request(`${this.url}/join/${room}`, { method: 'POST', agent: this.agent, headers }, (response) => {
        response.resume().once('end', () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`a join got ${response.statusCode}`));
        });
      })
        .once('error', reject)
        .end();
    });
  }
}

export function printMoves({ rate, users, rooms }: MovesSetup, without: MovesResult, withThem: MovesResult): void {
  console.log(`${users} people make ${rate} moves a second between ${rooms} conversations, beside two who talk`);
  console.log(`${''.padEnd(52)}${'without'.padStart(16)}${'with webhooks'.padStart(16)}`);
  const row = (what: string, of: (result: MovesResult) => string): void =>
    console.log(what.padEnd(52) + of(without).padStart(16) + of(withThem).padStart(16));
  row('moves a second', ({ movesPerSecond }) => movesPerSecond.toFixed(0));
  row('events accepted a second', ({ webhooks }) => webhooks?.perSecond.toFixed(0) ?? '');
  row('events lost', ({ webhooks }) => String(webhooks?.lost ?? ''));
  row('events in a request', ({ webhooks }) => webhooks?.perRequest.toFixed(1) ?? '');
  row('from event to acceptance, ms, p50; p99 at most', ({ webhooks }) =>
    webhooks === null ? '' : `${webhooks.delay50}; ${webhooks.delay99}`,
  );
  row('packets that the two lost, of all', ({ heard: { lost, received } }) => `${lost} of ${lost + received}`);
  row('longest gap of the two, ms', ({ heard }) => heard.longestGap.toFixed(0));
  row('a move, ms, p50; p99', ({ p50, p99 }) => `${p50.toFixed(1)}; ${p99.toFixed(1)}`);
  row('CPU of a move, ms: main; all', ({ mainEach, allEach }) => `${mainEach.toFixed(2)}; ${allEach.toFixed(2)}`);
}
