/** Describes errors for the log: what helps to find the fault, without anything from a client. */

/** How deep causes of causes are described. */
const MAX_DEPTH = 4;
/** The query of a path or URL in an error's text, from `?` on. */
const QUERY = /\?[^\s"'`)]*/g;
/** A line of SDP (RFC 8866, section 5) at the start of a line, or in quotes. */
const SDP_LINE = /(^|[\s"'`:])(?:[abceikmoprstuvz]=[^\s"'`]|candidate:)[^\r\n"'`]*/gm;
const IPV4 = /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)/g;
/** An IPv6 address: at least three groups, or two colons in a row. Times of day look the same and are redacted too. */
const IPV6 = /(?<![\w:.])(?=[\da-f:]*:[\da-f:]*:)(?:[\da-f]{0,4}:){2,7}[\da-f]{0,4}(?:%\w+)?(?![\w:])/gi;

/** An error in the log. */
export interface ErrorDescription {
  readonly type: string;
  readonly message: string;
  readonly stack: string;
  readonly code?: string;
  readonly syscall?: string;
  readonly cause?: ErrorDescription | string;
}

/** Serializes `err` for pino. It leaves out the error's other properties, which may hold a whole request. */
export function describeError(error: unknown): ErrorDescription | string {
  return describe(error, 0);
}

/** Removes query strings, SDP and IP addresses from a text. */
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
