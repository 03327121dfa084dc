/** Measures the idle CPU time of the cores and the quota that this process may use. */
import { availableParallelism, cpus } from 'node:os';
import { type CpuQuota, cpuQuota, type ReadFile, readText } from '../cgroup.ts';

/** Units per second in `/proc/stat`, whatever the kernel's own clock (USER_HZ). */
const TICKS_PER_S = 100;

/** Measures from call to call. */
export class IdleCpu {
  private readonly quota: CpuQuota | null;
  private readonly idleMs: () => number;
  private before: {
    readonly at: number;
    readonly idle: number;
    readonly used: number | null;
    readonly throttled: number;
  };

  /** @param now milliseconds. */
  constructor(now: number, quota: CpuQuota | null = cpuQuota(), idleMs: () => number = idleOfCores()) {
    this.quota = quota;
    this.idleMs = idleMs;
    this.before = this.count(now);
  }

  /** Returns the idle time since the previous call, as a number of cores. @param now milliseconds. */
  look(now: number): number {
    const { before, quota } = this;
    const after = this.count(now);
    this.before = after;
    const time = after.at - before.at;
    if (!(time > 0)) return 0;
    const idle = Math.max(0, (after.idle - before.idle) / time);
    if (quota === null) return idle;
    // A group that had to wait has nothing to spare, whatever the average says.
    if (after.throttled > before.throttled) return 0;
    if (after.used === null || before.used === null) return Math.min(idle, quota.cores);
    return Math.max(0, Math.min(idle, quota.cores - (after.used - before.used) / time));
  }

  private count(at: number): IdleCpu['before'] {
    const { quota } = this;
    return { at, idle: this.idleMs(), used: quota?.used() ?? null, throttled: quota?.throttled() ?? 0 };
  }
}

/**
 * Makes a function that returns the idle time of the cores that this process may use, since the machine started,
 * milliseconds. It reads one file; `os.cpus()` reads one more for each core.
 */
export function idleOfCores(read: ReadFile = readText): () => number {
  const allowed = readList(/^Cpus_allowed_list:\s*(\S+)$/m.exec(read('/proc/self/status') ?? '')?.[1] ?? '');
  if (allowed === null || read('/proc/stat') === null) return () => idleOfMachine();
  return () => {
    let ticks = 0;
    for (const [, core, idle] of (read('/proc/stat') ?? '').matchAll(/^cpu(\d+) \d+ \d+ \d+ (\d+)/gm)) {
      if (allowed.has(Number(core))) ticks += Number(idle);
    }
    return (ticks * 1000) / TICKS_PER_S;
  };
}

/** The same on systems without `/proc`. */
function idleOfMachine(): number {
  return cpus()
    .slice(0, availableParallelism())
    .reduce((sum, { times }) => sum + times.idle, 0);
}

/** Reads a list such as `0-3,8`; null if it is malformed. */
function readList(text: string): Set<number> | null {
  const all = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match === null) return null;
    for (let core = Number(match[1]); core <= Number(match[2] ?? match[1]) && all.size < 65_536; core++) all.add(core);
  }
  return all;
}
