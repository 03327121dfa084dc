/** The log: JSON lines, or readable ones on a terminal. Main thread only. */
import { type Logger, pino } from 'pino';
import { PinoPretty } from 'pino-pretty';

export type Log = Logger;

/** @param level pino's: trace, debug, info, warn, error, fatal or silent. */
export function createLog(level: string): Log {
  if (process.stdout.isTTY !== true) return pino({ level });
  return pino({ level }, PinoPretty({ sync: true, ignore: 'pid,hostname' }));
}
