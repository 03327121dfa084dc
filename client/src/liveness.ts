/**
 * Notices that nothing arrives any more, sooner than ICE does (after 10 s or more): media or RTCP reports normally
 * arrive at least every other second.
 */
import type { StatsEntry } from './quality.ts';

/** A connection, as far as it is watched. */
interface Watched {
  readonly pc: { getStats(): Promise<{ values(): Iterable<StatsEntry> }> };
}

/** Poll interval, milliseconds. */
const POLL_MS = 500;
/** Consecutive polls without a byte before the connection is suspect. */
const SILENT_POLLS = 5;
/**
 * The same after it was suspect in vain again and again, because everybody is muted: after 10 s, when ICE would notice
 * as well. The probes of a thousand muted clients would otherwise cost the server more than their packets did.
 */
const MAX_SILENT_POLLS = 20;
/** What arrives within so many polls after a probe may be its response. */
const RESPONSE_POLLS = 4;

/**
 * Calls `suspect` when bytes have arrived and then none for 2.5 to 3 s, and not again until more arrive. The cause
 * may be that nobody speaks, so `suspect` has to probe the server. If nothing but the response arrives, it waits twice
 * as long the next time.
 *
 * @returns a function that stops watching.
 */
export function watchLiveness({ pc }: Watched, suspect: () => void): () => void {
  let last = 0;
  let silent = Number.POSITIVE_INFINITY;
  let patience = SILENT_POLLS;
  let sinceProbe = 0;
  let polling = false;
  const poll = async (): Promise<void> => {
    const bytes = await bytesReceived(pc);
    sinceProbe++;
    if (bytes !== last) {
      silent = 0;
      if (sinceProbe > RESPONSE_POLLS) patience = SILENT_POLLS;
    } else if (++silent === patience) {
      silent = Number.POSITIVE_INFINITY;
      sinceProbe = 0;
      patience = Math.min(2 * patience, MAX_SILENT_POLLS);
      suspect();
    }
    last = bytes;
  };
  const timer = setInterval(() => {
    if (polling) return;
    polling = true;
    poll()
      .catch(() => undefined)
      .finally(() => {
        polling = false;
      });
  }, POLL_MS);
  return () => clearInterval(timer);
}

async function bytesReceived(pc: Watched['pc']): Promise<number> {
  let bytes = 0;
  for (const entry of (await pc.getStats()).values()) {
    const { type, bytesReceived } = entry;
    if (type === 'candidate-pair' && typeof bytesReceived === 'number') bytes += bytesReceived;
  }
  return bytes;
}
