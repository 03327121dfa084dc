/** All failures that a client can meet: HTTP statuses before the upgrade, close codes after it. */
import { visibleJson } from './visible.ts';

/** HTTP failures, answered as `application/problem+json` (RFC 9457). */
export const Problem = {
  'bad-claim': { status: 400, title: 'Error parsing X-User-Claim header' },
  'bad-conversation': { status: 400, title: 'Bad conversation id' },
  'bad-request': { status: 400, title: 'Bad request' },
  'not-permitted': { status: 401, title: 'Not permitted' },
  'bad-token': { status: 401, title: 'Not an operator' },
  forbidden: { status: 403, title: 'Forbidden' },
  banned: { status: 403, title: 'Banned from the conversation' },
  'not-found': { status: 404, title: 'No such resource' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  'request-timeout': { status: 408, title: 'The request took too long' },
  'conversation-full': { status: 409, title: 'The conversation is full' },
  'upgrade-required': { status: 426, title: 'This endpoint speaks websocket' },
  'too-many-connections': { status: 429, title: 'Too many connections of this user' },
  'too-many-joins': { status: 429, title: 'Too many joins and leaves of this user' },
  'headers-too-large': { status: 431, title: 'The header is too large' },
  'not-established': { status: 500, title: 'Error establishing WebRTC connection' },
  internal: { status: 500, title: 'Internal error' },
  full: { status: 503, title: 'The server is full' },
  busy: { status: 503, title: 'Too many clients are connecting' },
  'too-many-sockets': { status: 503, title: 'Too many sockets are open' },
  draining: { status: 503, title: 'The server is shutting down' },
  'permissions-unavailable': { status: 503, title: 'Permissions cannot be asked for' },
  'cluster-unavailable': { status: 503, title: 'The other instances cannot be reached' },
} as const;
export type ProblemKind = keyof typeof Problem;

/** A refused request. The message says what was wrong and, if possible, what to do next. */
export class RequestError extends Error {
  readonly kind: ProblemKind;
  readonly headers: Readonly<Record<string, string>>;
  constructor(kind: ProblemKind, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.name = 'RequestError';
    this.kind = kind;
    this.headers = headers;
  }
}

/** Returns the error for a request that the next instance will answer. */
export function drainingError(): RequestError {
  return new RequestError('draining', 'Ask again: another instance will answer.', { 'Retry-After': '1' });
}

/** Returns the error for a change that the cluster cannot make now. @param detail what failed, for people. */
export function clusterUnavailable(detail: string): RequestError {
  return new RequestError('cluster-unavailable', `${detail}; try again later.`, { 'Retry-After': '2' });
}

/** Returns the response to a refused request. @param requestid left out for what was no request. */
export function problemResponse(
  error: RequestError,
  requestid?: string,
): {
  status: number;
  headers: Record<string, string>;
  body: string;
} {
  const { status, title } = Problem[error.kind];
  // Operators may see it in a terminal, by `curl`.
  const body = visibleJson(JSON.stringify({ type: 'about:blank', title, status, detail: error.message, requestid }));
  return {
    status,
    headers: {
      ...error.headers,
      'Content-Type': 'application/problem+json',
      'Content-Length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

/**
 * How a websocket ends. 1000 means success. 1003 and 1011 to 1013 are from RFC 6455 and its registry, as are 1007 and
 * 1009, which the websocket library sends. The codes from 4000 on belong to this service and end in the HTTP status
 * that they resemble.
 */
export const Close = {
  connected: { code: 1000, reason: 'connected' },
  'binary-frame': { code: 1003, reason: 'the offer is text: send a text frame' },
  internal: { code: 1011, reason: 'internal error' },
  draining: { code: 1012, reason: 'the server is shutting down: connect again' },
  full: { code: 1013, reason: 'the server is full: try again later' },
  busy: { code: 1013, reason: 'too many clients are connecting: try again later' },
  'bad-sdp': { code: 4400, reason: 'bad SDP' },
  'no-audio': { code: 4406, reason: 'no usable audio' },
  'no-offer': { code: 4408, reason: 'no offer in time' },
  replaced: { code: 4409, reason: 'replaced by a newer connection of the same client' },
  'too-many-messages': { code: 4429, reason: 'too many messages' },
  'transport-failed': { code: 4502, reason: 'ICE or DTLS failed' },
  'address-in-use': { code: 4503, reason: 'address and port in use: connect again' },
  'no-ice': { code: 4504, reason: 'not connected in time' },
  'no-dtls': { code: 4504, reason: 'not connected in time' },
} as const;
export type CloseKind = keyof typeof Close;

/** RFC 6455, section 5.5.1: a close frame has room for 123 bytes of reason. */
const MAX_REASON_BYTES = 123;

/**
 * Returns the text of a close reason and its detail, without control characters, cut to fit.
 *
 * @param request id of the request, which is added in brackets if there is room for it.
 */
export function closeReason(kind: CloseKind, detail = '', request: string | null = null): string {
  const { reason } = Close[kind];
  const text = (detail === '' ? reason : `${reason}: ${detail}`).replace(/[^\x20-\x7e]/g, '?');
  const whole = request === null ? text : `${text} [${request}]`;
  return whole.length <= MAX_REASON_BYTES ? whole : text.slice(0, MAX_REASON_BYTES);
}
