/**
 * Past one core: while the main thread has room, it encrypts and sends each packet itself, which is the cheapest way in
 * all; when its load nears a core, connections are handed to the library's threads, some at a time, until it has room
 * again. A connection that was handed over stays so until it ends.
 *
 * Handing over costs up to as much CPU again, so it helps only where other cores are idle; where all are busy, it would
 * take from the main thread what it lacks.
 */
import { performance } from 'node:perf_hooks';
import type { Config } from '../config.ts';
import type { Log } from '../log/log.ts';
import { IdleCpu } from './idle.ts';

/** How often the load is looked at, milliseconds. */
const INTERVAL_MS = 250;
/** The share of the remaining connections that is handed over at a time. */
const SHARE = 1 / 4;

/** What the machine has to spare. */
export interface Load {
  /** Share of its time that the main thread was not waiting, 0 … 1. */
  readonly main: number;
  /** Cores' worth of idle time that this process may use. */
  readonly idleCores: number;
}

/** From when on connections are handed over. */
export interface OffloadLimits {
  /** Load of the main thread, 0 … 1; at 0 all are handed over at once, at 1 none ever. */
  readonly threshold: number;
  readonly idleCores: number;
}

/** What can be handed over. */
export interface Offloadable {
  readonly offloaded: boolean;
  offload(): void;
}

/** Hands over the next connections. @returns how many. */
export function offloadNext(peers: Iterable<Offloadable>, load: Load, limits: OffloadLimits): number {
  const { threshold, idleCores } = limits;
  const always = threshold === 0;
  if (!always && (threshold >= 1 || load.main < threshold || load.idleCores < idleCores)) return 0;
  const inline = [...peers].filter(({ offloaded }) => !offloaded);
  const share = always ? inline.length : Math.ceil(inline.length * SHARE);
  for (const peer of inline.slice(0, share)) peer.offload();
  return share;
}

/** Looks at the load for as long as the process lives. @param connections by index, with holes. */
export function offloadUnderLoad(
  connections: readonly ({ readonly peer: Offloadable | null } | undefined)[],
  config: Pick<Config, 'OFFLOAD_PERCENT' | 'OFFLOAD_IDLE_PERCENT'>,
  log: Log,
): void {
  const limits = { threshold: config.OFFLOAD_PERCENT / 100, idleCores: config.OFFLOAD_IDLE_PERCENT / 100 };
  if (limits.threshold >= 1) return;
  const idle = new IdleCpu(performance.now());
  let before = performance.eventLoopUtilization();
  setInterval(() => {
    const now = performance.eventLoopUtilization();
    const main = performance.eventLoopUtilization(now, before).utilization;
    const idleCores = idle.look(performance.now());
    before = now;
    const peers = connections.flatMap((connection) => connection?.peer ?? []);
    const handedOver = offloadNext(peers, { main, idleCores }, limits);
    if (handedOver > 0)
      log.info({ main: percent(main), idle: percent(idleCores), connections: handedOver }, 'offloaded');
  }, INTERVAL_MS).unref();
}

function percent(share: number): number {
  return Math.round(share * 100);
}
