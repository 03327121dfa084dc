/**
 * How long packets of one instance are under way, though the two clocks have nothing in common: the time beyond that of
 * the fastest packet so far.
 */

/** By how much the clocks may run at different speeds: the fastest packet's time is let grow so much a second. */
const DRIFT = 200e-6;
/** If every packet is late for so long, microseconds, the other clock was set anew, and the measuring begins again. */
const LATE_RUN = 10_000_000;
/** A packet that is faster by more than this than all before it is not believed by itself, microseconds. */
const LEAP = 50_000;
/** It is believed if all others for so long are as fast, microseconds. */
const LEAP_RUN = 100_000;

export class ClockOffset {
  /** The least of the differences between arrival here and arrival there, microseconds modulo 2^32. */
  private least = 0;
  private known = false;
  private at = 0;
  /** What {@link DRIFT} has not made a whole microsecond of yet. */
  private drift = 0;
  private late = false;
  private lateSince = 0;
  /** The least difference of those that leapt ahead, and since when all have. */
  private leaping = false;
  private leap = 0;
  private leapSince = 0;

  /**
   * Takes a packet.
   *
   * @param stamp its arrival at its own instance. @param now of this instance's clock. Both microseconds modulo 2^32.
   * @param tooLate from which delay on it counts as late, microseconds.
   * @returns its delay, microseconds, 0 … 2^31 - 1.
   */
  take(stamp: number, now: number, tooLate: number): number {
    const difference = (now - stamp) | 0;
    this.age(now);
    const delay = (difference - this.least) | 0;
    if (this.known && delay < -LEAP) {
      this.leaps(difference, now);
      return 0;
    }
    if (delay <= tooLate) this.leaping = false;
    if (!this.known || delay < 0 || this.isReset(delay > tooLate, now)) {
      this.known = true;
      this.late = false;
      this.least = difference;
      return 0;
    }
    return delay;
  }

  private age(now: number): void {
    this.drift += ((now - this.at) >>> 0) * DRIFT;
    this.at = now;
    const whole = Math.floor(this.drift);
    this.drift -= whole;
    this.least = (this.least + whole) | 0;
  }

  /** A wrong stamp must not make everything after it seem late. */
  private leaps(difference: number, now: number): void {
    if (!this.leaping || Math.abs((difference - this.leap) | 0) > LEAP) {
      this.leaping = true;
      this.leap = difference;
      this.leapSince = now;
    } else if (((difference - this.leap) | 0) < 0) this.leap = difference;
    if (((now - this.leapSince) | 0) < LEAP_RUN) return;
    this.leaping = false;
    this.late = false;
    this.least = this.leap;
  }

  private isReset(late: boolean, now: number): boolean {
    if (late && !this.late) this.lateSince = now;
    this.late = late;
    return late && ((now - this.lateSince) | 0) >= LATE_RUN;
  }
}
