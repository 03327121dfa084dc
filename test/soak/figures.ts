/** What a server holds, as seen from outside: `/proc`, the operators' listener and the log. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuOf } from '../../bench/room/process.ts';
import type { RunningServer } from '../support/server.ts';
import type { Report } from './report.ts';

/** Longest wait until the server notices vanished clients (ICE consent, 30 s) and memberships end, milliseconds. */
const SETTLE_TIMEOUT_MS = 60_000;
const ERROR_LEVEL = 50;
/** Growth of the memory that is no leak, for heaps grow in steps. */
const RSS_SHARE = 1.15;
const RSS_MIB = 16;

const EMPTY_TIMEOUT_MS = 10_000;
/** Gauges of `/metrics` that are 0 without clients. */
const HELD =
  /^sfu_(?:connections|event_channels|users|conversations|conversations_active|participants|publishers|slots|worker_load)[ {]/;

export interface Figures {
  readonly rssMib: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly connections: number;
  readonly users: number;
  readonly conversations: number;
}

/** The members of a `stats` line that are checked here. */
interface Stats {
  readonly shards: readonly {
    readonly packetsIn: number;
    readonly packetsOut: number;
    readonly silence: number;
    readonly sent: number;
    readonly stale: number;
    readonly failed: number;
    readonly late: number;
    readonly ingressDropped: number;
    readonly corrupt: number;
    readonly drops: Readonly<Record<string, number>>;
  }[];
}

/** Sends a request on a socket of its own. @returns status and body. */
export function call(method: string, url: string, headers: Record<string, string> = {}): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text) => {
        body += text;
      });
      response.once('end', () => resolve([response.statusCode!, body]));
      response.once('error', reject);
    });
    sent.once('error', reject);
    sent.end();
  });
}

/** Observes one server. */
export class Watch {
  private readonly server: RunningServer;
  private readonly report: Report;
  private lastStats = '';
  private readonly cpuBefore: number;
  private readonly begun = performance.now();
  highestRssMib = 0;
  /** Whether an end of the reference call's connections is a violation. */
  referenceStays = true;

  constructor(server: RunningServer, report: Report) {
    this.server = server;
    this.report = report;
    this.cpuBefore = this.cpuSeconds();
  }

  /** CPU of the server since the beginning, % of a core. */
  get cpuPercent(): number {
    return ((this.cpuSeconds() - this.cpuBefore) * 100_000) / (performance.now() - this.begun);
  }

  /** Checks what the server has logged since the last call, that it runs, and that it is healthy. */
  async look(): Promise<void> {
    this.readLog();
    const { server, report } = this;
    if (server.process.exitCode !== null || server.process.signalCode !== null) {
      report.violated(`the server ended: ${server.process.exitCode ?? server.process.signalCode}`);
      throw new Error('there is no server any more');
    }
    this.highestRssMib = Math.max(this.highestRssMib, this.status('VmRSS') / 1024);
    const [status, body] = await call('GET', `${server.adminUrl}/healthz`);
    if (status !== 200) report.violated(`/healthz ${status}: ${body.trim()}`);
  }

  async figures(): Promise<Figures> {
    const { server } = this;
    const [, ready] = await call('GET', `${server.adminUrl}/readyz`);
    const [, all] = await call('GET', `${server.adminUrl}/conversations`);
    const { connections, users }: { connections: number; users: number } = JSON.parse(ready);
    return {
      rssMib: this.status('VmRSS') / 1024,
      descriptors: readdirSync(`/proc/${server.process.pid}/fd`).length,
      threads: this.status('Threads'),
      connections,
      users,
      conversations: (JSON.parse(all) as { total: number }).total,
    };
  }

  /** Waits until the server holds no more than this; what it still holds after the time-out is a violation. */
  async settled(connections: number, conversations: number, descriptors: number): Promise<Figures> {
    const begun = performance.now();
    const held = (figures: Figures): boolean =>
      figures.connections > connections ||
      figures.users > connections ||
      figures.conversations > conversations ||
      figures.descriptors > descriptors;
    let figures = await this.figures();
    while (held(figures) && performance.now() - begun < SETTLE_TIMEOUT_MS) {
      await delay(500);
      figures = await this.figures();
    }
    if (held(figures)) this.report.violated(`still held after ${SETTLE_TIMEOUT_MS / 1000} s: ${describe(figures)}`);
    return figures;
  }

