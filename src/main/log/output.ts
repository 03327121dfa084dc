/**
 * Writes the log to standard output without waiting for its reader. If nobody reads, lines are kept up to a bound;
 * further ones are dropped and counted, and the service goes on.
 */

/** The part of standard output in use. Node writes to pipes and sockets without blocking, else synchronously. */
export interface LogStream {
  /** Bytes that were not read yet; undefined for streams that never keep any. */
  readonly writableLength?: number;
  readonly destroyed?: boolean;
  write(text: string): unknown;
  on(event: 'drain' | 'error', listener: () => void): unknown;
}

/** Most bytes kept for a slow reader. */
const MAX_UNREAD = 1 << 20;
/** How long the process waits for the reader before it exits, milliseconds. */
const FLUSH_TIMEOUT_MS = 1000;
const FLUSH_POLL_MS = 5;

export class LogOutput {
  /** Lines dropped so far. */
  lost = 0;
  private told = 0;
  private readonly stream: LogStream;

  constructor(stream: LogStream) {
    this.stream = stream;
    // The reader is gone. Without a listener this would end the service.
    stream.on('error', () => undefined);
  }

  /** Reports lost lines once somebody reads again. @param tell gets how many lines were lost since the last report. */
  whenReadAgain(tell: (lines: number) => void): void {
    this.stream.on('drain', () => {
      const lines = this.lost - this.told;
      this.told = this.lost;
      if (lines > 0) tell(lines);
    });
  }

  /** Writes a line, or drops it. Never blocks on a pipe or socket, and never throws. */
  write(line: string): void {
    if (this.stream.destroyed === true || this.unread > MAX_UNREAD) this.lost++;
    else this.stream.write(line);
  }

  /** Calls back once all lines are written, or after a second, because perhaps nobody reads them. For pino. */
  flush(done: () => void): void {
    const end = performance.now() + FLUSH_TIMEOUT_MS;
    const look = (): void => {
      if (this.unread === 0 || this.stream.destroyed === true || performance.now() >= end) done();
      else setTimeout(look, FLUSH_POLL_MS);
    };
    look();
  }

  private get unread(): number {
    return this.stream.writableLength ?? 0;
  }
}

/** The standard output of this process. */
export const standardOutput = new LogOutput(process.stdout);
