/** Those that ask for the state of a conversation. If many come back at once, it goes to all of them in one. */
import { MAX_INSTANCES } from '../messages/heartbeats.ts';

/** Shortest time between two answers, milliseconds. */
const ANSWER_MS = 250;

export class Askers {
  private readonly waiting = new Set<string>();
  private answeredAt = Number.NEGATIVE_INFINITY;

  add(incarnation: string): void {
    if (this.waiting.size < MAX_INSTANCES) this.waiting.add(incarnation);
  }

  /** Returns those that are to be answered now. */
  take(now: number): string[] {
    if (this.waiting.size === 0 || now - this.answeredAt < ANSWER_MS) return [];
    this.answeredAt = now;
    const waiting = [...this.waiting];
    this.waiting.clear();
    return waiting;
  }
}
