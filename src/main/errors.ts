/** Every failure a client can meet, with what it is told: a status before the upgrade, a close code after it. */
import { visibleJson } from './visible.ts';

/** HTTP failures: status and title, as `application/problem+json` (RFC 9457). */
export const Problem = {
  'bad-claim': { status: 400, title: 'Error parsing X-User-Claim header' },
  'bad-conversation': { status: 400, title: 'Bad conversation id' },
  'bad-request': { status: 400, title: 'Bad request' },
  'not-permitted': { status: 401, title: 'Not permitted' },
  forbidden: { status: 403, title: 'Forbidden' },
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
  'too-many-sockets': { status: 503, title: 'Too many sockets are open' },
  draining: { status: 503, title: 'The server is shutting down' },
  'permissions-unavailable': { status: 503, title: 'Permissions cannot be asked for' },
} as const;
export type ProblemKind = keyof typeof Problem;

/** A request that cannot be served; `detail` says what was wrong and, where there is one, the next step. */
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

/** The server takes nothing new any more. */
export function drainingError(): RequestError {
  return new RequestError('draining', 'Ask again: another instance will answer.', { 'Retry-After': '1' });
}

/** The response for a request that failed. */
export function problemResponse(error: RequestError): {
  status: number;
  headers: Record<string, string>;
  body: string;
} {
  const { status, title } = Problem[error.kind];
  // Operators see it, too: `curl` in a terminal.
  const body = visibleJson(JSON.stringify({ type: 'about:blank', title, status, detail: error.message }));
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
 * How a websocket ends. 1000 is the good end; 1003 and 1011 to 1013 are RFC 6455's and the registry's, as are 1007 and
 * 1009, which the websocket library sends; the codes
 * from 4000 on are ours, and end in the HTTP status that they resemble.
 */
export const Close = {
  connected: { code: 1000, reason: 'connected' },
  'binary-frame': { code: 1003, reason: 'the offer is text: send a text frame' },
  internal: { code: 1011, reason: 'internal error' },
  draining: { code: 1012, reason: 'the server is shutting down: connect again' },
  full: { code: 1013, reason: 'the server is full: try again later' },
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

/** A close reason with its detail, cut to what fits, without control characters. */
export function closeReason(kind: CloseKind, detail = ''): string {
  const { reason } = Close[kind];
  const text = (detail === '' ? reason : `${reason}: ${detail}`).replace(/[^\x20-\x7e]/g, '?');
  return text.slice(0, MAX_REASON_BYTES);
}
