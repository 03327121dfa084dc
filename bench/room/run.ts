/** Measures one room: starts a server process and its clients, and collects their figures and the kernel's. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freeUdpPort } from '../../test/support/server.ts';
import { ClientGroup, MAX_CLIENTS } from './client-group.ts';
import { type CpuTime, cpuByThread, cpuOf, cpuSeconds, idleSeconds, udpDrops } from './process.ts';
import type { GroupOptions, GroupReport, Sample } from './protocol.ts';
import type { RoomResult } from './report.ts';
import { startStagePermissions } from './stage.ts';

const WARM_UP_SAMPLES = 3;
const MEDIA_PORTS = 4;
const JOIN_INTERVAL_MS = 50;
const JOIN_PROBES = 60;
/** How speakers are named. */
const SPEAKER = 'speaker';
const CLIENT_PORTS: readonly [number, number] = [30_000, 39_999];

export interface RoomSetup {
  readonly speakers: number;
  /** People with an open microphone who say nothing. */
  readonly microphones: number;
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

interface Moment {
  readonly at: number;
  readonly cpu: CpuTime;
  readonly threads: Map<string, number>;
  readonly sample: Sample;
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
  const server = await ServerProcess.start(kind, setup);
  const groups: ClientGroup[] = [];
  const open = async (options: Omit<GroupOptions, 'url' | 'room'>): Promise<ClientGroup> => {
    const group = new ClientGroup();
    groups.push(group);
    await group.open({ ...options, url: server.url, room: 'bench' });
    return group;
  };
  try {
    const { slots, speakers, listeners, measured } = setup;
    const ports = CLIENT_PORTS;
    say('connecting the measured listeners');
    const live = await open({ name: 'live', count: measured, slots, publishes: audience, measured: true, ports });
    for (let rest = listeners - measured, i = 0; rest > 0; rest -= MAX_CLIENTS, i++) {
      say(`connecting ${rest} more listeners`);
      const count = Math.min(rest, MAX_CLIENTS);
      await open({
        name: `other${i}`,
        count,
        slots,
        publishes: audience,
        measured: false,
        ports: setup.sinkPorts ?? ports,
      });
    }
    if (setup.microphones > 0) {
      say('connecting silent microphones');
      const [count, silent] = [setup.microphones, true];
      const silentOnes = await open({
        name: 'silent',
        count,
        slots: 0,
        publishes: true,
        silent,
        measured: false,
        ports,
      });
      await silentOnes.talk(0, 0, silent);
    }
    say('connecting the speakers');
    const voices = await open({ name: SPEAKER, count: speakers, slots: 0, publishes: true, measured: false, ports });
    if (kind === 'floor') await fetch(`${server.url}/send`);
    else await voices.talk(setup.payloadBytes, setup.intervalMs, false);
    say('warming up');
    for (let i = 0; i < WARM_UP_SAMPLES; i++) await server.nextSample();
    const samples: Sample[] = [];
    const first = await server.moment();
    for (const group of groups) group.tell({ type: 'reset' });
    const before = {
      groups: groups.map((group) => cpuSeconds(group.pid)),
      drops: udpDrops(...ports),
      idle: idleSeconds(),
      at: performance.now(),
    };
    let last = first;
    for (let second = 1; second <= setup.seconds; second++) {
      last = await server.moment();
      samples.push(last.sample);
      say(`${second} of ${setup.seconds} s, ${Math.round((last.sample.sent - first.sample.sent) / second)} packets/s`);
    }
    const reports = await Promise.all([live.report(), voices.report()]);
    const seconds = (last.at - first.at) / 1000;
    const elapsed = (performance.now() - before.at) / 1000;
    const clientSeconds = groups.map((group, i) => cpuSeconds(group.pid) - before.groups[i]!);
    const idle = (idleSeconds() - before.idle) / elapsed;
    const clientKernelDrops = udpDrops(...ports) - before.drops;
    if (isServer(kind)) say('POST /join under load');
    const joinMs = isServer(kind) ? await probeJoins(server.url) : { p50: 0, p99: 0 };
    process.stderr.write('\r\x1b[K');
    return {
      kind,
      ...figures(setup, first, last, samples, reports[0]),
      joinMs,
      packetsInPerSecond: reports[1].sent / seconds,
      clientLoopP99Ms: Math.max(...reports.map(({ loopP99Ms }) => loopP99Ms)),
      clientKernelDrops,
      cores: {
        server: (last.cpu.user + last.cpu.system - first.cpu.user - first.cpu.system) / seconds,
        clients: clientSeconds.reduce((sum, one) => sum + one, 0) / elapsed,
        busiestClient: Math.max(...clientSeconds) / elapsed,
        idle,
      },
    };
  } finally {
    for (const group of groups) group.end();
    await server.end();
  }
}

function isServer(kind: RoomResult['kind']): boolean {
  return kind === 'server' || kind === 'stage';
}

function figures(setup: RoomSetup, first: Moment, last: Moment, samples: readonly Sample[], live: GroupReport) {
  const seconds = (last.at - first.at) / 1000;
  const sent = last.sample.sent - first.sample.sent;
  const micros = (from: number, to: number): number => ((to - from) * 1e6) / sent;
  const threads = [...last.threads]
    .map(([name, cpu]) => ({ name, micros: micros(first.threads.get(name) ?? 0, cpu) }))
    .filter((thread) => thread.micros > 0.01)
    .sort((a, b) => b.micros - a.micros);
  const percentile = (p: number): number => live.latencies[Math.floor((live.latencies.length - 1) * p)] ?? 0;
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
  return {
    packetsOutPerSecond: sent / seconds,
    expectedPerSecond: (Math.min(setup.speakers, setup.slots) * setup.listeners * 1000) / setup.intervalMs,
    dropped: last.sample.dropped - first.sample.dropped,
    loss: live.lost / Math.max(1, live.received + live.lost),
    cpu: {
      total: micros(first.cpu.user + first.cpu.system, last.cpu.user + last.cpu.system),
      user: micros(first.cpu.user, last.cpu.user),
      system: micros(first.cpu.system, last.cpu.system),
      threads,
    },
    latencyMs: { p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99), samples: live.latencies.length },
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

/** The measured process, which reports a sample every second. */
class ServerProcess {
  url = '';
  private readonly child: ChildProcess;
  private waiting: ((sample: Sample) => void)[] = [];

  private constructor(child: ChildProcess) {
    this.child = child;
  }

  static async start(kind: RoomResult['kind'], setup: RoomSetup): Promise<ServerProcess> {
    const ports: number[] = [];
    for (let i = 0; i < MEDIA_PORTS; i++) ports.push(await freeUdpPort());
    const script = isServer(kind) ? '../../src/main/main.js' : './floor.js';
    const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url))], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        LISTEN: '127.0.0.1:0',
        ADMIN_LISTEN: '',
        DRAIN_TIMEOUT_MS: '0',
        MEDIA_BIND: '127.0.0.1',
        MEDIA_PORTS: ports.join(','),
        STATS_INTERVAL_MS: '1000',
        MAX_CONNECTIONS: '4000',
        MAX_SLOTS: '64',
        MAX_MEDIA_LINES: '80',
        FLOOR_KIND: kind,
        FLOOR_VOICES: String(setup.speakers),
        FLOOR_PAYLOAD_BYTES: String(setup.payloadBytes),
        FLOOR_INTERVAL_MS: String(setup.intervalMs),
        ...setup.env,
      },
    });
    const server = new ServerProcess(child);
    process.on('exit', () => child.kill('SIGKILL'));
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the ${kind} ended with ${code}`)));
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const message = JSON.parse(line);
        if (message.msg === 'listening') {
          server.url = `http://127.0.0.1:${message.port}`;
          resolve();
        } else if (message.msg === 'stats') server.take(sampleOf(message));
        else if (message.msg === 'sample') server.take(message);
      });
    });
    child.removeAllListeners('exit');
    return server;
  }

  nextSample(): Promise<Sample> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Waits for the next sample. @returns it, with the CPU time at that moment. */
  async moment(): Promise<Moment> {
    const sample = await this.nextSample();
    return { sample, at: performance.now(), cpu: cpuOf(this.child.pid!), threads: cpuByThread(this.child.pid!) };
  }

  end(): Promise<void> {
    return new Promise((resolve) => {
      this.child.once('exit', () => resolve());
      this.child.kill('SIGTERM');
    });
  }

  private take(sample: Sample): void {
    for (const resolve of this.waiting.splice(0)) resolve(sample);
  }
}

