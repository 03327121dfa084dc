/**
 * Notices that nothing arrives any more, sooner than ICE does (after 10 s or more): media or RTCP reports normally
 * arrive at least every other second.
 */
import type { Peer } from './peer.ts';

/** Poll interval, milliseconds. */
const POLL_MS = 500;
/** Consecutive polls without a byte before the connection is suspect. */
const SILENT_POLLS = 5;

/**
 * Calls `suspect` when bytes have arrived and then none for 2.5 to 3 s, and not again until more arrive. The cause
 * may be that nobody speaks, so `suspect` has to probe the server.
 *
 * @returns a function that stops watching.
 */
export function watchLiveness(peer: Peer, suspect: () => void): () => void {
  let last = 0;
  let silent = SILENT_POLLS;
  let polling = false;
  const poll = async (): Promise<void> => {
    const bytes = await bytesReceived(peer.pc);
    if (bytes !== last) silent = 0;
    else if (++silent === SILENT_POLLS) suspect();
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

async function bytesReceived(pc: RTCPeerConnection): Promise<number> {
  let bytes = 0;
  for (const entry of (await pc.getStats()).values()) {
    if (entry.type === 'candidate-pair' && typeof entry.bytesReceived === 'number') bytes += entry.bytesReceived;
  }
  return bytes;
}
