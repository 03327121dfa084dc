/** Answers to HTTP requests, and how they are written. */
import type { ServerResponse } from 'node:http';
import { problemResponse, RequestError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import { visibleJson } from '../visible.ts';

/** A whole response, without `Content-Length`. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Success without a body. */
export const EMPTY: Answer = { status: 200, headers: {}, body: '' };

/** Returns an answer with a value as one line of JSON. @param headers headers besides `Content-Type`. */
export function json(value: object, status = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  const body = `${visibleJson(JSON.stringify(value))}\n`;
  return { status, headers: { ...headers, 'Content-Type': 'application/json' }, body };
}

/** Writes an answer, and ends the response. */
export function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'Content-Length': String(Buffer.byteLength(body)) }).end(body);
}

/**
 * Writes the answer to a request that failed. An error other than a RequestError is a fault of the server: it is
 * logged, and not shown to the client.
 *
 * @param unexpected the problem that such a fault is reported as.
 * @param message the line in the log about such a fault.
 * @param request id of the request.
 * @returns the problem that was written.
 */
export function sendProblem(
  response: ServerResponse,
  error: unknown,
  unexpected: 'internal' | 'not-established',
  log: Log,
  message: string,
  request: string,
): RequestError {
  let known: RequestError;
  if (error instanceof RequestError) {
    known = error;
  } else {
    log.error({ request, err: error }, message);
    known = new RequestError(unexpected, 'It is not the request; the log of the server says more.');
  }
  send(response, problemResponse(known, request));
  return known;
}
