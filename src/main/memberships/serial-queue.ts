/** Changes that take effect in the order in which they came, though some have to wait for something first. */

/** By key, one change after the other; different keys do not wait for each other. */
export class SerialQueue {
  private readonly lines = new Map<string, { count: number; last: Promise<unknown> }>();
  private readonly limit: number;

  /** @param limit changes of one key that may wait at a time. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Keys with something that waits. */
  get size(): number {
    return this.lines.size;
  }

  /** How many changes of a key wait. */
  waiting(key: string): number {
    return this.lines.get(key)?.count ?? 0;
  }

  /** Whether another change of the key may wait. */
  hasRoom(key: string): boolean {
    return this.waiting(key) < this.limit;
  }

  /**
   * Makes a change once it is ready and every earlier one of the same key is over, whether that came to pass or not.
   *
   * @param ready what the change waits for; it is waited for at once, and if it fails the change is not made.
   * @returns rejects with why `ready` failed or with what `act` threw.
   */
  async take(key: string, ready: Promise<unknown> | null, act: () => void): Promise<undefined> {
    const line = this.lines.get(key) ?? { count: 0, last: Promise.resolve() };
    this.lines.set(key, line);
    line.count++;
    const mine = Promise.allSettled([ready, line.last]).then(([checked]) => {
      if (checked.status === 'rejected') throw checked.reason;
      act();
    });
    line.last = mine;
    try {
      return void (await mine);
    } finally {
      if (--line.count === 0) this.lines.delete(key);
    }
  }
}
