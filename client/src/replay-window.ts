/** Tells which frames of a stream have come before (RFC 9605, section 9.3). */

/** How far behind a frame may be: ten seconds, or five while its sender has two connections. */
const FRAMES = 512;

/** What of a stream is the same on all connections. */
export interface StreamProgress {
  /** The highest counter of an authentic frame. */
  highest: number;
}

/**
 * The frames that came on one connection. While one connection replaces another, the same frame comes on both. Those of
 * long ago come on none: the progress of the stream is common to them.
 */
export class ReplayWindow {
  /** One more than the last counter in each place. */
  readonly #seen = new Uint32Array(FRAMES);
  readonly #progress: StreamProgress;

  constructor(progress: StreamProgress) {
    this.#progress = progress;
  }

  /** Returns whether a counter is new here. */
  allows(counter: number): boolean {
    return counter > this.#progress.highest - FRAMES && this.#seen[counter % FRAMES]! <= counter;
  }

  /** Notes an authentic frame. */
  take(counter: number): void {
    this.#seen[counter % FRAMES] = counter + 1;
    this.#progress.highest = Math.max(this.#progress.highest, counter);
  }
}
