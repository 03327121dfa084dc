/**
 * Wakes a sleeping thread, and wakes it once, however many packets arrive meanwhile.
 *
 * A word of shared memory says whether the owner sleeps. The owner sets it *before* it looks at its ring a last time;
 * the other side publishes *before* it looks at the word. With sequentially consistent atomics at least one of them
 * sees what the other did, so no packet waits for a sleeping owner.
 */

const AWAKE = 0;
const ASLEEP = 1;

/** Bytes of shared memory for one bell: a cache line. */
export const BELL_BYTES = 64;

export class Bell {
  private readonly words: Int32Array;
  private readonly word: number;

  /** @param base offset in `memory`, a multiple of 4. */
  constructor(memory: SharedArrayBuffer, base: number) {
    this.words = new Int32Array(memory);
    this.word = base >> 2;
  }

  /** Owner: announces that it is about to sleep. It must look for work once more after this. */
  arm(): void {
    Atomics.store(this.words, this.word, ASLEEP);
  }

  /** Owner: takes that back, because it found work or was woken by other means. */
  disarm(): void {
    Atomics.store(this.words, this.word, AWAKE);
  }

  /**
   * Owner: sleeps until {@link ring} or the deadline. Blocks the thread, so never call it on the main thread.
   *
   * @param milliseconds longest sleep.
   */
  sleep(milliseconds: number): void {
    Atomics.wait(this.words, this.word, ASLEEP, milliseconds);
    Atomics.store(this.words, this.word, AWAKE);
  }

  /** Other side: returns true to exactly one caller if the owner was asleep. That caller must wake it. */
  claim(): boolean {
    if (Atomics.load(this.words, this.word) === AWAKE) return false;
    return Atomics.exchange(this.words, this.word, AWAKE) === ASLEEP;
  }

  /** Other side: wakes the owner if it is in {@link sleep}. @returns whether it was, and nobody else woke it. */
  ring(): boolean {
    const claimed = this.claim();
    if (claimed) Atomics.notify(this.words, this.word, 1);
    return claimed;
  }
}
