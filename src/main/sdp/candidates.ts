/** ICE candidates: the client's, checked before they reach the native library, and the server's, as clients see them. Pure. */
import { isIPv6 } from 'node:net';
import * as v from 'valibot';
import { isAddress } from '../ip-address.ts';

/** `candidate:<foundation> <component> <transport> <priority> <address> <port> typ <type> …`: RFC 8839, section 5.1. */
const CANDIDATE =
  /^candidate:([\w+/]{1,32}) (\d{1,3}) (udp|tcp) (\d{1,10}) (\S{1,255}) (\d{1,5}) typ (host|srflx|prflx|relay)\b/i;

const CandidateInit = v.object({ candidate: v.nullish(v.string()) });

/** What a trickled message or an offer's line turned out to be. */
export type RemoteCandidate =
  | { readonly kind: 'usable'; readonly candidate: string }
  /** Rightly formed but of no use here: TCP, a second component, or a name instead of an address. */
  | { readonly kind: 'unusable' }
  | { readonly kind: 'end' }
  | { readonly kind: 'malformed' };

/**
 * Reads one candidate attribute, with or without `a=`.
 *
 * Names are never resolved: an mDNS name (what browsers show in place of a private address) means nothing outside the
 * client's network, and looking up whatever name a client sends would let it use the server's resolver. The client's
 * own checks reach the server all the same, and their source address becomes the candidate (RFC 8445, section 7.3.1.3).
 */
export function readCandidate(text: string): RemoteCandidate {
  const line = text.replace(/^a=/, '').trim();
  if (line === '' || line === 'end-of-candidates') return { kind: 'end' };
  const match = CANDIDATE.exec(line);
  if (match === null || line.length > 512) return { kind: 'malformed' };
  const [, foundation, component, transport, priority, address, port, type] = match;
  if (Number(port) > 65_535 || Number(priority) > 0xffff_ffff) return { kind: 'malformed' };
  if (component !== '1' || transport!.toLowerCase() !== 'udp' || !isAddress(address!) || Number(port) === 0) {
    return { kind: 'unusable' };
  }
  // Written anew, so that nothing but checked fields goes on; the related address is of no use to ICE.
  const base = `candidate:${foundation} 1 UDP ${priority} ${address} ${port} typ ${type!.toLowerCase()}`;
  return { kind: 'usable', candidate: type!.toLowerCase() === 'host' ? base : `${base} raddr 0.0.0.0 rport 0` };
}

/** Reads a message that trickled after the offer: a candidate line, or the JSON of an `RTCIceCandidateInit`. */
export function readTrickled(message: string): RemoteCandidate {
  if (!/^\s*[{n]/.test(message)) return readCandidate(message);
  try {
    const parsed: unknown = JSON.parse(message);
    if (parsed === null) return { kind: 'end' };
    const init = v.safeParse(CandidateInit, parsed);
    return init.success ? readCandidate(init.output.candidate ?? '') : { kind: 'malformed' };
  } catch {
    return { kind: 'malformed' };
  }
}

/** The candidates of an offer, in its order. */
export function offeredCandidates(offer: string): string[] {
  return offer.split(/\r?\n/).filter((line) => line.startsWith('a=candidate:'));
}

/**
 * The server's candidates as they stand in the answer: with announced addresses, these in place of its host
 * addresses (RFC 8445's "1:1 NAT" practice), one candidate for each address and port.
 *
 * @param gathered attributes without `a=`, as the native library gathered them.
 */
export function announce(gathered: readonly string[], announced: readonly string[]): string[] {
  const udp = gathered.filter((candidate) => CANDIDATE.exec(candidate)?.[3]?.toLowerCase() === 'udp');
  if (announced.length === 0) return udp;
  const hosts = udp.filter((candidate) => / typ host\b/.test(candidate));
  const ports = new Set(hosts.map((candidate) => CANDIDATE.exec(candidate)?.[6]));
  const replaced = [...ports].flatMap((port) =>
    announced.map((address, i) => `candidate:a${i} 1 UDP ${hostPriority(address, i)} ${address} ${port} typ host`),
  );
  return [...replaced, ...udp.filter((candidate) => !hosts.includes(candidate))];
}

/** Where a candidate attribute without `a=` points to. @returns null if it is none. */
export function parseCandidate(candidate: string): { address: string; port: number; type: string } | null {
  const match = CANDIDATE.exec(candidate);
  return match === null ? null : { address: match[5]!, port: Number(match[6]), type: match[7]! };
}

/** RFC 8445, section 5.1.2.1: type preference 126 for hosts; IPv6 first (RFC 8421), then in the order given. */
function hostPriority(address: string, order: number): number {
  const local = (isIPv6(address) ? 65_535 : 32_767) - order;
  return 126 * 2 ** 24 + local * 2 ** 8 + 255;
}
