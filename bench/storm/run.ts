/** Measures one storm: the server in one process, the two who talk in another, those who connect in more. */
import { ClientHost, type TestClient } from '../../test/support/client.ts';
import { type Connected, Crowd } from '../../test/support/crowd.ts';
import { type Listened, Listening } from '../../test/support/listening.ts';
import { scrape } from '../../test/support/metrics.ts';
import { claimHeader, freeUdpPort, type RunningServer, startServer } from '../../test/support/server.ts';
import { pause } from '../../test/support/waiting.ts';
import { cpuByThread } from '../room/process.ts';
import { type JoinTimes, joinAll } from './joins.ts';

const MEDIA_PORTS = 4;
/** How often everybody joins, each time another conversation. */
const PASSES = 3;
/** How long the two are listened to before and after, milliseconds. */
const QUIET_MS = 4000;

export interface StormSetup {
  readonly clients: number;
  readonly slots: number;
  /** People in each conversation. */
  readonly room: number;
  /** Joins under way at a time. */
  readonly inFlight: number;
  readonly events: boolean;
  readonly joins: boolean;
  readonly env: Readonly<Record<string, string>>;
}

/** By name of the threads, milliseconds. */
type CpuEach = Readonly<Record<string, number>>;

export interface StormResult {
  /** What the two heard of each other: in peace, while the others connected, and while they joined. */
  readonly before: Listened;
  readonly storm: Listened;
  readonly joining: Listened | null;
  readonly connected: Connected;
  /** CPU time of the server's threads for each connection. */
  readonly cpuEach: CpuEach;
  /** Mean wait of an offer for its turn, milliseconds. */
  readonly meanWait: number;
  /** By pass: in each, everybody moves. In the first, the server's code is not compiled yet. */
  readonly joins: readonly JoinTimes[];
  /** CPU time of the server's threads for each join. */
  readonly cpuJoin: CpuEach;
}

export async function runStorm(setup: StormSetup): Promise<StormResult> {
  const say = (text: string): void => void process.stderr.write(`\r\x1b[K${text}`);
  say('starting');
  const server = await start(setup);
  const host = new ClientHost();
  let crowd: Crowd | undefined;
  try {
    const pair = await talkers(host, server);
    const listening = new Listening(pair);
    say(`preparing ${setup.clients} clients`);
    const { clients: count, slots, events: data, url } = { ...setup, url: server.url };
    crowd = await Crowd.prepare({ url, count, slots, data }, true);
    await listening.during(() => pause(QUIET_MS));
    say('in peace');
    const before = await listening.during(() => pause(QUIET_MS));
    say(`${setup.clients} clients connect`);
    const measure = cpuMeter(server.process.pid!, setup.clients);
    let connected: Connected | undefined;
    const storm = await listening.during(async () => {
      connected = await crowd!.connect();
    });
    const cpuEach = measure();
    const seen = await scrape(server.adminUrl);
    const meanWait = (seen.sum('sfu_offer_wait_seconds_sum') / seen.sum('sfu_offer_wait_seconds_count')) * 1000;
    const joins: JoinTimes[] = [];
    let joining: Listened | null = null;
    let cpuJoin: CpuEach = {};
    if (setup.joins) {
      await pause(QUIET_MS);
      say(`${setup.clients} clients join`);
      joining = await listening.during(async () => {
        const measureJoins = cpuMeter(server.process.pid!, PASSES * setup.clients);
        for (let pass = 0; pass < PASSES; pass++) {
          joins.push(await joinAll(server.url, { ...setup, pass }));
        }
        cpuJoin = measureJoins();
      });
    }
    process.stderr.write('\r\x1b[K');
    return { before, storm, joining, connected: connected!, cpuEach, meanWait, joins, cpuJoin };
  } finally {
    crowd?.kill();
    host.kill();
    server.process.kill('SIGKILL');
    await server.exited;
  }
}

/** Begins to measure the CPU time of a process. @returns what ends it, and returns the time divided by `among`. */
function cpuMeter(pid: number, among: number): () => CpuEach {
  const before = cpuByThread(pid);
  return () => {
    const each: Record<string, number> = {};
    for (const [name, seconds] of cpuByThread(pid)) each[name] = ((seconds - (before.get(name) ?? 0)) / among) * 1000;
    return each;
  };
}

async function start(setup: StormSetup): Promise<RunningServer> {
  const ports: number[] = [];
  for (let i = 0; i < MEDIA_PORTS; i++) ports.push(await freeUdpPort());
  return startServer({
    MEDIA_PORTS: ports.join(','),
    MAX_CONNECTIONS: String(setup.clients + 100),
    ...setup.env,
  });
}

/** Connects two people who talk and hear each other. */
async function talkers(host: ClientHost, server: RunningServer): Promise<[TestClient, TestClient]> {
  const pair: TestClient[] = [];
  for (const name of ['ann', 'bob']) {
    pair.push(await host.connect(server.url, name, { levelId: 1 }));
    await fetch(`${server.url}/join/attic`, { method: 'POST', headers: claimHeader(name) });
  }
  for (const client of pair) await client.talk();
  return pair as [TestClient, TestClient];
}
