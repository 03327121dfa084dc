/** Prints a token of the stand-in: `node token.mjs userid clientid [seconds]`; it is valid for an hour without seconds. */
import { signToken } from './jwt.mjs';
import { privateKey } from './keys.mjs';

const [userid, clientid, lifetime = '3600'] = process.argv.slice(2);
if (!userid || !clientid || !/^-?\d+$/.test(lifetime)) {
  console.error('usage: node token.mjs userid clientid [seconds]');
  process.exit(2);
}
const now = Math.floor(Date.now() / 1000);
try {
  console.log(signToken({ userid, clientid, iat: now, exp: now + Number(lifetime) }, privateKey()));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
