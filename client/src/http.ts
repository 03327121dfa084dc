/** Builds URLs, obtains tokens, and makes the plain HTTP requests. */
import { asVoiceError, statusError, VoiceError } from './errors.ts';
import { SUPPLY_TIMEOUT_MS, supplied } from './supplied.ts';
import type { ClientOptions, TokenSource } from './types.ts';

export type Endpoint = Pick<ClientOptions, 'url' | 'token'>;

/**
 * Returns the application's current token; undefined for none.
 *
 * @param signal stops waiting. @throws VoiceError `unauthorized`, retryable; `superseded`.
 */
function currentToken(source: TokenSource | undefined, signal: AbortSignal): Promise<string | undefined> {
  return supplied<string | undefined>(source, signal, tokenFailed);
}

function tokenFailed(why: string, cause?: unknown): VoiceError {
  return new VoiceError('unauthorized', `The token function failed: ${why}.`, { cause, retryable: true });
}

/** @throws VoiceError `unreachable` */
function endpoint(base: string, path: string): URL {
  let url: URL;
  try {
    url = new URL(base, globalThis.location?.href);
  } catch (cause) {
    throw new VoiceError('unreachable', `url is not a valid URL: ${JSON.stringify(base)}.`, { cause });
  }
  url.pathname = url.pathname.replace(/\/$/, '') + path;
  return url;
}

/** Returns the URL of `/connect` with a current token. @param scheme becomes `wss` or `https` if the API uses TLS. */
export async function connectUrl(
  { url, token }: Endpoint,
  scheme: 'ws' | 'http',
  signal: AbortSignal,
): Promise<string> {
  const target = endpoint(url, '/connect');
  target.protocol = target.protocol.replace(/^(http|ws)/, scheme);
  const value = await currentToken(token, signal);
  if (value !== undefined) target.searchParams.set('token', value);
  return target.href;
}

/** Joins or leaves a conversation. @throws VoiceError, and `bad-conversation` before any request is made. */
export async function changeMembership(
  api: Endpoint,
  method: 'POST' | 'DELETE',
  conversation: string,
  signal: AbortSignal,
): Promise<void> {
  const path = `/join/${segmentOf(conversation)}`;
  const response = await send(api, method, path, signal);
  if (!response.ok) throw await refusal(`${method} ${endpoint(api.url, path).pathname}`, response);
}

/**
 * Asks the service for its TURN servers. Their credentials expire soon. @returns none if the service knows none.
 *
 * @throws Error of any kind if it does not answer, or with something else.
 */
export async function turnServers(api: Endpoint, signal: AbortSignal): Promise<RTCIceServer[]> {
  const ask = (): Promise<Response> => send(api, 'GET', '/ice', signal);
  // A browser ends requests that are under way when the network changes, which is just when there are attempts.
  const response = await ask().catch((error: VoiceError) => {
    if (error.code !== 'unreachable') throw error;
    return ask();
  });
  const { iceServers } = (await response.json()) as { iceServers?: unknown };
  return response.ok && Array.isArray(iceServers) ? iceServers : [];
}

/** Sends a request with the token in a header. @throws VoiceError */
async function send(api: Endpoint, method: string, path: string, signal: AbortSignal): Promise<Response> {
  const { url, token } = api;
  const target = endpoint(url, path);
  const headers = headersWith(await currentToken(token, signal));
  return request(target.href, { method, headers, credentials: credentialsWith(token) }, signal);
}

/**
 * Finds out why the websocket could not be opened, which a browser does not say. The same request without the upgrade
 * is answered with 426 if nothing was wrong with it.
 *
 * @returns the most specific error known; retryable unless the request itself was refused.
 */
export async function explainRefusal(api: Endpoint, signal: AbortSignal): Promise<VoiceError> {
  try {
    const init = { credentials: credentialsWith(api.token) };
    const response = await request(await connectUrl(api, 'http', signal), init, signal);
    if (response.status !== 426 && !response.ok) return await refusal('GET /connect', response);
    const text =
      'The token is valid, but the websocket was refused: a proxy must pass on Upgrade, Connection and Host, and';
    return new VoiceError('unreachable', `${text} allow the origin of this page.`, { retryable: true });
  } catch (error) {
    return asVoiceError(error, 'unreachable', 'The server cannot be reached');
  }
}

/**
 * Returns a conversation id as a path segment. `.` and `..` are refused: even escaped they are dot segments (RFC 3986,
 * section 6.2.2.2; WHATWG URL), and the request would go elsewhere.
 *
 * @throws VoiceError `bad-conversation`
 */
function segmentOf(conversation: string): string {
  const why =
    conversation === ''
      ? 'is empty'
      : conversation === '.' || conversation === '..'
        ? 'is a dot segment in a URL'
        : // UTF-16 allows this, UTF-8 does not.
          /\p{Surrogate}/u.test(conversation)
          ? 'contains half of a surrogate pair'
          : null;
  if (why === null) return encodeURIComponent(conversation);
  throw new VoiceError(
    'bad-conversation',
    `The conversation id ${JSON.stringify(conversation)} ${why}. Use another id.`,
  );
}

/** @throws VoiceError `unauthorized` for a malformed token, which `fetch` would report as a network failure. */
function headersWith(token: string | undefined): Headers {
  const headers = new Headers();
  try {
    if (token !== undefined) headers.set('Authorization', `Bearer ${token}`);
  } catch (cause) {
    throw new VoiceError(
      'unauthorized',
      'The token contains characters that are not allowed in a header. Encode them.',
      { cause },
    );
  }
  return headers;
}

/** Sends cookies only if there is no token: with cookies, browsers withhold a response that allows any origin (`*`). */
function credentialsWith(token: TokenSource | undefined): RequestCredentials {
  return token === undefined ? 'include' : 'omit';
}

/** Sends a request with a timeout. @throws VoiceError `unreachable`, `superseded` */
async function request(url: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
  const aborter = new AbortController();
  const abort = (): void => aborter.abort();
  const timer = setTimeout(abort, SUPPLY_TIMEOUT_MS);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await fetch(url, { ...init, cache: 'no-store', signal: aborter.signal });
  } catch (error) {
    if (signal.aborted) throw new VoiceError('superseded', 'The request was aborted.', { cause: error });
    const text = 'No response: no network, a wrong url, or the proxy does not allow the origin of this page (CORS)';
    throw new VoiceError('unreachable', `${text}.`, { cause: error, retryable: true });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

async function refusal(what: string, response: Response): Promise<VoiceError> {
  const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN);
  const retryAfter = Number.isFinite(seconds) ? seconds * 1000 : null;
  const { detail, requestId } = await problemOf(response);
  return statusError(what, response.status, detail, retryAfter, requestId);
}

/** Returns title and detail of the problem document (RFC 9457), and its request id; empty if the body is not one. */
async function problemOf(response: Response): Promise<{ detail: string; requestId: string | null }> {
  try {
    const { title, detail, requestid } = (await response.json()) as Readonly<Record<string, unknown>>;
    const text = [title, detail].filter((part) => typeof part === 'string').join(': ');
    return { detail: text, requestId: typeof requestid === 'string' ? requestid : null };
  } catch {
    return { detail: '', requestId: null };
  }
}
