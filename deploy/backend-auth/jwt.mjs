/** JSON Web Tokens (RFC 7519) signed with RS256 (RFC 7518, section 3.3), and nothing else. */
import { sign, verify } from 'node:crypto';

const ALGORITHM = 'RS256';
const MAX_ID_LENGTH = 256;
const PART = /^[\w-]+$/;

/**
 * Signs a token.
 *
 * @param payload its claims. @param key private key (RSA).
 */
export function signToken(payload, key, header = { alg: ALGORITHM, typ: 'JWT' }) {
  const signed = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}

/**
 * Checks a token: three parts, RS256 and no other algorithm whatever its header says, a signature by the key, a time
 * between `nbf` and `exp` where it has them, and a `userid` and a `clientid`.
 *
 * @param key public key (RSA). @param now seconds since 1970.
 * @returns the claim, or null if anything is wrong with the token.
 */
export function verifyToken(token, key, now) {
  const parts = token.split('.');
  if (parts.length !== 3 || !parts.every((part) => PART.test(part))) return null;
  const [header, payload] = parts.slice(0, 2).map(readPart);
  // `crit` names extensions that must be understood; none is (RFC 7515, section 4.1.11).
  if (!isObject(header) || header.alg !== ALGORITHM || 'crit' in header) return null;
  if (!verify('sha256', Buffer.from(`${parts[0]}.${parts[1]}`), key, Buffer.from(parts[2], 'base64url'))) return null;
  if (!isObject(payload) || !isInTime(payload, now)) return null;
  const { userid, clientid } = payload;
  return isId(userid) && isId(clientid) ? { userid, clientid } : null;
}

function readPart(part) {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A time that is there and is not a number makes the token bad: ignoring it would make it last for ever. */
function isInTime({ exp = Number.POSITIVE_INFINITY, nbf = Number.NEGATIVE_INFINITY }, now) {
  return typeof exp === 'number' && typeof nbf === 'number' && nbf <= now && now < exp;
}

function isId(value) {
  return typeof value === 'string' && value.length >= 1 && value.length <= MAX_ID_LENGTH;
}
