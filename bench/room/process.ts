/** What the kernel knows about a process, from `/proc` (Linux only). */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Clock ticks a second in `/proc/*​/stat`: fixed in the kernel's interface. */
const TICKS_PER_SECOND = 100;

export interface CpuTime {
  /** Seconds since the start. */
  readonly user: number;
  readonly system: number;
}

/** Returns the CPU time of a process, all threads together. */
export function cpuOf(pid: number): CpuTime {
  return readStat(`/proc/${pid}/stat`).cpu;
}

/** Returns the CPU time of a process, seconds, all threads and both modes together. */
export function cpuSeconds(pid: number): number {
  const { user, system } = cpuOf(pid);
  return user + system;
}

/** Returns the resident memory of a process, MiB. */
export function rssMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

/** Returns the CPU time by thread name, in seconds; threads of the same name are added up. */
export function cpuByThread(pid: number): Map<string, number> {
  const threads = new Map<string, number>();
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      const { name } = readStat(`/proc/${pid}/task/${task}/stat`);
      // In nanoseconds, where the stat file has ticks of 10 ms, too coarse for threads that do little.
      const [running] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
      const shown = Number(task) === pid ? 'main' : name;
      threads.set(shown, (threads.get(shown) ?? 0) + Number(running) / 1e9);
    } catch {
      // The thread has ended meanwhile.
    }
  }
  return threads;
}

/** Returns the idle time of all cores since the machine started, seconds. */
export function idleSeconds(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0) / 1000;
}

/** Counts datagrams that the kernel dropped because a socket's buffer was full, on local ports from first to last. */
export function udpDrops(first: number, last: number): number {
  let drops = 0;
  for (const line of readFileSync('/proc/net/udp', 'utf8').split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    const port = Number.parseInt(fields[1]?.split(':')[1] ?? '', 16);
    if (port >= first && port <= last) drops += Number(fields[fields.length - 1]);
  }
  return drops;
}

function readStat(path: string): { name: string; cpu: CpuTime } {
  const text = readFileSync(path, 'utf8');
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  return {
    name: text.slice(text.indexOf('(') + 1, close),
    cpu: { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND },
  };
}
