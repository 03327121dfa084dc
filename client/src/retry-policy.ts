/** Decides whether and when to retry: pauses between attempts, refused tokens, and connections that do not last. */
import { Backoff } from './backoff.ts';
import type { VoiceError } from './errors.ts';
import type { ClientOptions } from './types.ts';

/** Consecutive token refusals to accept if the application supplies a new token each time. */
const MAX_REFUSALS = 3;
/** A connection that lasted less is brief, milliseconds. After two brief ones in a row, attempts are paused. */
const SETTLED_MS = 10_000;

export class RetryPolicy {
  readonly #backoff: Backoff;
  readonly #asksForTokens: boolean;
  #refusals = 0;
  /** When a connection was last established, by `performance.now()`; 0 for never. */
  #since = 0;
  /** Consecutive brief connections. */
  #brief = 0;
  /** When the pause in progress ends, milliseconds since 1970; null without one. */
  pauseEnd: number | null = null;
  #endPause: (() => void) | null = null;
  #closed = false;

  constructor({ backoff = {}, token }: Pick<ClientOptions, 'backoff' | 'token'>) {
    this.#backoff = new Backoff(backoff.first ?? 500, backoff.most ?? 15_000);
    this.#asksForTokens = typeof token === 'function';
  }

  /** Consecutive failed attempts. */
  get failures(): number {
    return this.#backoff.failures;
  }

  /** Whether connections drop as soon as they are established, so that without pauses they would follow in a rush. */
  get flapping(): boolean {
    return this.#brief > 1;
  }

  get pausing(): boolean {
    return this.#endPause !== null;
  }

  /** Begins a series of attempts. */
  begin(): void {
    this.#refusals = 0;
    if (!this.flapping) this.#backoff.reset();
  }

  /** Records that a connection was established. */
  established(): void {
    this.#since = performance.now();
  }

  /** Records that the connection was lost. */
  lost(): void {
    this.#brief = performance.now() - this.#since < SETTLED_MS ? this.#brief + 1 : 0;
  }

  /** Records that the application asked for a new connection. */
  requested(): void {
    this.#brief = 0;
  }

  /** Starts over with the shortest pause, since the next attempt is likely to succeed. */
  reset(): void {
    this.#backoff.reset();
  }

  /** Whether another attempt may succeed after this failure. */
  allows(error: VoiceError): boolean {
    if (error.code === 'unauthorized' && !error.retryable)
      return this.#asksForTokens && ++this.#refusals < MAX_REFUSALS;
    this.#refusals = 0;
    // While instances are being replaced, a proxy may have no route for a moment.
    return error.retryable || (error.code === 'unreachable' && this.#since > 0);
  }

  /** Returns how long to pause after this failure, milliseconds. */
  next(error: VoiceError): number {
    return error.code === 'superseded' ? 0 : this.#backoff.next(error.retryAfter ?? 0);
  }

  /** Pauses, unless {@link end} cuts it short. */
  pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#endPause = null;
        this.pauseEnd = null;
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      this.#endPause = end;
      this.pauseEnd = Date.now() + milliseconds;
      if (this.#closed) end();
    });
  }

  /** Ends the pause in progress. */
  end(): void {
    this.#endPause?.();
  }

  /** Ends the pause in progress and all later ones. */
  close(): void {
    this.#closed = true;
    this.end();
  }
}
