/** Reads `TURN_URLS`: the TURN servers that clients are told. */
import { isIP } from 'node:net';
import { list } from './config-values.ts';

/** Browsers ask every server, and are slow with more than a few. */
const MOST = 8;
/** RFC 7065. Browsers know no TURN over DTLS, so `turns:` is always over TCP. */
const URL =
  /^(?:turn:(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?(?:\?transport=(?:udp|tcp))?|turns:(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?(?:\?transport=tcp)?)$/;

/** Reads a list of URLs. @returns undefined if it is malformed. */
export function readTurnUrls(text: string): readonly string[] | undefined {
  const all = list(text);
  return all.length <= MOST && all.every(isGood) ? all : undefined;
}

/** Whether a client reaches this server by UDP. */
export function isOverUdp(url: string): boolean {
  return url.startsWith('turn:') && !url.endsWith('?transport=tcp');
}

function isGood(url: string): boolean {
  const match = URL.exec(url);
  if (match === null) return false;
  const host = (match[1] ?? match[3])!;
  const port = match[2] ?? match[4];
  if (port !== undefined && (Number(port) === 0 || Number(port) > 65_535)) return false;
  if (host.startsWith('[')) return isIP(host.slice(1, -1)) === 6;
  // Four numbers are an address or a typing error, never a name.
  return !/^[\d.]+$/.test(host) || isIP(host) === 4;
}
