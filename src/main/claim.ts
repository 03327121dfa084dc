/** Reads the `X-User-Claim` header, which says who sent a request. Only backend-auth can set it. */
import type { IncomingMessage } from 'node:http';
import * as v from 'valibot';
import { RequestError } from './errors.ts';

/** Length of the longest userid or clientid, characters. */
export const MAX_ID_LENGTH = 256;
const HEADER = 'x-user-claim';
/** Strict, because two claims that differ in broken bytes must not become one user. */
const UTF8 = new TextDecoder('utf-8', { fatal: true });

const id = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_ID_LENGTH));
const ClaimSchema = v.object({ userid: id, clientid: id });

/** Who sent a request. Nothing else says so. */
export type Claim = v.InferOutput<typeof ClaimSchema>;

/**
 * Reads the claim of a request. Members other than `userid` and `clientid`, such as a token's `exp`, are ignored.
 *
 * @throws RequestError `bad-claim` that says what is wrong with it.
 */
export function readClaim(request: Pick<IncomingMessage, 'headersDistinct'>): Claim {
  const values = request.headersDistinct[HEADER] ?? [];
  if (values.length === 0) throw bad('it is missing; backend-auth sets it for requests that come through the proxy');
  if (values.length > 1) throw bad(`it is there ${values.length} times`);
  // Node reads header bytes as Latin-1; JSON is UTF-8.
  let json: unknown;
  try {
    json = JSON.parse(UTF8.decode(Buffer.from(values[0]!, 'latin1')));
  } catch {
    throw bad('it is not JSON in UTF-8');
  }
  const claim = v.safeParse(ClaimSchema, json);
  if (!claim.success) {
    const issue = claim.issues[0];
    const path = v.getDotPath(issue);
    throw bad(
      path === null
        ? 'it is not an object with userid and clientid'
        : `${path} must be a string of 1 to ${MAX_ID_LENGTH} characters`,
    );
  }
  return claim.output;
}

function bad(detail: string): RequestError {
  return new RequestError('bad-claim', `X-User-Claim: ${detail}.`);
}
