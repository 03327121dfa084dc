/**
 * The log: JSON lines, or readable ones on a terminal. Main thread only.
 *
 * What a client brought cannot move the cursor, nor hide or turn what stands beside it: such characters are escaped.
 *
 * What goes into it: SDP and clients' addresses at `debug` and below only, and a query string at no level, for browsers
 * send their token in it.
 */
import { createRequire } from 'node:module';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { PinoPretty } from 'pino-pretty';
import { visibleJson, visibleOnceRead } from '../visible.ts';
import { type LogOutput, standardOutput } from './output.ts';
import { describeError } from './redact.ts';

export type Log = Logger;

/**
 * @param level pino's: trace, debug, info, warn, error, fatal or silent.
 * @param output where it goes unless standard output is a terminal.
 */
export function createLog(level: string, output: LogOutput = standardOutput): Log {
  const options = { level, serializers: { err: describeError } };
  const readable = process.stdout.isTTY === true ? readableOutput() : null;
  if (readable !== null) return pino(options, through(visibleOnceRead, readable));
  // pino hands its own `flush` on, which its types do not say.
  const flush = (done: () => void): void => output.flush(done);
  const log = pino(options, Object.assign(through(visibleJson, output), { flush }));
  output.whenReadAgain((lines) => log.warn({ lines }, 'nobody read the log: lines are lost'));
  return log;
}

/** Resolves once what was logged is out, after a second at most. */
export function flushed(log: Log): Promise<void> {
  return new Promise((resolve) => log.flush(() => resolve()));
}

/** Where lines for people go; null without the package, which only a terminal needs. */
function readableOutput(): DestinationStream | null {
  try {
    const pretty: typeof PinoPretty = createRequire(import.meta.url)('pino-pretty');
    return pretty({ sync: true, ignore: 'pid,hostname' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    return null;
  }
}

function through(change: (line: string) => string, to: DestinationStream): DestinationStream {
  return { write: (line) => to.write(change(line)) };
}
