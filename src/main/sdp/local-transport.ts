/** The server's end of a transport, read from the library's description. */
import type { LocalTransport } from './answer.ts';

/** @throws Error that names what is missing. */
export function readLocal(sdp: string): LocalTransport {
  const attribute = (name: string): string => {
    const match = new RegExp(`^a=${name}:(.*?)\\r?$`, 'm').exec(sdp);
    if (match === null) throw new Error(`the library's description has no a=${name}`);
    return match[1]!;
  };
  return {
    ufrag: attribute('ice-ufrag'),
    pwd: attribute('ice-pwd'),
    fingerprint: attribute('fingerprint'),
    setup: attribute('setup'),
    candidates: [...sdp.matchAll(/^a=(candidate:.*?)\r?$/gm)].map((match) => match[1]!),
  };
}
