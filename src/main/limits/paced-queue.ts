/**
 * A bounded queue of work that the main thread does a piece at a time, so that packets never wait for it. After each
 * turn it rests until the thread has been idle for as long as the work took, times a factor: whatever else there is to
 * do has been done by then. If the thread is never idle, the work goes on after a longer rest, with a small share.
 */
import { idleMs } from '../event-loop.ts';
import { type Timers, timers } from '../timers.ts';

/** Work of one turn after which no further piece begins, milliseconds. Timers are not finer. */
const TURN_MS = 1;
/** Longest rest, milliseconds. A turn that would need a longer one was interrupted because the machine stood still. */
const MAX_REST_MS = 250;
/** Weight of the latest piece in the average of what a piece takes, rest included. */
const WEIGHT = 1 / 16;

/** How a queue works. */
export interface Pace {
  /** Most pieces that wait. */
  readonly limit: number;
  /** How long the thread has to be idle after a turn, as a multiple of the turn. */
  readonly idle: number;
  /** Longest rest after a turn, as a multiple of the turn. */
  readonly rest: number;
  /** What a piece takes with its rest, until some were measured; milliseconds. */
  readonly expected: number;
}

/** The time, and how much of it the event loop had nothing to do. */
export interface LoopTime extends Pick<Timers, 'now' | 'after'> {
  /** Returns the time that the event loop has waited for something to happen, milliseconds. */
  idle(): number;
}

/** The time of this thread's event loop. */
export const loopTime: LoopTime = {
  now: timers.now,
  after: timers.after,
  idle: idleMs,
};

interface Piece {
  readonly act: () => void;
  readonly since: number;
}

export class PacedQueue<Key> {
  private readonly pace: Pace;
  private readonly time: LoopTime;
  private readonly waited: (milliseconds: number) => void;
  private readonly pieces = new Map<Key, Piece>();
  private resting = false;
  private average: number;

  /** @param waited told how long each piece has waited when its turn comes, milliseconds. */
  constructor(pace: Pace, waited: (milliseconds: number) => void = () => undefined, time: LoopTime = loopTime) {
    this.pace = pace;
    this.waited = waited;
    this.time = time;
    this.average = pace.expected;
  }

  /** Pieces that wait. */
  get length(): number {
    return this.pieces.size;
  }

  /** How long a piece would take to come to its turn behind so many others, milliseconds; an estimate. */
  waitBehind(pieces: number): number {
    return pieces * this.average;
  }

  /**
   * Does a piece of work: at once if nothing waits and the queue does not rest, otherwise when its turn comes.
   *
   * @param key what {@link drop} takes; not of a piece that waits. @param act must not throw.
   * @returns false if too many wait already.
   */
  add(key: Key, act: () => void): boolean {
    if (this.pieces.size >= this.pace.limit) return false;
    this.pieces.set(key, { act, since: this.time.now() });
    if (!this.resting) this.turn();
    return true;
  }

  /** Forgets a piece whose turn has not come. @returns whether there was one. */
  drop(key: Key): boolean {
    return this.pieces.delete(key);
  }

  /** Works for a moment. A piece that is added meanwhile waits for the end of the rest. */
  private turn(): void {
    this.resting = true;
    const begun = this.time.now();
    let done = 0;
    let now = begun;
    for (const [key, { act, since }] of this.pieces) {
      this.pieces.delete(key);
      this.waited(now - since);
      act();
      done++;
      now = this.time.now();
      if (now - begun >= TURN_MS) break;
    }
    this.rest({ begun, ended: now, idle: this.time.idle(), done });
  }

  private rest(turn: { begun: number; ended: number; idle: number; done: number }): void {
    const { pace, time } = this;
    const took = turn.ended - turn.begun;
    const atMost = Math.min(took * pace.rest, MAX_REST_MS);
    const look = (): void => {
      const rested = time.now() - turn.ended;
      const missing = Math.min(took * pace.idle - (time.idle() - turn.idle), atMost - rested);
      if (missing > 0) {
        time.after(Math.max(1, Math.ceil(missing)), look);
        return;
      }
      this.resting = false;
      const each = (took + rested) / turn.done;
      this.average += (each - this.average) * WEIGHT;
      if (this.pieces.size > 0) this.turn();
    };
    time.after(Math.max(1, Math.ceil(Math.min(took * pace.idle, atMost))), look);
  }
}
