/**
 * STAND-IN for backend-auth. It follows its contract so that a deployment can be tried and tested; it knows no users and
 * gives tokens to whoever can run token.mjs. Put the real backend-auth in its place before anybody depends on this.
 *
 * Whatever the method and the path: the bearer token of `Authorization`, or else `?token=` of the address that the proxy
 * names in `X-Forwarded-Uri`, is verified. 400 without a token, 401 with one that does not verify, 200 with
 * `X-User-Claim: {"userid","clientid"}` otherwise. Node alone, no packages.
 */
import { createServer } from 'node:http';
import { verifyToken } from './jwt.mjs';
import { publicKey } from './keys.mjs';

const Failure = {
  none: { status: 400, title: 'No token', detail: 'Send one as Authorization: Bearer, or as ?token=.' },
  ambiguous: { status: 400, title: 'More than one token', detail: 'Send one.' },
  bad: { status: 401, title: 'The token does not verify', detail: 'It is expired, not yet valid, or not of this key.' },
};

const key = publicKey();
// Each request ends with its answer: what reads a token keeps nothing of it.
const server = createServer({ maxHeaderSize: 16_384, requestTimeout: 15_000 }, (request, response) => {
  request.resume();
  const { claim, failure } = decide(request.headersDistinct, request.url ?? '/');
  log({ msg: failure === undefined ? 'verified' : failure.title, method: request.headers['x-forwarded-method'] });
  if (failure === undefined) return response.writeHead(200, { 'X-User-Claim': claim, 'Content-Length': 0 }).end();
  const headers = { 'Content-Type': 'application/problem+json' };
  if (failure.status === 401) headers['WWW-Authenticate'] = 'Bearer error="invalid_token"';
  response.writeHead(failure.status, headers).end(JSON.stringify(failure));
});

/** The claim as a header's value, or why there is none. The header wins over the query, also where it is a bad one. */
function decide(headers, ownUrl) {
  const tokens = headers.authorization?.map(bearerOf) ?? queryTokens(headers['x-forwarded-uri'] ?? [ownUrl]);
  if (tokens.length > 1) return { failure: Failure.ambiguous };
  if (!tokens[0]) return { failure: Failure.none };
  const claim = verifyToken(tokens[0], key, Date.now() / 1000);
  return claim === null ? { failure: Failure.bad } : { claim: asHeader(claim) };
}

function bearerOf(authorization) {
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '';
}

function queryTokens(addresses) {
  return addresses.flatMap((address) => {
    const at = address.indexOf('?');
    return at < 0 ? [] : new URLSearchParams(address.slice(at + 1)).getAll('token');
  });
}

/** A header is ASCII to whoever takes no chances; JSON can say everything in it. */
function asHeader(claim) {
  const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(claim).replace(/[\u007f-\uffff]/g, escaped);
}

/** Never a header, an address or a token. */
function log(line) {
  console.log(JSON.stringify({ time: new Date().toISOString(), ...line }));
}

const { HOST = '0.0.0.0', PORT = '8090' } = process.env;
server.listen(Number(PORT), HOST, () => {
  log({ msg: 'STAND-IN for backend-auth: not for production, replace it with the real one' });
  log({ msg: 'listening', address: HOST, port: server.address().port });
});

// The first process of a container has no default signal handlers.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}
