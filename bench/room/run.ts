/** Measures one room: starts a server process and its clients, and collects their figures and the kernel's. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientGroup } from './client-group.ts';
import { CLIENT_PORTS, People, SPEAKER } from './people.ts';
import { cpuSeconds, idleSeconds, udpDrops } from './process.ts';
import type { GroupReport, Sample } from './protocol.ts';
import type { RoomResult } from './report.ts';
import type { Moment } from './server-process.ts';
import { FLOOR, SERVER, Servers } from './servers.ts';
import { startStagePermissions } from './stage.ts';

const WARM_UP_SAMPLES = 3;
const JOIN_INTERVAL_MS = 50;
const JOIN_PROBES = 60;

export interface RoomSetup {
  /** Number of rooms in which all speakers also listen to each other; 0 for one room of speakers and listeners. */
  readonly rooms: number;
  readonly speakers: number;
  /** People with an open microphone who say nothing. */
  readonly microphones: number;
  /** Whether these negotiate the audio level, as browsers do. */
  readonly levels: boolean;
  /** People in other rooms who are connected and do nothing. */
  readonly idle: number;
  /** Whether these have the data channel for events. */
  readonly events: boolean;
  /** How many instances serve the room. The people are spread over them evenly. */
  readonly instances: number;
  readonly listeners: number;
  readonly slots: number;
  readonly seconds: number;
  readonly payloadBytes: number;
  readonly intervalMs: number;
  /** Listeners whose packets are examined. */
  readonly measured: number;
  /** UDP ports of the other listeners if the kernel drops their packets; otherwise null. */
  readonly sinkPorts: readonly [number, number] | null;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Runs and measures one room.
 *
 * @param kind the real server, the real server with listeners who have microphones and may not speak, or one of the
 *   floors.
 */
export async function runRoom(kind: RoomResult['kind'], setup: RoomSetup): Promise<RoomResult> {
  if (kind !== 'stage') return measure(kind, setup, false);
  const permissions = await startStagePermissions(SPEAKER);
  try {
    return await measure(kind, { ...setup, env: { ...setup.env, PERMISSIONS_HOST: permissions.url } }, true);
  } finally {
    permissions.close();
  }
}

/** @param audience whether listeners offer a microphone, too. */
async function measure(kind: RoomResult['kind'], setup: RoomSetup, audience: boolean): Promise<RoomResult> {
  const say = (text: string): void => void process.stderr.write(`\r\x1b[K${kind}: ${text}`);
  say('starting');
  const servers = isServer(kind)
    ? await Servers.start(SERVER, setup.instances, setup.env)
    : await Servers.start(FLOOR, 1, { ...floorEnv(kind, setup), ...setup.env });
  const people = new People(setup, servers.urls, say);
  const { groups } = people;
  try {
    await people.connect(audience);
    if (kind === 'floor') await fetch(`${servers.urls[0]}/send`);
    else await people.talk();
    say('warming up');
    for (let i = 0; i < WARM_UP_SAMPLES; i++) await servers.moment();
    const samples: Sample[] = [];
    const first = await servers.moment();
    for (const group of groups) group.tell({ type: 'reset' });
    const before = {
      groups: groups.map((group) => cpuSeconds(group.pid)),
      drops: udpDrops(...CLIENT_PORTS),
      idle: idleSeconds(),
      at: performance.now(),
    };
    let last = first;
    for (let second = 1; second <= setup.seconds; second++) {
      last = await servers.moment();
      samples.push(last.sample);
      say(`${second} of ${setup.seconds} s, ${Math.round((last.sample.sent - first.sample.sent) / second)} packets/s`);
    }
    const reports = await Promise.all(groups.map((group) => group.report()));
    const of = (some: readonly ClientGroup[]): GroupReport[] => reports.filter((_, i) => some.includes(groups[i]!));
    const seconds = (last.at - first.at) / 1000;
    const elapsed = (performance.now() - before.at) / 1000;
    const clientSeconds = groups.map((group, i) => cpuSeconds(group.pid) - before.groups[i]!);
    const idle = (idleSeconds() - before.idle) / elapsed;
    const clientKernelDrops = udpDrops(...CLIENT_PORTS) - before.drops;
    if (isServer(kind)) say('POST /join under load');
    const joinMs = isServer(kind) ? await probeJoins(servers.urls[0]!) : { p50: 0, p99: 0 };
    process.stderr.write('\r\x1b[K');
    return {
      kind,
      ...figures(setup, first, last, samples, of(people.live)),
      joinMs,
      packetsInPerSecond: reports.reduce((sum, { sent }) => sum + sent, 0) / seconds,
      clientLoopP99Ms: Math.max(0, ...reports.map(({ loopP99Ms }) => loopP99Ms)),
      clientKernelDrops,
      cores: {
        server: (last.cpu.user + last.cpu.system - first.cpu.user - first.cpu.system) / seconds,
        clients: clientSeconds.reduce((sum, one) => sum + one, 0) / elapsed,
        busiestClient: Math.max(0, ...clientSeconds) / elapsed,
        idle,
      },
    };
  } finally {
    for (const group of groups) group.end();
    await servers.end();
  }
}

