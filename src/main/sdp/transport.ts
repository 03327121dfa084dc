/**
 * Reads the two ends of a transport (ICE credentials, certificate, DTLS role): the client's from its offer, the
 * server's from the native library's description. Pure.
 */
import { type Offer, OfferError, type OfferedLine } from './offer.ts';

const ICE_UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const ICE_PWD = /^[A-Za-z0-9+/]{22,256}$/;
const FINGERPRINT = /^a=fingerprint:(\S+) ((?:[0-9A-Fa-f]{2}:)+[0-9A-Fa-f]{2})\s*$/;
/**
 * Hash functions of certificate fingerprints (RFC 8122, section 5) and their lengths in bytes, in the order of
 * preference. Every client computes the first one (RFC 8827, section 6.5).
 */
const HASH_BYTES = new Map([
  ['sha-256', 32],
  ['sha-384', 48],
  ['sha-512', 64],
  ['sha-224', 28],
  ['sha-1', 20],
]);
/** Fingerprints read from an offer. A client has one or two certificates. */
const MAX_FINGERPRINTS = 8;

/** A certificate's fingerprint. */
export interface Fingerprint {
  /** Lower case, as in `sha-256`. */
  readonly hash: string;
  /** Bytes in hexadecimal, upper or lower case, separated by colons. */
  readonly value: string;
}

/** The client's end of the transport. */
export interface RemoteTransport {
  readonly ice: { readonly ufrag: string; readonly pwd: string };
  /** At least one, all of the same hash. The client's certificate has to match one of them. */
  readonly fingerprints: readonly Fingerprint[];
  readonly setup: 'actpass' | 'active' | 'passive';
}

/** The server's end of the transport. */
export interface LocalTransport {
  readonly ufrag: string;
  readonly pwd: string;
  /** `sha-256 AB:CD:…` */
  readonly fingerprint: string;
  readonly setup: string;
  /** Candidate attributes without `a=`: `candidate:1 1 UDP …`. */
  readonly candidates: readonly string[];
}

/**
 * Reads the client's end of the transport.
 *
 * @param sections m-lines to search for each attribute. The first one that has it wins: the m-line that carries the
 *   bundle's transport, then others of the bundle, because bundle-only lines may leave it out (RFC 8829, section
 *   5.2.1). The session is searched last.
 * @throws OfferError that names the missing or malformed attribute.
 */
export function readTransport(sections: readonly OfferedLine[], offer: Offer): RemoteTransport {
  const all = [...sections.map(({ media }) => media), offer.session];
  const ufrag = String(all.find(({ iceUfrag }) => iceUfrag !== undefined)?.iceUfrag ?? '');
  const pwd = String(all.find(({ icePwd }) => icePwd !== undefined)?.icePwd ?? '');
  if (!ICE_UFRAG.test(ufrag)) throw new OfferError('bad-sdp', 'a=ice-ufrag is missing or malformed (RFC 8839)');
  if (!ICE_PWD.test(pwd)) throw new OfferError('bad-sdp', 'a=ice-pwd is missing or malformed (RFC 8839)');
  const fingerprints = readFingerprints([...sections.map(({ text }) => text), offer.text]);
  const setup = String(all.find((media) => media.setup !== undefined)?.setup ?? 'actpass');
  if (setup !== 'actpass' && setup !== 'active' && setup !== 'passive') {
    const shown = /^[\w-]{1,32}$/.test(setup) ? setup : '?';
    throw new OfferError('bad-sdp', `a=setup:${shown} is not actpass, active or passive (RFC 8842)`);
  }
  return { ice: { ufrag, pwd }, fingerprints, setup };
}

/**
 * Reads the fingerprints, one of which the client's certificate has to match. If there are several hash functions, one
 * is chosen, and any of its fingerprints may match (RFC 8122, section 5). Unreadable fingerprints are ignored.
 */
function readFingerprints(sections: readonly (readonly string[])[]): readonly Fingerprint[] {
  for (const section of sections) {
    const readable = section.map(readFingerprint).filter((one) => one !== null);
    for (const hash of HASH_BYTES.keys()) {
      const chosen = readable.filter((one) => one.hash === hash);
      if (chosen.length > 0) return chosen.slice(0, MAX_FINGERPRINTS);
    }
  }
  throw new OfferError('bad-sdp', 'a=fingerprint is missing, malformed or of an unknown hash (RFC 8122)');
}

function readFingerprint(line: string): Fingerprint | null {
  const [, hash = '', value = ''] = FINGERPRINT.exec(line) ?? [];
  const known = hash.toLowerCase();
  return value.split(':').length === HASH_BYTES.get(known) ? { hash: known, value } : null;
}

/** Reads the server's end from the native library's description. @throws Error that names the missing attribute. */
export function readLocalTransport(sdp: string): LocalTransport {
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
