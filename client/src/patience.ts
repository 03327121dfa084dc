/** Whether to try again, and when: pauses between attempts, tokens that are refused, connections that fall as soon as they stand. */
import { Backoff } from './backoff.ts';
import type { VoiceError } from './errors.ts';
import type { ClientOptions } from './types.ts';

/** Refusals of a token in a row, with a function that is asked for another one each time. */
const MAX_REFUSALS = 3;
/** A connection that stood for less is brief, milliseconds: after two of them in a row there are pauses. */
const SETTLED_MS = 10_000;

export class Patience {
  private readonly backoff: Backoff;
  private readonly asksForTokens: boolean;
  private refusals = 0;
  /** When a connection stood last, on the clock of `performance`; 0 for never. */
  private since = 0;
  /** Brief connections in a row. */
  private brief = 0;
  private endPause: (() => void) | null = null;
  private over = false;

  constructor({ backoff = {}, token }: Pick<ClientOptions, 'backoff' | 'token'>) {
    this.backoff = new Backoff(backoff.first ?? 500, backoff.most ?? 15_000);
    this.asksForTokens = typeof token === 'function';
  }

  /** Attempts that failed in a row. */
  get failures(): number {
    return this.backoff.failures;
  }

  /** Whether connections fall as soon as they stand, and would be made anew several times a second. */
  get hurried(): boolean {
    return this.brief > 1;
  }

  get pausing(): boolean {
    return this.endPause !== null;
  }

  /** A run of attempts begins. */
  begin(): void {
    this.refusals = 0;
    if (!this.hurried) this.backoff.reset();
  }

  /** A connection stands. */
  stood(): void {
    this.since = performance.now();
  }

  /** It is lost. */
  fell(): void {
    this.brief = performance.now() - this.since < SETTLED_MS ? this.brief + 1 : 0;
  }

  /** Another one is wanted for itself. */
  wanted(): void {
    this.brief = 0;
  }

  /** There is reason to hope anew. */
  reset(): void {
    this.backoff.reset();
  }

  /** Whether another attempt may succeed after this failure. */
  hopes(error: VoiceError): boolean {
    if (error.code === 'unauthorized' && !error.retryable) return this.asksForTokens && ++this.refusals < MAX_REFUSALS;
    this.refusals = 0;
    // While instances are exchanged, a proxy may not know the way for a while.
    return error.retryable || (error.code === 'unreachable' && this.since > 0);
  }

  /** How long to pause after this failure, milliseconds. */
  next(error: VoiceError): number {
    return error.code === 'superseded' ? 0 : this.backoff.next(error.retryAfter ?? 0);
  }

  /** Pauses, until {@link end} at most. */
  pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.endPause = null;
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      this.endPause = end;
      if (this.over) end();
    });
  }

  /** Ends a pause. */
  end(): void {
    this.endPause?.();
  }

  /** Ends a pause, and all that would come. */
  close(): void {
    this.over = true;
    this.end();
  }
}
