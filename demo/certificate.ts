/** A certificate that nobody but its owner has signed (X.509, RFC 5280), for a server that runs for hours. */
import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate and its private key, both as PEM. */
export interface Certificate {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** It begins earlier than now, because clocks of phones differ. */
const DAYS = { before: 1, after: 30 };
const SUBJECT = 'backend-webrtc demo';

/** Tags of DER (ITU-T X.690). */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
  extensions: 0xa3,
  dnsName: 0x82,
  ipAddress: 0x87,
};

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
};

/**
 * Makes a certificate for these names and a key of its own (P-256).
 *
 * @param names IP addresses and host names at which the server is reached.
 * @param now milliseconds since 1970.
 */
export function makeCertificate(names: readonly string[], now: number): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const issuer = sequence(der(TAG.set, sequence(oid(OID.commonName), der(TAG.utf8, Buffer.from(SUBJECT)))));
  const body = sequence(
    der(TAG.version, der(TAG.integer, Buffer.of(2))),
    // A serial number of its own, because Firefox takes two certificates with the same one for a forgery.
    der(TAG.integer, Buffer.of(1), randomBytes(15)),
    algorithm,
    issuer,
    sequence(time(now - DAYS.before * DAY_MS), time(now + DAYS.after * DAY_MS)),
    issuer,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      TAG.extensions,
      sequence(
        // No authority: whoever trusts this certificate does not trust others that its key might sign.
        extension(OID.basicConstraints, true, sequence()),
        extension(OID.keyUsage, true, der(TAG.bits, Buffer.of(7, 0x80))),
        extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth))),
        extension(OID.subjectAltName, false, sequence(...names.map(generalName))),
      ),
    ),
  );
  const signature = sign('sha256', body, privateKey);
  const whole = sequence(body, algorithm, der(TAG.bits, Buffer.of(0), signature));
  return {
    cert: new X509Certificate(whole).toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
}

/** Returns a value with its tag and its length (X.690, 8.1.3). */
function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  const digits = length < 0x100 ? [length] : [length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, 0x80 | digits.length, ...digits), content]);
}

function sequence(...contents: readonly Buffer[]): Buffer {
  return der(TAG.sequence, ...contents);
}

/** Encodes an object identifier (X.690, 8.19). */
function oid(text: string): Buffer {
  const [first = 0, second = 0, ...others] = text.split('.').map(Number);
  const bytes = [first * 40 + second, ...others].flatMap((number) => {
    const groups = [number & 0x7f];
    for (let rest = number >> 7; rest > 0; rest >>= 7) groups.unshift(0x80 | (rest & 0x7f));
    return groups;
  });
  return der(TAG.oid, Buffer.from(bytes));
}

/** Encodes a time before 2050, as `YYMMDDhhmmssZ` (RFC 5280, section 4.1.2.5.1). */
function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/\D/g, '').slice(2, 14);
  return der(TAG.utcTime, Buffer.from(`${digits}Z`));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [der(TAG.boolean, Buffer.of(0xff))] : []), der(TAG.octets, value));
}

function generalName(name: string): Buffer {
  const kind = isIP(name);
  if (kind === 0) return der(TAG.dnsName, Buffer.from(name));
  return der(TAG.ipAddress, kind === 4 ? Buffer.from(name.split('.').map(Number)) : ipv6Bytes(name));
}

/** Returns the 16 bytes of an IPv6 address without a zone. */
function ipv6Bytes(address: string): Buffer {
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  // The URL's host is the shortest form, without an IPv4 address in it (https://url.spec.whatwg.org/#concept-ipv6-serializer).
  const [head = '', tail = ''] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail)];
  return Buffer.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]));
}
