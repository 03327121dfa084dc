/**
 * How a sleeping thread is woken, once, however many packets arrive while it wakes.
 *
 * A word of shared memory says whether the owner sleeps. The owner raises it *before* it looks at its ring a last time;
 * the other side publishes *before* it looks at the word. With sequentially consistent atomics one of the two sees the
 * other, so no packet is left lying in front of a sleeper.
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

  /** Owner: about to sleep. Look for work once more after this. */
  arm(): void {
    Atomics.store(this.words, this.word, ASLEEP);
  }

  /** Owner: found work after all, or is awake by other means. */
  disarm(): void {
    Atomics.store(this.words, this.word, AWAKE);
  }

  /**
   * Owner: sleeps until {@link ring} or the deadline. Blocks the thread; never on the main thread.
   *
   * @param milliseconds longest sleep.
   */
  sleep(milliseconds: number): void {
    Atomics.wait(this.words, this.word, ASLEEP, milliseconds);
    Atomics.store(this.words, this.word, AWAKE);
  }

  /** Other side: true for exactly one caller if the owner was asleep, who must then wake it. */
  claim(): boolean {
    if (Atomics.load(this.words, this.word) === AWAKE) return false;
    return Atomics.exchange(this.words, this.word, AWAKE) === ASLEEP;
  }

  /** Other side: wakes an owner that sleeps in {@link sleep}. */
  ring(): void {
    if (this.claim()) Atomics.notify(this.words, this.word, 1);
  }
}
