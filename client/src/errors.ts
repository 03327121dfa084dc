/**
 * All errors of the client. Each has a code to branch on and a message that names the cause and the next step. No
 * message promises another attempt, since the same error may be the last one; the event `retry` announces attempts.
 */

/** The kind of error. */
export type VoiceErrorCode =
  /** The token or its claim was refused. */
  | 'unauthorized'
  /** The user may not enter this conversation. */
  | 'forbidden'
  /** The server does not accept this conversation id. */
  | 'bad-conversation'
  /** The conversation has reached its maximum number of users. */
  | 'conversation-full'
  | 'server-full'
  /** Many clients are connecting at the same time. */
  | 'server-busy'
  | 'server-draining'
  | 'server-error'
  /** Network, DNS, proxy, or CORS. */
  | 'unreachable'
  /** HTTP gets through, but media does not: UDP is blocked on the way. */
  | 'media-blocked'
  | 'timeout'
  /** Another connection with the same userid and clientid took over, usually from another tab. */
  | 'replaced'
  /** The server rejected this browser's offer, or the browser rejected the server's answer. */
  | 'incompatible'
  /** The browser lacks WebRTC, or the page is not served over HTTPS. */
  | 'unsupported'
  | 'microphone-denied'
  | 'microphone-missing'
  | 'microphone-busy'
  | 'microphone-failed'
  /** The browser cannot select an output device, or refuses this one. */
  | 'output-device'
  /** The server refused a request on the events channel, or the media this client sends; `eventCode` says why. */
  | 'refused'
  /** A key for end-to-end encryption is missing or cannot be used. */
  | 'encryption'
  | 'not-connected'
  /** A newer join, leave or close replaced this one before it completed. */
  | 'superseded'
  | 'closed';

/** Details beyond the code. */
export interface VoiceErrorDetails {
  /** Whether the same attempt may succeed later. */
  readonly retryable?: boolean;
  /** Close code of the websocket. */
  readonly closeCode?: number;
  /** HTTP status. */
  readonly status?: number;
  /** Pause that the server asked for, milliseconds. */
  readonly retryAfter?: number | null | undefined;
  /** `code` of the `error` event. */
  readonly eventCode?: string;
  /** By which the operators of the server find the failed request in their logs. */
  readonly requestId?: string | null | undefined;
  readonly cause?: unknown;
}

export class VoiceError extends Error {
  override readonly name = 'VoiceError';
  readonly code: VoiceErrorCode;
  readonly retryable: boolean;
  readonly closeCode: number | null;
  readonly status: number | null;
  readonly retryAfter: number | null;
  readonly eventCode: string | null;
  readonly requestId: string | null;

  constructor(code: VoiceErrorCode, message: string, details: VoiceErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.retryable = details.retryable ?? false;
    this.closeCode = details.closeCode ?? null;
    this.status = details.status ?? null;
    this.retryAfter = details.retryAfter ?? null;
    this.eventCode = details.eventCode ?? null;
    this.requestId = details.requestId ?? null;
  }
}

/** Converts an `error` event to an error. */
export function eventError({ code, detail, next }: { code: string; detail: string; next: string }): VoiceError {
  return new VoiceError('refused', `${detail}. ${next}`, { eventCode: code });
}

/** The meaning of each close code. */
const CLOSES: Readonly<Record<number, VoiceErrorCode>> = {
  1003: 'incompatible',
  1007: 'incompatible',
  1008: 'incompatible',
  1009: 'incompatible',
  1011: 'server-error',
  1012: 'server-draining',
  1013: 'server-full',
  4400: 'incompatible',
  4406: 'incompatible',
  4408: 'timeout',
  4409: 'replaced',
  4429: 'incompatible',
  4502: 'media-blocked',
  4503: 'media-blocked',
  4504: 'media-blocked',
};
/** The minimum pause after a close, milliseconds. */
const PAUSES: Partial<Readonly<Record<VoiceErrorCode, number>>> = { 'server-draining': 500, 'server-full': 5000 };

/** What helps where the network blocks UDP. */
export const WAYS_OUT = 'Use another network or a TURN server; Chromium gets through by TURN over UDP only.';

