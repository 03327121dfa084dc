/** Does something for each of many users, a few at a time, and again after a pause if it fails. */
import { timers as nodeTimers, type Timers } from '../timers.ts';

/** For how many users at a time. */
const AT_A_TIME = 16;
/** Shortest and longest pause after a failure, milliseconds. */
const MIN_RETRY_MS = 500;
const MAX_RETRY_MS = 1500;

export interface HerdParts {
  /** Whether it can succeed now. */
  ready(): boolean;
  /** Does it for one user. It is not called for the same user again meanwhile. Rejects if it failed. */
  act(userid: string): Promise<void>;
  readonly timers?: Timers;
}

export class HerdQueue {
  private readonly parts: HerdParts;
  private readonly timers: Timers;
  private readonly waiting = new Set<string>();
  private readonly running = new Set<string>();
  private readonly idle: (() => void)[] = [];
  private pausing = false;
  private closed = false;

  constructor(parts: HerdParts) {
    this.parts = parts;
    this.timers = parts.timers ?? nodeTimers;
  }

  /** How often it is still to be done. */
  get size(): number {
    return this.waiting.size + this.running.size;
  }

  /** Does it for a user, after all who were added before, and once more if it is being done already. */
  add(userid: string): void {
    this.waiting.add(userid);
    this.go();
  }

  /** Tries the rest, for some time at most. Nothing is done afterwards. @param timeout milliseconds. */
  async close(timeout: number): Promise<void> {
    this.go();
    if (this.size > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.timers.after(timeout, resolve);
        this.idle.push(() => {
          cancel();
          resolve();
        });
      });
    }
    this.closed = true;
    this.waiting.clear();
  }

  private go(): void {
    if (this.pausing || this.closed) return;
    for (const userid of this.waiting) {
      if (this.running.size >= AT_A_TIME) return;
      if (!this.parts.ready()) return this.pause();
      if (this.running.has(userid)) continue;
      this.waiting.delete(userid);
      this.running.add(userid);
      void this.one(userid);
    }
    if (this.waiting.size === 0 && this.running.size === 0) for (const resolve of this.idle.splice(0)) resolve();
  }

  private async one(userid: string): Promise<void> {
    try {
      await this.parts.act(userid);
    } catch {
      this.waiting.add(userid);
      this.pause();
    }
    this.running.delete(userid);
    this.go();
  }

  private pause(): void {
    if (this.pausing) return;
    this.pausing = true;
    this.timers.after(MIN_RETRY_MS + Math.random() * (MAX_RETRY_MS - MIN_RETRY_MS), () => {
      this.pausing = false;
      this.go();
    });
  }
}
