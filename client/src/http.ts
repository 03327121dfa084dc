/** URLs, tokens, and the requests that are no websocket. */
import { asVoiceError, statusError, VoiceError } from './errors.ts';
import type { ClientOptions, TokenSource } from './types.ts';

/** Longest that a request may take, milliseconds. */
const REQUEST_TIMEOUT_MS = 8000;

export type Endpoint = Pick<ClientOptions, 'url' | 'token'>;

/**
 * What the application gives as a token at this moment; null for none.
 *
 * @param signal gives up waiting. @throws VoiceError `unauthorized`, retryable; `superseded`.
 */
async function tokenNow(source: TokenSource | undefined, signal: AbortSignal): Promise<string | null> {
  if (typeof source !== 'function') return source ?? null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let abort = (): void => undefined;
  // The function is the application's, and may never come to an end.
  const ended = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tokenFailed(`none came within ${REQUEST_TIMEOUT_MS} ms`)), REQUEST_TIMEOUT_MS);
    abort = () => reject(new VoiceError('superseded', 'The request was given up.'));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
  try {
    return await Promise.race([ended, tokenFrom(source)]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

async function tokenFrom(source: Exclude<TokenSource, string>): Promise<string> {
  try {
    return await source();
  } catch (error) {
    throw tokenFailed(error instanceof Error ? error.message : String(error), error);
  }
}

function tokenFailed(why: string, cause?: unknown): VoiceError {
  return new VoiceError('unauthorized', `The function for the token failed: ${why}.`, { cause, retryable: true });
}

/** @throws VoiceError `unreachable` */
function endpoint(base: string, path: string): URL {
  let url: URL;
  try {
    url = new URL(base, globalThis.location?.href);
  } catch (cause) {
    throw new VoiceError('unreachable', `url is no URL: ${JSON.stringify(base)}.`, { cause });
  }
  url.pathname = url.pathname.replace(/\/$/, '') + path;
  return url;
}

/** The URL of `/connect`, with a token that is asked for anew. @param scheme `ws` or `http`, each with an s where the API has. */
export async function connectUrl(
  { url, token }: Endpoint,
  scheme: 'ws' | 'http',
  signal: AbortSignal,
): Promise<string> {
  const target = endpoint(url, '/connect');
  target.protocol = target.protocol.replace(/^(http|ws)/, scheme);
  const value = await tokenNow(token, signal);
  if (value !== null) target.searchParams.set('token', value);
  return target.href;
}

/** Puts the user into a conversation, or takes them out. @throws VoiceError `bad-conversation` before anything is asked. */
export async function changeMembership(
  { url, token }: Endpoint,
  method: 'POST' | 'DELETE',
  conversation: string,
  signal: AbortSignal,
): Promise<void> {
  const target = endpoint(url, `/join/${segmentOf(conversation)}`);
  const value = await tokenNow(token, signal);
  const response = await request(
    target.href,
    { method, headers: headersWith(value), credentials: credentialsWith(token) },
    signal,
  );
  if (!response.ok) throw await refusal(`${method} ${target.pathname}`, response);
}

/**
 * Finds out why the websocket was not opened: a browser does not say. The same request without the upgrade is answered with
 * 426 if it was good.
 *
 * @returns what is known; retryable unless the request itself was refused.
 */
export async function explainRefusal(api: Endpoint, signal: AbortSignal): Promise<VoiceError> {
  try {
    const init = { credentials: credentialsWith(api.token) };
    const response = await request(await connectUrl(api, 'http', signal), init, signal);
    if (response.status !== 426 && !response.ok) return await refusal('GET /connect', response);
    const text =
      'The token is good, yet the websocket was refused: the server is full or shutting down, or a proxy lets';
    return new VoiceError('unreachable', `${text} no websockets through.`, { retryable: true });
  } catch (error) {
    return asVoiceError(error, 'unreachable', 'The server cannot be reached');
  }
}

/**
 * A conversation's id as a segment of a path. Dots alone are a step in it, escaped or not (RFC 3986, section 6.2.2.2; WHATWG URL):
 * the request would go elsewhere.
 *
 * @throws VoiceError `bad-conversation`
 */
function segmentOf(conversation: string): string {
  const why =
    conversation === ''
      ? 'is empty'
      : conversation === '.' || conversation === '..'
        ? 'is a step in a URL’s path'
        : // What UTF-16 allows and UTF-8 does not.
          /\p{Surrogate}/u.test(conversation)
          ? 'has half of a surrogate pair'
          : null;
  if (why === null) return encodeURIComponent(conversation);
  throw new VoiceError(
    'bad-conversation',
    `The conversation’s id ${JSON.stringify(conversation)} ${why}. Take another id.`,
  );
}

/** @throws VoiceError `unauthorized`: asked for as it is, it would seem to be the network's fault. */
function headersWith(token: string | null): Headers {
  const headers = new Headers();
  try {
    if (token !== null) headers.set('Authorization', `Bearer ${token}`);
  } catch (cause) {
    throw new VoiceError('unauthorized', 'The token has characters that no header may have. Encode them.', { cause });
  }
  return headers;
}

/** Cookies only where they say who somebody is: browsers keep the answer to them from a page if any page is allowed (`*`). */
function credentialsWith(token: TokenSource | undefined): RequestCredentials {
  return token === undefined ? 'include' : 'omit';
}

/** @throws VoiceError `unreachable`, `timeout` */
async function request(url: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
  const aborter = new AbortController();
  const abort = (): void => aborter.abort();
  const timer = setTimeout(abort, REQUEST_TIMEOUT_MS);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await fetch(url, { ...init, cache: 'no-store', signal: aborter.signal });
  } catch (error) {
    if (signal.aborted) throw new VoiceError('superseded', 'The request was given up.', { cause: error });
    const text = 'No answer: no network, a wrong url, or a page of another origin that the proxy does not allow (CORS)';
    throw new VoiceError('unreachable', `${text}.`, { cause: error, retryable: true });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

async function refusal(what: string, response: Response): Promise<VoiceError> {
  const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN);
  return statusError(what, response.status, await detailOf(response), Number.isFinite(seconds) ? seconds * 1000 : null);
}

/** Title and detail of the problem (RFC 9457); empty if it is something else. */
async function detailOf(response: Response): Promise<string> {
  try {
    const { title, detail } = (await response.json()) as { title?: unknown; detail?: unknown };
    return [title, detail].filter((text) => typeof text === 'string').join(': ');
  } catch {
    return '';
  }
}
