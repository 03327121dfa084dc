/**
 * The certificate with which the server answers DTLS, signed by itself and made anew at each start. All connections use
 * it (RFC 8827, section 6.5, demands none of its own for each): without one, the library makes another key for each
 * connection, on the threads that decrypt packets, and the main thread waits for it.
 *
 * It is an X.509 certificate of version 1 (RFC 5280, section 4.1), as the library's own are:
 *
 *     Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature BIT STRING }
 *     TBSCertificate ::= SEQUENCE { serialNumber INTEGER, signature AlgorithmIdentifier, issuer Name,
 *                                   validity SEQUENCE { UTCTime, UTCTime }, subject Name, subjectPublicKeyInfo }
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** A certificate and its private key, both in PEM (RFC 7468). */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

const HOUR_MS = 3_600_000;
/** Years for which it holds; clients look at its fingerprint alone. */
const YEARS = 10;
const LINE = 64;

/** Tags (ITU-T X.690). */
const Tag = { Integer: 0x02, BitString: 0x03, Utf8: 0x0c, UtcTime: 0x17, Sequence: 0x30, Set: 0x31 } as const;
/** ecdsa-with-SHA256 (RFC 5758, section 3.2), and commonName (RFC 5280, appendix A.1), each with its tag and length. */
const ECDSA_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('0603550403', 'hex');

/** Makes a certificate on the curve P-256, which all clients know (RFC 8827, section 6.5). @param now milliseconds. */
export function makeCertificate(now = Date.now()): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(Tag.Sequence, ECDSA_SHA256);
  const attribute = der(Tag.Sequence, COMMON_NAME, der(Tag.Utf8, Buffer.from('backend-webrtc')));
  const name = der(Tag.Sequence, der(Tag.Set, attribute));
  const until = new Date(now);
  until.setUTCFullYear(until.getUTCFullYear() + YEARS);
  const signed = der(
    Tag.Sequence,
    der(Tag.Integer, serialNumber()),
    algorithm,
    name,
    der(Tag.Sequence, time(new Date(now - HOUR_MS)), time(until)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = der(Tag.BitString, Buffer.of(0), sign('sha256', signed, privateKey));
  const lines = der(Tag.Sequence, signed, algorithm, signature)
    .toString('base64')
    .match(new RegExp(`.{1,${LINE}}`, 'g'))!;
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** Returns 16 random bytes of a number above 0 in the shortest form, which does not begin with a zero byte. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes;
}

/** Returns a time before 2050, as `YYMMDDHHMMSSZ`. */
function time(at: Date): Buffer {
  const digits = at.toISOString().replace(/\D/g, '').slice(2, 14);
  return der(Tag.UtcTime, Buffer.from(`${digits}Z`));
}

/** Returns a value in the distinguished encoding: tag, length, contents. */
function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  const { length } = body;
  // Lengths from 128 on have their own number of bytes in front, of which the first bit is set.
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), body]);
}
