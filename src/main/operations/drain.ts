/** Waits for conversations to end. */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** Poll interval, milliseconds. */
const POLL_MS = 50;
/** How long nobody may be talking, milliseconds. People who move on together are not equally quick. */
const SETTLE_MS = 2000;

/** The state that is polled. */
export interface Drained {
  /** Number of connections. */
  readonly connections: number;
  /** Whether users can hear each other. */
  readonly talking: boolean;
}

/** Why the wait ended. */
export type DrainEnd = 'no connections' | 'conversations finished' | 'deadline' | 'signal';

/** Resolves once conversations have ended, the wait times out, or is aborted. @param timeout milliseconds. */
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
