/**
 * Lets the event loop rest for a moment after a turn that brought packets, so that those of the next moment come in one
 * turn.
 *
 * A turn costs more the more connections there are: libuv walks over all of its async handles each time, and each
 * connection has several. Without a rest every packet causes two turns, one when it comes in and one when the worker
 * has forwarded it. What leaves does not wait: workers wake the main thread out of its rest for what is to be sent.
 *
 * A rest is as long as the connections make it worth, and main takes it only if packets come that often: otherwise it
 * would delay some and gather none.
 */
import { Bell } from '../../workers/bell.ts';
import { milliseconds } from '../../workers/clock.ts';
import { addRest } from '../event-loop.ts';

/** What a rest is interrupted for. */
export interface RestingShard {
  /** Whether it has more to send than it sends at once, and goes on in the event loop's next turn. */
  readonly pumping: boolean;
  /** Whether there is something to be sent. */
  readonly ready: boolean;
  /** Keeps its worker from waking the event loop until the next {@link flush}. */
  hold(): void;
  /** Sends what is ready. */
  flush(): void;
}

export interface RestParts {
  /** Memory of the bell by which workers wake main out of a rest. */
  readonly bell: SharedArrayBuffer;
  readonly shards: readonly RestingShard[];
  /** How many connections there are. */
  readonly connections: () => number;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** How long a rest is for each connection, and at most, milliseconds. */
const FOR_EACH_MS = 0.002;
const LONGEST_MS = 2;
/** With fewer connections than this packets never come often enough for so short a rest. */
const FEWEST = 50;

export class Rest {
  private readonly parts: RestParts;
  private readonly bell: Bell;
  private readonly now: () => number;
  private due = false;
  /** When the latest turn that brought packets was over, milliseconds. */
  private rested = Number.NEGATIVE_INFINITY;
  private readonly turn = (): void => {
    this.due = false;
    this.take();
  };

  constructor(parts: RestParts) {
    this.parts = parts;
    this.now = parts.now ?? milliseconds;
    this.bell = new Bell(parts.bell, 0);
  }

  /** This turn of the event loop has brought a packet. */
  note(): void {
    if (this.due || this.parts.connections() < FEWEST) return;
    this.due = true;
    setImmediate(this.turn);
  }

  private take(): void {
    const { shards, connections } = this.parts;
    const length = Math.min(LONGEST_MS, connections() * FOR_EACH_MS);
    const began = this.now();
    const often = began - this.rested < length;
    this.rested = began;
    if (!often) return;
    for (let left = length; left > 0 && !shards.some(isPumping); left = began + length - this.rested) {
      for (const shard of shards) shard.hold();
      this.bell.arm();
      if (shards.some(isReady)) this.bell.disarm();
      else this.sleep(left);
      for (const shard of shards) if (shard.ready) shard.flush();
      this.rested = this.now();
    }
    for (const shard of shards) shard.flush();
  }

  private sleep(milliseconds: number): void {
    const begun = this.now();
    this.bell.sleep(milliseconds);
    addRest(this.now() - begun);
  }
}

function isPumping({ pumping }: RestingShard): boolean {
  return pumping;
}

function isReady({ ready }: RestingShard): boolean {
  return ready;
}
