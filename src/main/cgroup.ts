/**
 * Reads the share of the machine's CPU that a container may use, which Node 20 ignores. It comes from Linux control
 * groups of version 1 (controllers cpu and cpuacct) or 2: see cgroups(7), "cpu.max" in the kernel's cgroup-v2.rst, and
 * sched-bwc.rst.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Reads a file; null if it cannot be read. */
export type ReadFile = (path: string) => string | null;

/** One mounted file system of control groups. */
interface Mount {
  readonly version: 1 | 2;
  /** The directory where it is mounted. */
  readonly point: string;
  /** The control group that this directory shows. */
  readonly root: string;
  /** The controllers of version 1; empty for version 2. */
  readonly controllers: readonly string[];
}

/** A control group with a quota of CPU time. */
export interface CpuQuota {
  /** CPU time that all processes of the group may use together, as a number of cores. May be less than 1. */
  readonly cores: number;
  /** Returns the CPU time used so far, milliseconds; null if it is not counted. */
  used(): number | null;
  /** Returns how often the group had to wait because its time was used up; 0 if it is not counted. */
  throttled(): number;
}

export const readText: ReadFile = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};

/** Returns how many whole cores this process may use, at least 1: the least of machine, affinity and quota. */
export function usableCores(quota: Pick<CpuQuota, 'cores'> | null = cpuQuota()): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(quota?.cores ?? Number.POSITIVE_INFINITY)));
}

/** Returns the smallest quota of this process's control group and of those above it; null if none has one. */
export function cpuQuota(read: ReadFile = readText): CpuQuota | null {
  const mounts = readMounts(read('/proc/self/mountinfo') ?? '');
  const paths = readPaths(read('/proc/self/cgroup') ?? '');
  let least: CpuQuota | null = null;
  for (const mount of mounts) {
    if (mount.version === 1 && !mount.controllers.includes('cpu')) continue;
    for (const directory of directories(mount, paths)) {
      const cores = mount.version === 1 ? readV1(directory, read) : readV2(directory, read);
      if (cores === null || (least !== null && least.cores <= cores)) continue;
      least = mount.version === 1 ? quotaV1(cores, directory, mount, mounts, read) : quotaV2(cores, directory, read);
    }
  }
  return least;
}

function quotaV2(cores: number, directory: string, read: ReadFile): CpuQuota {
  const stat = (name: string): number | null => readField(read(`${directory}/cpu.stat`), name);
  return {
    cores,
    used: () => {
      const microseconds = stat('usage_usec');
      return microseconds === null ? null : microseconds / 1000;
    },
    throttled: () => stat('nr_throttled') ?? 0,
  };
}

function quotaV1(cores: number, directory: string, mount: Mount, mounts: readonly Mount[], read: ReadFile): CpuQuota {
  // The same group in the file system of the controller that counts.
  const counting = mounts.find(({ controllers }) => controllers.includes('cpuacct'));
  const within = directory.slice(mount.point.length);
  return {
    cores,
    used: () => {
      const nanoseconds = counting === undefined ? null : readNumber(read(`${counting.point}${within}/cpuacct.usage`));
      return nanoseconds === null ? null : nanoseconds / 1e6;
    },
    throttled: () => readField(read(`${directory}/cpu.stat`), 'nr_throttled') ?? 0,
  };
}

/** `id parent device root mount-point options [tags] - type source options`, see proc_pid_mountinfo(5). */
function readMounts(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line): Mount[] => {
    const [before, after] = line.split(' - ', 2);
    const [, , , root, point] = before!.split(' ').map(unquote);
    const [type, , options] = (after ?? '').split(' ');
    if (root === undefined || point === undefined) return [];
    if (type === 'cgroup2') return [{ version: 2, point, root, controllers: [] }];
    if (type === 'cgroup') return [{ version: 1, point, root, controllers: (options ?? '').split(',') }];
    return [];
  });
}

/** Decodes space, tab, line feed and backslash, which are written in octal. */
function unquote(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Reads the lines `id:controllers:path`, one per hierarchy. @returns paths by controller, '' for version 2. */
function readPaths(cgroup: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of cgroup.split('\n')) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match !== null) for (const controller of match[1]!.split(',')) paths.set(controller, match[2]!);
  }
  return paths;
}

/** Returns the directories of this process's group and of the visible groups above it, innermost first. */
function directories({ version, point, root, controllers }: Mount, paths: ReadonlyMap<string, string>): string[] {
  const key = version === 2 ? '' : controllers.find((controller) => controller === 'cpu');
  const path = paths.get(key ?? '') ?? '/';
  // A group outside of the mounted ones, as in another namespace, is shown as its mount point.
  const parent = root === '/' ? '' : root;
  const inside = path === root || path.startsWith(`${parent}/`) ? path.slice(parent.length) : '';
  const names = inside.split('/').filter((name) => name !== '' && name !== '..' && name !== '.');
  const base = point === '/' ? '' : point;
  return names.map((_, i) => `${base}/${names.slice(0, names.length - i).join('/')}`).concat(base);
}

/** Reads `cpu.max`: `quota period`, microseconds, or `max period`. */
function readV2(directory: string, read: ReadFile): number | null {
  const match = /^(\d+) (\d+)\s*$/.exec(read(`${directory}/cpu.max`) ?? '');
  return match === null ? null : share(Number(match[1]), Number(match[2]));
}

/** Reads the quota of version 1, where -1 means none. */
function readV1(directory: string, read: ReadFile): number | null {
  const quota = readNumber(read(`${directory}/cpu.cfs_quota_us`));
  const period = readNumber(read(`${directory}/cpu.cfs_period_us`));
  return quota === null || period === null ? null : share(quota, period);
}

function share(quota: number, period: number): number | null {
  return quota > 0 && period > 0 ? quota / period : null;
}

function readNumber(text: string | null): number | null {
  return text !== null && /^\d+\s*$/.test(text) ? Number(text) : null;
}

function readField(text: string | null, name: string): number | null {
  const match = new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '');
  return match === null ? null : Number(match[1]);
}
