/**
 * Whether what is known of another instance in a conversation can be true. A lie, or a fault of this program, must not
 * last longer than the next few messages.
 */

/** An instance whose messages have older numbers for so long has never sent what is known, milliseconds. */
const OLD_MS = 2000;
/** Pause after the first disagreement; it doubles with each further one. Versions may calculate digests differently. */
const MIN_PAUSE_MS = 2000;
const MAX_PAUSE_MS = 300_000;

export class Doubt {
  private oldSince: number | null = null;
  private pause = MIN_PAUSE_MS;
  private quietUntil = Number.NEGATIVE_INFINITY;

  /** A message came that is not from before what is known. */
  newer(): void {
    this.oldSince = null;
  }

  /** A message came that is from before what is known. @returns whether nothing else has come for too long. */
  older(now: number): boolean {
    this.oldSince ??= now;
    if (now - this.oldSince < OLD_MS) return false;
    this.oldSince = null;
    return true;
  }

  /** What is known is what the instance has told. */
  agrees(): void {
    this.pause = MIN_PAUSE_MS;
    this.quietUntil = Number.NEGATIVE_INFINITY;
  }

  /** It is not. @returns whether to ask for the state now. */
  disagrees(now: number): boolean {
    if (now < this.quietUntil) return false;
    this.quietUntil = now + this.pause;
    this.pause = Math.min(2 * this.pause, MAX_PAUSE_MS);
    return true;
  }
}
