/**
 * The log: JSON lines, or readable ones on a terminal. Main thread only.
 *
 * What goes into it: SDP and clients' addresses at `debug` and below only, and a query string at no level, for browsers
 * send their token in it.
 */
import { type Logger, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';
import { describeError } from './redact.ts';

export type Log = Logger;

/** @param level pino's: trace, debug, info, warn, error, fatal or silent. */
export function createLog(level: string): Log {
  const options = { level, serializers: { err: describeError } };
  if (process.stdout.isTTY !== true) return pino(options);
  return pino(options, PinoPretty({ sync: true, ignore: 'pid,hostname' }));
}
