/** Instances that have said goodbye. They never come back, so what still comes from them is late. */
import { MAX_INSTANCES } from './messages/heartbeats.ts';

/** How late a message may be, milliseconds: a NATS that stood still delivers what it has. */
const MEMORY_MS = 300_000;

export class Departed {
  /** When each said goodbye, oldest first. */
  private readonly times = new Map<string, number>();

  add(incarnation: string, now: number): void {
    this.times.delete(incarnation);
    this.times.set(incarnation, now);
    for (const oldest of this.times.keys()) {
      if (this.times.size <= MAX_INSTANCES) break;
      this.times.delete(oldest);
    }
  }

  has(incarnation: string): boolean {
    return this.times.has(incarnation);
  }

  forget(now: number): void {
    for (const [incarnation, time] of this.times) {
      if (now - time <= MEMORY_MS) break;
      this.times.delete(incarnation);
    }
  }
}
