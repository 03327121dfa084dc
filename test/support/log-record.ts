/** A log that a test reads. */
import { pino } from 'pino';
import type { Log } from '../../src/main/log/log.ts';
import { describeError } from '../../src/main/log/redact.ts';

/** A line, as in the service's own log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly level: number; readonly msg: string };

export interface LogRecord {
  readonly log: Log;
  /** Everything that was logged so far, at every level. */
  readonly lines: readonly LogLine[];
}

export function recordLog(): LogRecord {
  const lines: LogLine[] = [];
  const options = { level: 'trace', serializers: { err: describeError } };
  return { log: pino(options, { write: (line: string) => void lines.push(JSON.parse(line)) }), lines };
}