/** How a refusal that is soon over is told from a full server. */
const BUSY = /clients are connecting/i;

const NEXT_STEPS: Partial<Readonly<Record<VoiceErrorCode, string>>> = {
  incompatible: 'Report the browser version and this message.',
  'server-error': 'See the log of the server.',
  'server-draining': 'Another instance will answer, or this one again.',
  'server-full': 'There will be room once somebody has left.',
  'server-busy': 'It has room, but needs a few seconds.',
  timeout: 'The network is slow or loses packets.',
  replaced: 'Continue in the tab or app that took over, or connect here again to take it back.',
  'media-blocked': `The network may block UDP. ${WAYS_OUT}`,
};

/** Explains why the websocket was closed with a code other than 1000. @param reason the server's close reason. */
export function closeError(code: number, reason: string): VoiceError {
  const meaning = CLOSES[code] ?? 'unreachable';
  const kind = meaning === 'server-full' && BUSY.test(reason) ? 'server-busy' : meaning;
  const said = reason === '' ? '' : `: ${reason}`;
  const next = NEXT_STEPS[kind] ?? 'The network or a proxy may be the cause.';
  const requestId = / \[([\w.-]+)\]$/.exec(reason)?.[1];
  return new VoiceError(kind, `The server closed the websocket with ${code}${said}. ${next}`, {
    retryable: meaning !== 'incompatible' && meaning !== 'replaced',
    closeCode: code,
    retryAfter: PAUSES[meaning],
    requestId,
  });
}

/**
 * Explains why an HTTP request was refused, from a response that is not `ok`.
 *
 * @param detail from the problem document (RFC 9457), or empty.
 * @param retryAfter from the header `Retry-After`, milliseconds.
 * @param requestId from the problem document.
 */
export function statusError(
  what: string,
  status: number,
  detail: string,
  retryAfter: number | null,
  requestId: string | null = null,
): VoiceError {
  // Some details are sentences.
  const text = `${what}: status ${status}${detail && `, ${detail}`}`.replace(/\.?$/, '.');
  const details = { status, retryAfter, requestId };
  const again = { ...details, retryable: true };
  // 401 comes from the component that checks tokens, and from the server if the user may not join.
  if (status === 403 || (status === 401 && /not permitted/i.test(detail))) {
    return new VoiceError('forbidden', `${text} This user or page may not do that.`, details);
  }
  if (status === 401 || (status === 400 && /claim/i.test(detail))) {
    return new VoiceError(
      'unauthorized',
      `${text} Provide a valid token; a function is called for every request.`,
      details,
    );
  }
  const later = (code: VoiceErrorCode): VoiceError => new VoiceError(code, `${text} Try again later.`, again);
  if (status === 503 && BUSY.test(detail)) return later('server-busy');
  if (status === 503 && /full/i.test(detail)) return later('server-full');
  if (status === 503 && /shut/i.test(detail)) return later('server-draining');
  if (status === 409) return new VoiceError('conversation-full', `${text} Somebody has to leave first.`, details);
  if (status === 400 || status === 414) return new VoiceError('bad-conversation', `${text} Use another id.`, details);
  if (status === 404 || status === 405) {
    return new VoiceError('unreachable', `${text} Check url: it is the part before /connect, /ice and /join.`, details);
  }
  return later(status >= 500 ? 'server-error' : 'unreachable');
}

/** The error for the event `replaced`. */
export function replaced(): VoiceError {
  const text = 'Another connection with the same userid and clientid took over, perhaps from another tab';
  return new VoiceError('replaced', `${text}. ${NEXT_STEPS.replaced}`);
}

/** Adds to the error that no further attempt follows. @param milliseconds spent on attempts. */
export function givenUp(error: VoiceError, milliseconds: number): VoiceError {
  error.message += ` Given up after ${milliseconds} ms.`;
  return error;
}

/** Converts anything thrown to a VoiceError. @param what failed. */
export function asVoiceError(error: unknown, code: VoiceErrorCode, what: string): VoiceError {
  if (error instanceof VoiceError) return error;
  const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new VoiceError(code, `${what}: ${said}`, { cause: error, retryable: code === 'unreachable' });
}
