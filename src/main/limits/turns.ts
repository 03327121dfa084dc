/**
 * Work through what comes in bursts, such as requests: a few milliseconds in each turn of the event loop, the rest in
 * the next ones. Without this, a turn in which a hundred sockets have a request serves all of them before anything else,
 * packets included; and Node accepts one new socket a turn, so that newcomers wait as many long turns as there are of
 * them.
 */
import { milliseconds } from '../../workers/clock.ts';

/** Work of one turn after which the rest waits for the next, milliseconds. */
const TURN_MS = 1;

export class Turns {
  private readonly limit: number;
  private readonly later: (body: () => void) => void;
  private readonly now: () => number;
  private waiting: (() => void)[] = [];
  private spent = 0;
  private scheduled = false;

  /**
   * @param limit most pieces that wait. Further ones are done at once, as if there were no turns.
   * @param later continues after the event loop's turn. @param now milliseconds.
   */
  constructor(limit: number, later: (body: () => void) => void = setImmediate, now: () => number = milliseconds) {
    this.limit = limit;
    this.later = later;
    this.now = now;
  }

  /** Pieces that wait. */
  get length(): number {
    return this.waiting.length;
  }

  /** Does a piece of work, now or in one of the next turns; in the order of the calls. @param act must not throw. */
  take(act: () => void): void {
    const { waiting } = this;
    if (!this.scheduled) {
      this.scheduled = true;
      this.later(() => this.next());
    }
    // While anything waits, the turn is used up.
    if (this.spent < TURN_MS || waiting.length >= this.limit) this.do(act);
    else waiting.push(act);
  }

  private next(): void {
    this.scheduled = false;
    this.spent = 0;
    if (this.waiting.length === 0) return;
    this.scheduled = true;
    this.later(() => this.next());
    const { waiting } = this;
    let done = 0;
    while (done < waiting.length && this.spent < TURN_MS) this.do(waiting[done++]!);
    waiting.splice(0, done);
  }

  private do(act: () => void): void {
    const begun = this.now();
    act();
    this.spent += this.now() - begun;
  }
}
