/**
 * Notices that nothing arrives any more, sooner than ICE does (10 s and more): while voices or reports come, they come every
 * other second.
 */
import type { Peer } from './peer.ts';

/** How often it is looked, milliseconds. */
const LOOK_MS = 1000;
/** Looks without a byte before it is suspicious. */
const SILENT_LOOKS = 3;

/**
 * Calls `suspect` when bytes came and then none come for three seconds; then not before more have come. It may be that
 * nobody speaks: whoever is called has to ask.
 *
 * @returns a function that ends that.
 */
export function watchPulse(peer: Peer, suspect: () => void): () => void {
  let last = 0;
  let silent = SILENT_LOOKS;
  let looking = false;
  const look = async (): Promise<void> => {
    const bytes = await bytesReceived(peer.pc);
    if (bytes !== last) silent = 0;
    else if (++silent === SILENT_LOOKS) suspect();
    last = bytes;
  };
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      .catch(() => undefined)
      .finally(() => {
        looking = false;
      });
  }, LOOK_MS);
  return () => clearInterval(timer);
}

async function bytesReceived(pc: RTCPeerConnection): Promise<number> {
  let bytes = 0;
  for (const entry of (await pc.getStats()).values()) {
    if (entry.type === 'candidate-pair' && typeof entry.bytesReceived === 'number') bytes += entry.bytesReceived;
  }
  return bytes;
}
