/**
 * Uses more than one core. The main thread encrypts and sends each packet itself, which costs the least CPU in total.
 * When its load nears a whole core, it hands connections over to the library's threads, some at a time, until the load
 * falls. A connection stays handed over until it ends.
 *
 * A connection that is handed over costs up to twice as much CPU, so that this helps only if other cores are idle. On a
 * busy machine it would take CPU from the main thread.
 */
import { performance } from 'node:perf_hooks';
import type { Config } from '../config.ts';
import { LoopUse } from '../event-loop.ts';
import type { Log } from '../log/log.ts';
import { timers } from '../timers.ts';
import { IdleCpu } from './idle.ts';

/** How often the load is measured, milliseconds. */
const INTERVAL_MS = 250;
/** Share of the remaining connections that is handed over at a time. */
const SHARE = 1 / 4;

/** The load of the process and the machine. */
export interface Load {
  /** Share of time in which the main thread was busy, 0 … 1. */
  readonly main: number;
  /** Idle CPU time that this process may use, as a number of cores. */
  readonly idleCores: number;
}

/** The load from which on connections are handed over. */
export interface OffloadLimits {
  /** Load of the main thread, 0 … 1. With 0 all connections are handed over at once, with 1 none. */
  readonly threshold: number;
  readonly idleCores: number;
}

/** Something that can be handed over. */
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

/** Hands connections over by the load, for as long as the process lives. @param connections by index, with holes. */
export function offloadUnderLoad(
  connections: readonly ({ readonly peer: Offloadable | null } | undefined)[],
  config: Pick<Config, 'OFFLOAD_PERCENT' | 'OFFLOAD_IDLE_PERCENT'>,
  log: Log,
): void {
  const limits = { threshold: config.OFFLOAD_PERCENT / 100, idleCores: config.OFFLOAD_IDLE_PERCENT / 100 };
  if (limits.threshold >= 1) return;
  const use = new LoopUse();
  let idle: IdleCpu | null = null;
  timers.every(INTERVAL_MS, () => {
    const main = use.look();
    // Most of the time nothing comes of it, so the machine is looked at only from the first busy interval on.
    if (main < limits.threshold) {
      idle = null;
      return;
    }
    if (idle === null) {
      idle = new IdleCpu(performance.now());
      if (limits.threshold > 0) return;
    }
    const idleCores = idle.look(performance.now());
    const peers = connections.flatMap((connection) => connection?.peer ?? []);
    const handedOver = offloadNext(peers, { main, idleCores }, limits);
    if (handedOver > 0)
      log.info({ main: percent(main), idle: percent(idleCores), connections: handedOver }, 'offloaded');
  });
}

function percent(share: number): number {
  return Math.round(share * 100);
}
