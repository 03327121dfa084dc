/**
 * Where the log goes: standard output, without waiting for whoever reads it. While nobody does, lines are kept up to a bound, then
 * lost and counted, and the service goes on.
 */

/** What standard output is needed for; Node writes to pipes and sockets without blocking, to files and terminals at once. */
export interface LogStream {
  /** Bytes that nobody has taken yet; undefined where there cannot be any. */
  readonly writableLength?: number;
  readonly destroyed?: boolean;
  write(text: string): unknown;
  on(event: 'drain' | 'error', listener: () => void): unknown;
}

/** Most that is kept for a reader who is late, bytes. */
const MAX_UNREAD = 1 << 20;
/** How long the end of the process waits for the reader, milliseconds. */
const FLUSH_TIMEOUT_MS = 1000;
const FLUSH_POLL_MS = 5;

export class LogOutput {
  /** Lines that nobody will read. */
  lost = 0;
  private told = 0;
  private readonly stream: LogStream;

  constructor(stream: LogStream) {
    this.stream = stream;
    // Whoever read it is gone. Without a listener that would be the end of the service, too.
    stream.on('error', () => undefined);
  }

  /** @param tell gets how many lines were lost, once there is a reader again. */
  whenReadAgain(tell: (lines: number) => void): void {
    this.stream.on('drain', () => {
      const lines = this.lost - this.told;
      this.told = this.lost;
      if (lines > 0) tell(lines);
    });
  }

  /** Never blocks on a pipe or socket, and never throws. */
  write(line: string): void {
    if (this.stream.destroyed === true || this.unread > MAX_UNREAD) this.lost++;
    else this.stream.write(line);
  }

  /** Calls back once everything is out, or after a second: nobody may read it. For pino. */
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

/** Of this process. */
export const standardOutput = new LogOutput(process.stdout);
