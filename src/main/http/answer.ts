/** What a route answers. */
import type { ServerResponse } from 'node:http';
import { problemResponse, RequestError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import { visibleJson } from '../visible.ts';

/** A whole response; `Content-Length` is added to its headers. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Success without anything to say. */
export const EMPTY: Answer = { status: 200, headers: {}, body: '' };

/** An answer in JSON, in one line. @param headers besides the type. */
export function json(value: object, status = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  const body = `${visibleJson(JSON.stringify(value))}\n`;
  return { status, headers: { ...headers, 'Content-Type': 'application/json' }, body };
}

/** Writes a response. */
export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'Content-Length': String(Buffer.byteLength(body)) }).end(body);
}

/**
 * Writes the response to a request that failed.
 *
 * @param unexpected what an error is called that is no RequestError: a fault of the server's, which is logged and not shown.
 * @returns what the client was told.
 */
export function sendProblem(
  response: ServerResponse,
  error: unknown,
  unexpected: 'internal' | 'not-established',
  log: Log,
  message: string,
): RequestError {
  let known: RequestError;
  if (error instanceof RequestError) {
    known = error;
  } else {
    log.error({ err: error }, message);
    known = new RequestError(unexpected, 'It is not the request; the log of the server says more.');
  }
  send(response, problemResponse(known));
  return known;
}
