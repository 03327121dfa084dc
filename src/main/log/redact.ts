/** Errors for the log: what helps to find the fault, and nothing that came from a client. */

/** How many causes of causes are described. */
const MAX_DEPTH = 4;
/** From a `?` on: the query of any path or URL that an error quotes. */
const QUERY = /\?[^\s"'`)]*/g;
/** A line of SDP (RFC 8866, section 5), at the beginning of a line or quoted. */
const SDP_LINE = /(^|[\s"'`:])(?:[abceikmoprstuvz]=[^\s"'`]|candidate:)[^\r\n"'`]*/gm;
const IPV4 = /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)/g;
/** Three groups at least, or two colons in a row; a time of day has two colons and no hex letters, and is lost with it. */
const IPV6 = /(?<![\w:.])(?=[\da-f:]*:[\da-f:]*:)(?:[\da-f]{0,4}:){2,7}[\da-f]{0,4}(?:%\w+)?(?![\w:])/gi;

/** An error as it is logged. */
export interface ErrorDescription {
  readonly type: string;
  readonly message: string;
  readonly stack: string;
  readonly code?: string;
  readonly syscall?: string;
  readonly cause?: ErrorDescription | string;
}

/** For pino's `err`: none of an error's own properties but these, for they may hold a whole request. */
export function describeError(error: unknown): ErrorDescription | string {
  return describe(error, 0);
}

/** Text without query strings, SDP and IP addresses. */
export function redact(text: string): string {
  return text.replace(QUERY, '?…').replace(SDP_LINE, '$1(SDP)').replace(IPV4, '(address)').replace(IPV6, '(address)');
}

function describe(error: unknown, depth: number): ErrorDescription | string {
  if (!(error instanceof Error)) return redact(typeof error === 'string' ? error : `a thrown ${typeof error}`);
  const { code, syscall } = error as NodeJS.ErrnoException;
  return {
    type: error.constructor.name,
    message: redact(error.message),
    stack: redact(error.stack ?? ''),
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof syscall === 'string' ? { syscall } : {}),
    ...(error.cause === undefined || depth >= MAX_DEPTH ? {} : { cause: describe(error.cause, depth + 1) }),
  };
}
