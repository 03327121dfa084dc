/** Waits until nobody talks with anybody any more. */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** How often it is looked, milliseconds. */
const POLL_MS = 50;
/** How long it has to be quiet, milliseconds: people who move on together are not all equally quick. */
const SETTLE_MS = 2000;

/** What is looked at. */
export interface Drained {
  /** Connections that stand. */
  readonly connections: number;
  /** Whether somebody can hear somebody. */
  readonly talking: boolean;
}

/** Why the waiting ended. */
export type DrainEnd = 'no connections' | 'conversations finished' | 'deadline' | 'signal';

/** @param timeout milliseconds. */
export async function drained(look: () => Drained, timeout: number, aborted: AbortSignal): Promise<DrainEnd> {
  const begun = performance.now();
  let quietSince = begun;
  for (;;) {
    const now = performance.now();
    const { connections, talking } = look();
    if (connections === 0) return 'no connections';
    if (talking) quietSince = now;
    if (now - begun >= timeout) return 'deadline';
    if (now - quietSince >= SETTLE_MS) return 'conversations finished';
    if (aborted.aborted) return 'signal';
    await delay(POLL_MS, undefined, { signal: aborted }).catch(() => undefined);
  }
}
