/** The time by which something has to be done. */

export class Late extends Error {}

export class Deadline {
  /** Aborted at the deadline, with a {@link Late} as its reason. */
  readonly signal: AbortSignal;
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;

  /** @param duration milliseconds from now. */
  constructor(duration: number) {
    this.signal = this.controller.signal;
    this.timer = setTimeout(() => this.controller.abort(new Late(`not done within ${duration} ms`)), duration);
  }

  /** Settles as the promise does, but rejects with a {@link Late} at the deadline. */
  race<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this;
    return new Promise((resolve, reject) => {
      const late = (): void => reject(signal.reason);
      if (signal.aborted) late();
      signal.addEventListener('abort', late, { once: true });
      promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', late));
    });
  }

  /** It was done. */
  end(): void {
    clearTimeout(this.timer);
  }
}
