/**
 * Everything that can go wrong, each with a code to branch on and a message that names the cause and the next step. No message
 * promises another attempt: the same error may be the last one. The event `retry` tells of attempts to come.
 */

/** What went wrong. */
export type VoiceErrorCode =
  /** The token or its claim is refused. */
  | 'unauthorized'
  /** The user may not enter this conversation. */
  | 'forbidden'
  /** The server does not take this conversation's id. */
  | 'bad-conversation'
  /** It has as many users as it may have. */
  | 'conversation-full'
  | 'server-full'
  | 'server-draining'
  | 'server-error'
  /** Network, DNS, proxy, or CORS. */
  | 'unreachable'
  /** HTTP passes, media does not: UDP is blocked on the way. */
  | 'media-blocked'
  | 'timeout'
  /** Another connection with the same userid and clientid took over: another tab, mostly. */
  | 'replaced'
  /** The server did not take this browser's offer, or the browser did not take its answer. */
  | 'incompatible'
  /** The browser lacks WebRTC, or the page is not served over HTTPS. */
  | 'unsupported'
  | 'microphone-denied'
  | 'microphone-missing'
  | 'microphone-busy'
  | 'microphone-failed'
  /** The browser cannot choose where sound is played, or refuses this device. */
  | 'output-device'
  /** The server refused a request on the events' channel, or what this client sends; `eventCode` says why. */
  | 'refused'
  | 'not-connected'
  /** A newer join, leave or close came before this one was done. */
  | 'superseded'
  | 'closed';

/** What is known beside the code. */
export interface VoiceErrorDetails {
  /** The same attempt may work later. */
  readonly retryable?: boolean;
  /** Close code of the websocket. */
  readonly closeCode?: number;
  /** HTTP status. */
  readonly status?: number;
  /** The server asked for this pause, milliseconds. */
  readonly retryAfter?: number;
  /** `code` of the `error` event. */
  readonly eventCode?: string;
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

  constructor(code: VoiceErrorCode, message: string, details: VoiceErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.retryable = details.retryable ?? false;
    this.closeCode = details.closeCode ?? null;
    this.status = details.status ?? null;
    this.retryAfter = details.retryAfter ?? null;
    this.eventCode = details.eventCode ?? null;
  }
}

/** An `error` event as an error. */
export function eventError({ code, detail, next }: { code: string; detail: string; next: string }): VoiceError {
  return new VoiceError('refused', `${detail}. ${next}`, { eventCode: code });
}

/** Close codes: what each means, whether to try again, and after which pause at least (milliseconds). */
const CLOSES: Readonly<Record<number, readonly [VoiceErrorCode, retryable: boolean, retryAfter?: number]>> = {
  1003: ['incompatible', false],
  1007: ['incompatible', false],
  1008: ['incompatible', false],
  1009: ['incompatible', false],
  1011: ['server-error', true],
  1012: ['server-draining', true, 500],
  1013: ['server-full', true, 5000],
  4400: ['incompatible', false],
  4406: ['incompatible', false],
  4408: ['timeout', true],
  4409: ['replaced', false],
  4429: ['incompatible', false],
  4502: ['media-blocked', true],
  4503: ['media-blocked', true],
  4504: ['media-blocked', true],
};

const NEXT_STEPS: Partial<Readonly<Record<VoiceErrorCode, string>>> = {
  incompatible: 'Neither side can be talked into it: report the browser and this text.',
  'server-error': 'The log of the server says more.',
  'server-draining': 'Another server answers, or this one once it is back.',
  'server-full': 'There is room once somebody has left.',
  timeout: 'The network is slow or loses packets.',
  replaced: 'Go on in the tab or app that took over, or connect here again to take it back.',
  'media-blocked': 'The network may block UDP: use another, or a TURN server.',
};

/** Why the websocket was closed, other than by 1000. @param reason the server's own words. */
export function closeError(code: number, reason: string): VoiceError {
  const [kind, retryable, retryAfter] = CLOSES[code] ?? (['unreachable', true] as const);
  const said = reason === '' ? '' : `: ${reason}`;
  const next = NEXT_STEPS[kind] ?? 'The network or a proxy may be the reason.';
  const details = retryAfter === undefined ? { retryable } : { retryable, retryAfter };
  return new VoiceError(kind, `The server closed the websocket with ${code}${said}. ${next}`, {
    ...details,
    closeCode: code,
  });
}

/**
 * Why an HTTP request was refused, from a response that is not `ok`.
 *
 * @param detail of the problem (RFC 9457), or empty. @param retryAfter of the header `Retry-After`, milliseconds.
 */
export function statusError(what: string, status: number, detail: string, retryAfter: number | null): VoiceError {
  const text = `${what}: status ${status}${detail === '' ? '' : `, ${detail}`}`;
  const details = { status, ...(retryAfter === null ? {} : { retryAfter }) };
  const again = { ...details, retryable: true };
  // 401 is the answer of whoever checks tokens, and of the server for one who may not enter.
  if (status === 403 || (status === 401 && /not permitted/i.test(detail))) {
    return new VoiceError('forbidden', `${text}. This user may not do that.`, details);
  }
  if (status === 401 || (status === 400 && /claim/i.test(detail))) {
    return new VoiceError(
      'unauthorized',
      `${text}. Give a token that is valid; a function is asked anew each time.`,
      details,
    );
  }
  if (status === 503 && /full/i.test(detail)) return new VoiceError('server-full', `${text}. Try again later.`, again);
  if (status === 503 && /shut/i.test(detail)) return new VoiceError('server-draining', `${text}. Try again.`, again);
  if (status === 409) return new VoiceError('conversation-full', `${text}. Somebody has to leave first.`, details);
  if (status === 400 || status === 414) return new VoiceError('bad-conversation', `${text}. Take another id.`, details);
  if (status === 404 || status === 405) {
    return new VoiceError('unreachable', `${text}. Check url: it is what stands before /connect and /join.`, details);
  }
  return new VoiceError(status >= 500 ? 'server-error' : 'unreachable', `${text}. Try again later.`, again);
}

/** An event said so. */
export function replaced(): VoiceError {
  const text = 'Another connection with the same userid and clientid took over, of another tab perhaps';
  return new VoiceError('replaced', `${text}. Go on there, or connect here again to take it back.`);
}

/** What was tried for so many milliseconds, and is not any more. */
export function givenUp(error: VoiceError, milliseconds: number): VoiceError {
  error.message += ` Given up after ${milliseconds} ms.`;
  return error;
}

/** Whatever was thrown, as one of ours. */
export function asVoiceError(error: unknown, code: VoiceErrorCode, what: string): VoiceError {
  if (error instanceof VoiceError) return error;
  const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new VoiceError(code, `${what}: ${said}`, { cause: error, retryable: code === 'unreachable' });
}
