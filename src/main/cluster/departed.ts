/**
 * Instances that have said goodbye. They never come back, so what still comes from them is late. If it goes on to come,
 * somebody else has said it.
 */
import { MAX_INSTANCES } from './messages/heartbeats.ts';
import { MAX_SILENCE_MS } from './peer.ts';

/** How late a message may be, milliseconds: a NATS that stood still delivers what it has. */
const MEMORY_MS = 300_000;

interface Goodbye {
  /** Milliseconds. */
  readonly at: number;
  /** The earliest that it has sent of what came later, by its own clock, milliseconds. */
  earliest: number;
}

export class Departed {
  /** By incarnation, oldest first. */
  private readonly goodbyes = new Map<string, Goodbye>();

  add(incarnation: string, now: number): void {
    this.goodbyes.delete(incarnation);
    this.goodbyes.set(incarnation, { at: now, earliest: Number.POSITIVE_INFINITY });
    for (const oldest of this.goodbyes.keys()) {
      if (this.goodbyes.size <= MAX_INSTANCES) break;
      this.goodbyes.delete(oldest);
    }
  }

  has(incarnation: string): boolean {
    return this.goodbyes.has(incarnation);
  }

  /**
   * Takes a heartbeat. An instance that sends them for longer than the silence that makes one dead has not said goodbye.
   *
   * @param sentAt by the sender's clock, milliseconds.
   * @returns whether the instance has departed, and it is late.
   */
  isLate(incarnation: string, sentAt: number): boolean {
    const goodbye = this.goodbyes.get(incarnation);
    if (goodbye === undefined) return false;
    goodbye.earliest = Math.min(goodbye.earliest, sentAt);
    if (sentAt - goodbye.earliest < MAX_SILENCE_MS) return true;
    this.goodbyes.delete(incarnation);
    return false;
  }

  forget(now: number): void {
    for (const [incarnation, { at }] of this.goodbyes) {
      if (now - at <= MEMORY_MS) break;
      this.goodbyes.delete(incarnation);
    }
  }
}