interface ShardStats {
  sent: number;
  failed: number;
  late: number;
  ingressDropped: number;
  drops: Record<string, number>;
  forwardUs: Sample['forwardUs'];
  highestFill: Sample['fill'];
}

function sampleOf(stats: { rss: number; loop: { p99Ms: number; busy: number }; shards: ShardStats[] }): Sample {
  const sum = (of: (shard: ShardStats) => number): number =>
    stats.shards.reduce((total, shard) => total + of(shard), 0);
  const most = (of: (shard: ShardStats) => number): number => Math.max(...stats.shards.map(of));
  return {
    sent: sum(({ sent }) => sent),
    dropped: sum(
      ({ failed, late, ingressDropped, drops }) => failed + late + ingressDropped + (drops['EgressFull'] ?? 0),
    ),
    rss: stats.rss,
    loopP99Ms: stats.loop.p99Ms,
    loopBusy: stats.loop.busy,
    forwardUs: {
      p50: most(({ forwardUs }) => forwardUs.p50),
      p95: most(({ forwardUs }) => forwardUs.p95),
      p99: most(({ forwardUs }) => forwardUs.p99),
    },
    fill: {
      ingress: most(({ highestFill }) => highestFill.ingress),
      egress: most(({ highestFill }) => highestFill.egress),
    },
  };
}
