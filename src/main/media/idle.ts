/** CPU time that nobody uses, of the cores and the quota that this process may use. */
import { availableParallelism, cpus } from 'node:os';
import { type CpuQuota, cpuQuota, type ReadFile, readText } from '../cgroup.ts';

/** `/proc/stat` counts in this many units a second, whatever the kernel's own clock (USER_HZ). */
const TICKS_PER_S = 100;

/** Looks now and then; what it says is about the time since the look before. */
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

  /** Cores' worth of idle time since the last look. @param now milliseconds. */
  look(now: number): number {
    const { before, quota } = this;
    const after = this.count(now);
    this.before = after;
    const time = after.at - before.at;
    if (!(time > 0)) return 0;
    const idle = Math.max(0, (after.idle - before.idle) / time);
    if (quota === null) return idle;
    // Who has to wait has nothing to spare, whatever the average says.
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
 * A reader of the idle time, since the machine started, of the cores that this process may use, milliseconds. It reads one
 * file; `os.cpus()` reads one more for each core.
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

/** Where there is no `/proc`. */
function idleOfMachine(): number {
  return cpus()
    .slice(0, availableParallelism())
    .reduce((sum, { times }) => sum + times.idle, 0);
}

/** `0-3,8` as numbers; null if it is nothing of the kind. */
function readList(text: string): Set<number> | null {
  const all = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match === null) return null;
    for (let core = Number(match[1]); core <= Number(match[2] ?? match[1]) && all.size < 65_536; core++) all.add(core);
  }
  return all;
}