function floorEnv(kind: RoomResult['kind'], setup: RoomSetup): Record<string, string> {
  return {
    FLOOR_KIND: kind,
    FLOOR_VOICES: String(setup.speakers),
    FLOOR_ROOM: String(setup.rooms > 0 ? setup.speakers : 0),
    FLOOR_PAYLOAD_BYTES: String(setup.payloadBytes),
    FLOOR_INTERVAL_MS: String(setup.intervalMs),
  };
}

function isServer(kind: RoomResult['kind']): boolean {
  return kind === 'server' || kind === 'stage';
}

function figures(
  setup: RoomSetup,
  first: Moment,
  last: Moment,
  samples: readonly Sample[],
  live: readonly GroupReport[],
) {
  const seconds = (last.at - first.at) / 1000;
  const sent = last.sample.sent - first.sample.sent;
  const micros = (from: number, to: number): number => ((to - from) * 1e6) / sent;
  const threads = [...last.threads]
    .map(([name, cpu]) => ({ name, micros: micros(first.threads.get(name) ?? 0, cpu) }))
    .filter((thread) => thread.micros > 0.01)
    .sort((a, b) => b.micros - a.micros);
  const latencies = live.flatMap((report) => report.latencies).sort((a, b) => a - b);
  const percentile = (p: number): number => latencies[Math.floor((latencies.length - 1) * p)] ?? 0;
  const lost = live.reduce((total, one) => total + one.lost, 0);
  const received = live.reduce((total, one) => total + one.received, 0);
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
  return {
    packetsOutPerSecond: sent / seconds,
    expectedPerSecond: (voicesHeard(setup) * 1000) / setup.intervalMs,
    dropped: last.sample.dropped - first.sample.dropped,
    loss: lost / Math.max(1, received + lost),
    cpu: {
      total: micros(first.cpu.user + first.cpu.system, last.cpu.user + last.cpu.system),
      user: micros(first.cpu.user, last.cpu.user),
      system: micros(first.cpu.system, last.cpu.system),
      threads,
    },
    latencyMs: { p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99), samples: latencies.length },
    forwardUs: {
      p50: median(samples.map(({ forwardUs }) => forwardUs.p50)),
      p95: median(samples.map(({ forwardUs }) => forwardUs.p95)),
      p99: median(samples.map(({ forwardUs }) => forwardUs.p99)),
    },
    loopP99Ms: median(samples.map(({ loopP99Ms }) => loopP99Ms)),
    loopBusy: median(samples.map(({ loopBusy }) => loopBusy)),
    rssMiB: last.sample.rss / 2 ** 20,
    fill: last.sample.fill,
  };
}

/** Voices that all listeners together hear at a time. */
function voicesHeard({ rooms, speakers, slots, listeners }: RoomSetup): number {
  if (rooms === 0) return Math.min(speakers, slots) * listeners;
  return rooms * speakers * Math.min(speakers - 1, slots);
}

/** Measures `POST /join` under load. It runs after the measured time, because requests cost CPU as well. */
async function probeJoins(url: string): Promise<{ p50: number; p99: number }> {
  const headers = { 'X-User-Claim': JSON.stringify({ userid: 'bystander', clientid: 'bench' }) };
  const times: number[] = [];
  for (let i = 0; i < JOIN_PROBES; i++) {
    const begun = performance.now();
    await fetch(`${url}/join/elsewhere${i % 2}`, { method: 'POST', headers });
    times.push(performance.now() - begun);
    await delay(JOIN_INTERVAL_MS);
  }
  times.sort((a, b) => a - b);
  const at = (p: number): number => times[Math.floor((times.length - 1) * p)] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}
