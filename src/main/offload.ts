/**
 * Past one core: while the main thread has room, it encrypts and sends each packet itself, which is the cheapest way in
 * all; when its load nears a core, connections are handed to the library's threads, some at a time, until it has room
 * again. A connection that was handed over stays so until it ends.
 */
import { performance } from 'node:perf_hooks';
import type { Log } from './log.ts';

/** How often the load is looked at, milliseconds. */
const INTERVAL_MS = 250;
/** The share of the remaining connections that is handed over at a time. */
const SHARE = 1 / 4;

/** What can be handed over. */
export interface Offloadable {
  readonly offloaded: boolean;
  offload(): void;
}

/**
 * Hands over the next connections.
 *
 * @param load of the main thread, 0 … 1. @param threshold from which on it counts as full; at 1 it never does.
 * @returns how many were handed over.
 */
export function offloadNext(peers: Iterable<Offloadable>, load: number, threshold: number): number {
  if (threshold >= 1 || load < threshold) return 0;
  const inline = [...peers].filter(({ offloaded }) => !offloaded);
  const share = threshold === 0 ? inline.length : Math.ceil(inline.length * SHARE);
  for (const peer of inline.slice(0, share)) peer.offload();
  return share;
}

/** Looks at the main thread's load for as long as the process lives. @param connections by index, with holes. */
export function offloadUnderLoad(
  connections: readonly ({ readonly peer: Offloadable | null } | undefined)[],
  threshold: number,
  log: Log,
): void {
  if (threshold >= 1) return;
  let before = performance.eventLoopUtilization();
  setInterval(() => {
    const now = performance.eventLoopUtilization();
    const load = performance.eventLoopUtilization(now, before).utilization;
    before = now;
    const peers = connections.flatMap((connection) => connection?.peer ?? []);
    const handedOver = offloadNext(peers, load, threshold);
    if (handedOver > 0) log.info({ load: Math.round(load * 100) / 100, connections: handedOver }, 'offloaded');
  }, INTERVAL_MS).unref();
}
