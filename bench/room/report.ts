/** The room benchmark's result, and how it is printed. */
import type { RoomSetup } from './run.ts';

export interface RoomResult {
  /**
   * The real server; a bare loop that sends the same packets to the same number of peers (`floor`); or a server that
   * sends each speaker's packet to all of them from the callback that delivers it (`relay`).
   */
  readonly kind: 'server' | 'stage' | 'floor' | 'relay';
  readonly packetsInPerSecond: number;
  readonly packetsOutPerSecond: number;
  readonly expectedPerSecond: number;
  /** Packets that the server dropped in the measured time. */
  readonly dropped: number;
  /** Share of the measured listeners' packets that are missing. */
  readonly loss: number;
  /** CPU time of the server, microseconds per packet sent. */
  readonly cpu: {
    readonly total: number;
    readonly user: number;
    readonly system: number;
    readonly threads: readonly { readonly name: string; readonly micros: number }[];
  };
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly samples: number };
  readonly forwardUs: { readonly p50: number; readonly p95: number; readonly p99: number };
  /** Duration of `POST /join` as its client sees it. */
  readonly joinMs: { readonly p50: number; readonly p99: number };
  readonly loopP99Ms: number;
  readonly loopBusy: number;
  readonly rssMiB: number;
  readonly fill: { readonly ingress: number; readonly egress: number };
  readonly clientLoopP99Ms: number;
  readonly clientKernelDrops: number;
  /** CPU use, in cores. */
  readonly cores: {
    readonly server: number;
    readonly clients: number;
    readonly busiestClient: number;
    readonly idle: number;
  };
}

/** Prints the results side by side, the headline, and whether the clients were the bottleneck. */
export function printTable(setup: RoomSetup, results: readonly RoomResult[]): void {
  const fixed = (value: number, digits: number): string => value.toFixed(digits);
  const rows: [string, (result: RoomResult) => string][] = [
    ['packets/s in', (r) => fixed(r.packetsInPerSecond, 0)],
    ['packets/s out', (r) => `${fixed(r.packetsOutPerSecond, 0)} of ${fixed(r.expectedPerSecond, 0)}`],
    ['dropped by the server', (r) => String(r.dropped)],
    ['loss at the listeners', (r) => `${fixed(r.loss * 100, 3)} %`],
    ['CPU µs per packet', (r) => fixed(r.cpu.total, 2)],
    ['  user / system', (r) => `${fixed(r.cpu.user, 2)} / ${fixed(r.cpu.system, 2)}`],
    [
      '  by thread',
      (r) =>
        r.cpu.threads
          .slice(0, 4)
          .map(({ name, micros }) => `${name} ${fixed(micros, 2)}`)
          .join(', '),
    ],
    ['CPU µs per packet in', (r) => fixed((r.cores.server * 1e6) / Math.max(1, r.packetsInPerSecond), 1)],
    [
      'cores: server/clients/idle',
      ({ cores }) => [cores.server, cores.clients, cores.idle].map((share) => fixed(share, 3)).join(' / '),
    ],
    [
      'latency ms p50/p95/p99',
      (r) => [r.latencyMs.p50, r.latencyMs.p95, r.latencyMs.p99].map((ms) => fixed(ms, 2)).join(' / '),
    ],
    [
      'inside the server ms p50/p95/p99',
      (r) => [r.forwardUs.p50, r.forwardUs.p95, r.forwardUs.p99].map((us) => fixed(us / 1000, 3)).join(' / '),
    ],
    ['main thread busy', (r) => `${fixed(r.loopBusy * 100, 0)} %`],
    ['event-loop delay p99 ms', (r) => fixed(r.loopP99Ms, 2)],
    ['POST /join ms p50/p99', (r) => `${fixed(r.joinMs.p50, 1)} / ${fixed(r.joinMs.p99, 1)}`],
    ['rings, fullest in/out', (r) => `${fixed(r.fill.ingress * 100, 1)} % / ${fixed(r.fill.egress * 100, 1)} %`],
    ['memory MiB', (r) => fixed(r.rssMiB, 0)],
  ];
  const { slots, seconds, payloadBytes, intervalMs } = setup;
  console.log(
    `${people(setup)}, ${setup.idle} idle connections${setup.events ? ' with events' : ''}, ${setup.instances} instances, ` +
      `${slots} slots, ${payloadBytes} bytes every ${intervalMs} ms, ${seconds} s`,
  );
  console.log([''.padEnd(34), ...results.map(({ kind }) => kind.padEnd(44))].join(' '));
  for (const [title, of] of rows)
    console.log([title.padEnd(34), ...results.map((result) => of(result).padEnd(44))].join(' '));
  const mean = (kind: RoomResult['kind']): number => {
    const all = results.filter((result) => result.kind === kind);
    return all.reduce((sum, { cpu }) => sum + cpu.total, 0) / all.length;
  };
  for (const base of ['floor', 'relay'] as const) {
    if (!results.some(({ kind }) => kind === base)) continue;
    console.log(`CPU per packet, server ÷ ${base}: ${fixed(mean('server') / mean(base), 3)}`);
  }
  if (results.some(({ kind }) => kind === 'stage')) {
    console.log(`CPU per packet, stage ÷ server: ${fixed(mean('stage') / mean('server'), 3)}`);
  }
  for (const result of results) for (const warning of bottlenecks(result)) console.log(`${result.kind}: ${warning}`);
}

function people({ rooms, speakers, microphones, listeners, measured, sinkPorts }: RoomSetup): string {
  if (rooms > 0) return `${rooms} rooms of ${speakers} who all talk`;
  const sinks = sinkPorts === null ? '' : ` (${listeners - measured} sinks)`;
  return `${speakers} speakers, ${microphones} silent microphones, ${listeners} listeners${sinks}`;
}

/** Returns warnings that the clients or the machine, not the server, set the limit. */
function bottlenecks(result: RoomResult): string[] {
  const warnings: string[] = [];
  if (result.clientKernelDrops > 0)
    warnings.push(`clients are too slow: ${result.clientKernelDrops} packets dropped at their sockets`);
  const { clients, busiestClient, idle } = result.cores;
  if (busiestClient > 0.9) warnings.push(`clients are too slow: one process uses ${busiestClient.toFixed(2)} cores`);
  if (idle < 0.25)
    warnings.push(`the machine is full: the clients use ${clients.toFixed(2)} of its cores; try --sinks`);
  if (result.clientLoopP99Ms > 20)
    warnings.push(
      `clients are late: their event loops lag ${result.clientLoopP99Ms.toFixed(1)} ms; latencies include that`,
    );
  if (result.packetsOutPerSecond < 0.99 * result.expectedPerSecond && result.dropped === 0) {
    warnings.push('there were fewer packets than expected and none dropped: the speakers were late');
  }
  return warnings;
}
