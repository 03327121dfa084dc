/**
 * The pair of keys that the stand-in signs and verifies with: made at the first start, kept in `KEY_DIR` (`./keys`
 * without one). The private key never leaves that directory; it is not part of the repository or of any image.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Bits of the modulus; RFC 7518, section 3.3, asks for 2048 or more. */
const MODULUS_LENGTH = 3072;

const DIRECTORY = process.env['KEY_DIR'] || 'keys';
const FILE = join(DIRECTORY, 'private.pem');

/** The private key. @throws Error that says how one is made. */
export function privateKey() {
  try {
    return createPrivateKey(readFileSync(FILE));
  } catch (error) {
    throw new Error(
      `no private key at ${FILE} (${error.code ?? error.message}): start the stand-in once, it makes one`,
    );
  }
}

/** The public key, of a pair that is made now if there is none yet. */
export function publicKey() {
  mkdirSync(DIRECTORY, { recursive: true, mode: 0o700 });
  try {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: MODULUS_LENGTH });
    // Fails if the file is there: a key that has signed tokens is never replaced.
    writeFileSync(FILE, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  return createPublicKey(privateKey());
}
