/**
 * The log: JSON lines, or readable lines on a terminal. Main thread only.
 *
 * Text from clients cannot move the cursor, nor hide or turn the text around it: such characters are escaped.
 *
 * SDP and clients' addresses appear at `debug` and below only. Query strings appear at no level, because browsers put
 * their token there.
 */
import { createRequire } from 'node:module';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { PinoPretty } from 'pino-pretty';
import { visibleJson, visibleOnceRead } from '../visible.ts';
import { type LogOutput, standardOutput } from './output.ts';
import { describeError } from './redact.ts';

export type Log = Logger;

/**
 * Opens the log.
 *
 * @param level a level of pino: trace, debug, info, warn, error, fatal or silent.
 * @param output where lines go unless standard output is a terminal.
 */
export function createLog(level: string, output: LogOutput = standardOutput): Log {
  const options = { level, serializers: { err: describeError } };
  const readable = process.stdout.isTTY === true ? readableOutput() : null;
  if (readable !== null) return pino(options, through(visibleOnceRead, readable));
  // pino passes `flush` on to its destination, which its types do not show.
  const flush = (done: () => void): void => output.flush(done);
  const log = pino(options, Object.assign(through(visibleJson, output), { flush }));
  output.whenReadAgain((lines) => log.warn({ lines }, 'nobody read the log: lines are lost'));
  return log;
}

/** Resolves once all lines are written, or after a second. */
export function flushed(log: Log): Promise<void> {
  return new Promise((resolve) => log.flush(() => resolve()));
}

/** Returns an output for people, or null if its package, which only a terminal needs, is not installed. */
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
