/** The id of a request, by which people find it in the logs of the proxy and of the service. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Bytes of an id that is made here; it has four characters for three of them. */
const ID_BYTES = 9;

/** Returns the proxy's `X-Request-Id`, or a new id if there is none, or none with 1 to 64 of `[A-Za-z0-9_.-]`. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  if (typeof given === 'string' && /^[\w.-]{1,64}$/.test(given)) return given;
  return randomBytes(ID_BYTES).toString('base64url');
}
