/** ICE candidates: checks the client's for the native library, and writes the server's for the answer. Pure. */
import { isIPv6 } from 'node:net';
import * as v from 'valibot';
import { isAddress } from '../ip-address.ts';

/** `candidate:<foundation> <component> <transport> <priority> <address> <port> typ <type> …`: RFC 8839, section 5.1. */
const CANDIDATE =
  /^candidate:([\w+/]{1,32}) (\d{1,3}) (udp|tcp) (\d{1,10}) (\S{1,255}) (\d{1,5}) typ (host|srflx|prflx|relay)\b/i;

/** The member of an `RTCIceCandidateInit` that is read. */
export const CandidateInit = v.object({ candidate: v.nullish(v.string()) });

/** A trickled message, or a candidate line of an offer. */
export type RemoteCandidate =
  | { readonly kind: 'usable'; readonly candidate: string }
  /** Well-formed, but the server cannot use it: TCP, a second component, or a name instead of an address. */
  | { readonly kind: 'unusable' }
  | { readonly kind: 'end' }
  | { readonly kind: 'malformed' };

/**
 * Reads one candidate attribute, with or without `a=`.
 *
 * It never resolves names. Browsers show an mDNS name in place of a private address, which means nothing outside the
 * client's network, and looking up other names would let clients use the server's resolver. The client's own checks
 * reach the server anyway, and their source address becomes the candidate (RFC 8445, section 7.3.1.3).
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
  // The line is written anew, so that only checked fields pass. ICE does not need the related address.
  const base = `candidate:${foundation} 1 UDP ${priority} ${address} ${port} typ ${type!.toLowerCase()}`;
  return { kind: 'usable', candidate: type!.toLowerCase() === 'host' ? base : `${base} raddr 0.0.0.0 rport 0` };
}

/** Reads a message after the offer: a candidate line, or the JSON of an `RTCIceCandidateInit`. */
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

/** Returns the candidate lines of an offer, in its order. */
export function offeredCandidates(offer: string): string[] {
  return offer.split(/\r?\n/).filter((line) => line.startsWith('a=candidate:'));
}

/**
 * Returns the server's candidates for the answer. Announced addresses, if there are any, replace its host addresses
 * (the "1:1 NAT" practice of RFC 8445), with one candidate for each address and port.
 *
 * @param gathered the native library's candidate attributes, without `a=`.
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

/** Reads address, port and type of a candidate attribute without `a=`. @returns null if it is none. */
export function parseCandidate(candidate: string): { address: string; port: number; type: string } | null {
  const match = CANDIDATE.exec(candidate);
  return match === null ? null : { address: match[5]!, port: Number(match[6]), type: match[7]! };
}

/** Priority by RFC 8445, section 5.1.2.1: type preference 126 for hosts, IPv6 first (RFC 8421), then by `order`. */
function hostPriority(address: string, order: number): number {
  const local = (isIPv6(address) ? 65_535 : 32_767) - order;
  return 126 * 2 ** 24 + local * 2 ** 8 + 255;
}
