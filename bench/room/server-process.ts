/** The process that the room benchmark measures. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freeUdpPort } from '../../test/support/server.ts';
import { type CpuTime, cpuByThread, cpuOf } from './process.ts';
import type { Sample } from './protocol.ts';

const MEDIA_PORTS = 4;

/** A sample, with the CPU time at that moment. */
export interface Moment {
  readonly at: number;
  readonly cpu: CpuTime;
  readonly threads: Map<string, number>;
  readonly sample: Sample;
}

/** The measured process, which reports a sample every second. */
export class ServerProcess {
  url = '';
  private readonly child: ChildProcess;
  private waiting: ((sample: Sample) => void)[] = [];

  private constructor(child: ChildProcess) {
    this.child = child;
  }

  /** @param script relative to this module. @param env `MEDIA_PORTS` by default as many free ones as are usual. */
  static async start(script: string, env: Readonly<Record<string, string>>): Promise<ServerProcess> {
    const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url))], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        LISTEN: '127.0.0.1:0',
        ADMIN_LISTEN: '',
        DRAIN_TIMEOUT_MS: '0',
        MEDIA_BIND: '127.0.0.1',
        MEDIA_PORTS: await freeMediaPorts(),
        STATS_INTERVAL_MS: '1000',
        MAX_CONNECTIONS: '4000',
        MAX_SLOTS: '64',
        MAX_MEDIA_LINES: '80',
        ...env,
      },
    });
    const server = new ServerProcess(child);
    const kill = (): void => void child.kill('SIGKILL');
    process.on('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    await new Promise<void>((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`${script} ended with ${code}`));
      child.once('exit', ended);
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const message = JSON.parse(line);
        if (message.msg === 'listening') {
          server.url = `http://127.0.0.1:${message.port}`;
          child.off('exit', ended);
          resolve();
        } else if (message.msg === 'stats') server.take(sampleOf(message));
        else if (message.msg === 'sample') server.take(message);
      });
    });
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

  get pid(): number {
    return this.child.pid!;
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

/** Returns some free ports, as for `MEDIA_PORTS`. */
export async function freeMediaPorts(count = MEDIA_PORTS): Promise<string> {
  const ports: number[] = [];
  for (let i = 0; i < count; i++) ports.push(await freeUdpPort());
  return ports.join(',');
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