  /** Waits until the gauges of what the server holds are 0, without clients; other values are a violation. */
  async emptied(): Promise<void> {
    const begun = performance.now();
    for (;;) {
      const [, metrics] = await call('GET', `${this.server.adminUrl}/metrics`);
      const held = metrics.split('\n').filter((line) => HELD.test(line));
      const left = held.filter((line) => !line.endsWith(' 0'));
      if (held.length > 0 && left.length === 0) return;
      if (performance.now() - begun > EMPTY_TIMEOUT_MS) {
        return this.report.violated(`/metrics with nobody there: ${left.join('; ') || 'none of the gauges'}`);
      }
      await delay(500);
    }
  }

  /** Compares the figures with those of an earlier settled state. */
  compare(before: Figures, after: Figures): void {
    const { report } = this;
    if (after.threads > before.threads) report.violated(`threads: ${before.threads}, then ${after.threads}`);
    if (after.rssMib > Math.max(before.rssMib * RSS_SHARE, before.rssMib + RSS_MIB)) {
      report.violated(`resident memory: ${before.rssMib.toFixed(1)}, then ${after.rssMib.toFixed(1)} MiB`);
    }
  }

  /** Waits for the next `stats` line, and checks that the counts of packets balance. */
  async balance(): Promise<void> {
    const before = this.lastStats;
    while (this.lastStats === before) {
      await delay(100);
      this.readLog();
    }
    const { shards }: Stats = JSON.parse(this.lastStats);
    shards.forEach((shard, worker) => {
      const { packetsOut, silence, sent, stale, failed, late } = shard;
      const taken = sent + stale + failed + late;
      const of = `worker ${worker}`;
      if (taken !== packetsOut + silence) {
        this.report.violated(`${of}: ${packetsOut} packets and ${silence} of silence out, but ${taken} taken`);
      }
      if (shard.corrupt > 0) this.report.violated(`${of}: ${shard.corrupt} corrupt records in its rings`);
      if (shard.ingressDropped > 0) this.report.violated(`${of}: ${shard.ingressDropped} packets refused by its ring`);
      if (shard.drops['EgressFull']! > 0)
        this.report.violated(`${of}: ${shard.drops['EgressFull']} packets without room`);
      const drops = Object.entries(shard.drops).filter(([, count]) => count > 0);
      const dropped = drops.map(([name, count]) => `${name} ${count}`).join(', ');
      const ways = `${sent} sent, ${late} late, ${stale} stale, ${failed} failed`;
      this.report.tell(
        `${of}: ${shard.packetsIn} packets in, ${packetsOut} out; ${ways}; dropped: ${dropped || 'none'}`,
      );
    });
  }

  private readLog(): void {
    for (const line of this.server.logs.splice(0)) {
      if (line.includes('"msg":"stats"')) this.lastStats = line;
      else if (
        isError(line) ||
        (line.includes('"reference-') && line.includes('"reason":"gone"') && this.referenceStays)
      ) {
        this.report.violated(`log: ${line}`);
      }
    }
  }

  private status(field: string): number {
    const text = readFileSync(`/proc/${this.server.process.pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)![1]);
  }

  private cpuSeconds(): number {
    const { user, system } = cpuOf(this.server.process.pid!);
    return user + system;
  }
}

export function describe(figures: Figures): string {
  const { rssMib, descriptors, threads, connections, users, conversations } = figures;
  const registry = `${connections} connections, ${users} users, ${conversations} conversations`;
  return `${rssMib.toFixed(1)} MiB resident, ${descriptors} descriptors, ${threads} threads, ${registry}`;
}

/** Returns whether a line is an error. One that is no JSON comes from a library or a crash. */
function isError(line: string): boolean {
  try {
    return (JSON.parse(line) as { level: number }).level >= ERROR_LEVEL;
  } catch {
    return true;
  }
}
