/**
 * The log: JSON lines, or readable ones on a terminal. Main thread only.
 *
 * What a client brought cannot move the cursor, nor hide or turn what stands beside it: such characters are escaped.
 *
 * What goes into it: SDP and clients' addresses at `debug` and below only, and a query string at no level, for browsers
 * send their token in it.
 */
import { type DestinationStream, type Logger, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';
import { describeError } from './redact.ts';
import { visibleJson, visibleOnceRead } from './visible.ts';

export type Log = Logger;

/** @param level pino's: trace, debug, info, warn, error, fatal or silent. */
export function createLog(level: string): Log {
  const options = { level, serializers: { err: describeError } };
  if (process.stdout.isTTY !== true) return pino(options, through(visibleJson, pino.destination({ sync: true })));
  return pino(options, through(visibleOnceRead, PinoPretty({ sync: true, ignore: 'pid,hostname' })));
}

function through(change: (line: string) => string, to: DestinationStream): DestinationStream {
  return { write: (line) => to.write(change(line)) };
}
