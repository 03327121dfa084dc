/** The client's end of the transport, as its offer describes it: ICE credentials, certificate, DTLS role. Pure. */
import { type Offer, OfferError, type OfferedLine } from './offer.ts';

const ICE_UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const ICE_PWD = /^[A-Za-z0-9+/]{22,256}$/;
const FINGERPRINT = /^a=fingerprint:(\S+) ((?:[0-9A-Fa-f]{2}:)+[0-9A-Fa-f]{2})\s*$/;
/**
 * Hash functions of certificate fingerprints (RFC 8122, section 5) and the bytes each yields; the preferred one first.
 * That is the one that every client computes (RFC 8827, section 6.5).
 */
const HASH_BYTES = new Map([
  ['sha-256', 32],
  ['sha-384', 48],
  ['sha-512', 64],
  ['sha-224', 28],
  ['sha-1', 20],
]);
/** Fingerprints taken from an offer. A client has a certificate or two. */
const MAX_FINGERPRINTS = 8;

/** A certificate's fingerprint. */
export interface Fingerprint {
  /** Lower case, as in `sha-256`. */
  readonly hash: string;
  /** Bytes in hexadecimal, either case, with colons between. */
  readonly value: string;
}

/** The client's end of the transport. */
export interface RemoteTransport {
  readonly ice: { readonly ufrag: string; readonly pwd: string };
  /** At least one, all of the same hash; the client's certificate has to match any of them. */
  readonly fingerprints: readonly Fingerprint[];
  readonly setup: 'actpass' | 'active' | 'passive';
}

/**
 * Reads the transport.
 *
 * @param sections where to look for each attribute, the first one that has it wins: the m-line that carries the bundle's
 *   transport, then others of the bundle, since bundle-only lines may leave it out (RFC 8829, section 5.2.1). The
 *   session's attributes come last.
 * @throws OfferError that names what is missing or malformed.
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
 * The fingerprints to hold the client's certificate against. RFC 8122, section 5: of several hash functions one is
 * chosen, and any fingerprint of that one may match. Those that cannot be read are passed over.
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
