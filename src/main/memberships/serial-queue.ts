/** Makes changes in the order of their requests, even if some have to wait for something first. */

/** Changes with the same key are made one after the other. Different keys do not wait for each other. */
export class SerialQueue {
  private readonly lines = new Map<string, { count: number; last: Promise<unknown> }>();
  private readonly limit: number;

  /** @param limit most changes of one key that may wait at a time. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Keys with waiting changes. */
  get size(): number {
    return this.lines.size;
  }

  /** Number of changes of a key that wait. */
  waiting(key: string): number {
    return this.lines.get(key)?.count ?? 0;
  }

  /** Whether another change of the key may wait. */
  hasRoom(key: string): boolean {
    return this.waiting(key) < this.limit;
  }

  /**
   * Makes a change once it is ready and all earlier changes of the same key were made or have failed.
   *
   * @param ready what the change waits for. If it rejects, the change is not made.
   * @param act makes the change from what `ready` resolves to, and may take its time: the next one waits for its
   *   promise.
   * @returns what `act` returns. Rejects with the reason of `ready`, or with what `act` throws or rejects with.
   */
  async take<T, R>(key: string, ready: Promise<R> | null, act: (result: R) => T | Promise<T>): Promise<T> {
    const line = this.lines.get(key) ?? { count: 0, last: Promise.resolve() };
    this.lines.set(key, line);
    line.count++;
    const mine = Promise.allSettled([ready, line.last]).then(([checked]) => {
      if (checked.status === 'rejected') throw checked.reason;
      return act(checked.value as R);
    });
    line.last = mine;
    try {
      return await mine;
    } finally {
      if (--line.count === 0) this.lines.delete(key);
    }
  }
}
