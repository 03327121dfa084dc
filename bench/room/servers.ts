/** What the room benchmark measures as one: a server or one of its floors, or several instances with their NATS. */
import { NatsServer, natsPrograms } from '../../test/support/nats.ts';
import { cpuOf } from './process.ts';
import type { Sample } from './protocol.ts';
import { type Moment, ServerProcess } from './server-process.ts';

/** Relative to this folder. */
export const SERVER = '../../src/main/main.js';
export const FLOOR = './floor.js';

export class Servers {
  private readonly processes: readonly ServerProcess[];
  private readonly nats: NatsServer | null;

  private constructor(processes: readonly ServerProcess[], nats: NatsServer | null) {
    this.processes = processes;
    this.nats = nats;
  }

  /** @param count more than one are instances of a cluster. */
  static async start(script: string, count: number, env: Readonly<Record<string, string>>): Promise<Servers> {
    if (count === 1) return new Servers([await ServerProcess.start(script, env)], null);
    const nats = await NatsServer.start({ program: natsPrograms()[0]! });
    const processes: ServerProcess[] = [];
    for (let i = 0; i < count; i++) processes.push(await ServerProcess.start(script, { NATS_URL: nats.url, ...env }));
    return new Servers(processes, nats);
  }

  get urls(): readonly string[] {
    return this.processes.map(({ url }) => url);
  }

  /** Waits for the next sample of all. */
  async moment(): Promise<Moment> {
    const moments = await Promise.all(this.processes.map((one) => one.moment()));
    if (this.nats === null) return moments[0]!;
    const nats = cpuOf(this.nats.pid);
    const threads = new Map([['nats', nats.user + nats.system]]);
    for (const one of moments) {
      for (const [name, cpu] of one.threads) threads.set(name, (threads.get(name) ?? 0) + cpu);
    }
    return {
      at: Math.max(...moments.map(({ at }) => at)),
      cpu: {
        user: moments.reduce((sum, { cpu }) => sum + cpu.user, nats.user),
        system: moments.reduce((sum, { cpu }) => sum + cpu.system, nats.system),
      },
      threads,
      sample: together(moments.map(({ sample }) => sample)),
    };
  }

  async end(): Promise<void> {
    await Promise.all(this.processes.map((one) => one.end()));
    await this.nats?.stop();
  }
}

/** Adds up what counts, and takes the worst of what is a time or a fill. */
function together(samples: readonly Sample[]): Sample {
  const sum = (of: (sample: Sample) => number): number => samples.reduce((total, one) => total + of(one), 0);
  const most = (of: (sample: Sample) => number): number => Math.max(...samples.map(of));
  return {
    sent: sum(({ sent }) => sent),
    dropped: sum(({ dropped }) => dropped),
    rss: sum(({ rss }) => rss),
    loopP99Ms: most(({ loopP99Ms }) => loopP99Ms),
    loopBusy: most(({ loopBusy }) => loopBusy),
    forwardUs: {
      p50: most(({ forwardUs }) => forwardUs.p50),
      p95: most(({ forwardUs }) => forwardUs.p95),
      p99: most(({ forwardUs }) => forwardUs.p99),
    },
    fill: { ingress: most(({ fill }) => fill.ingress), egress: most(({ fill }) => fill.egress) },
  };
}
