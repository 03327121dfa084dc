/**
 * Events of a cluster that another instance sends. If that one dies, whoever sends next repeats the latest of them:
 * nobody knows which ones got through, and receivers drop repeats by their ids.
 */
import type { WebhookEvent } from './schema.ts';

/** For how long events are kept, milliseconds. */
const KEPT_MS = 30_000;

export interface Observed {
  readonly event: WebhookEvent;
  readonly lanes: readonly string[];
  /** Milliseconds. */
  readonly at: number;
}

export class RecentEvents {
  private readonly limit: number;
  private events: Observed[] = [];

  /** @param limit most events that are kept. */
  constructor(limit: number) {
    this.limit = limit;
  }

  add(observed: Observed): void {
    this.events.push(observed);
    // Not each time, because it copies all of them.
    if (this.events.length >= 2 * this.limit) this.events = this.events.slice(-this.limit);
  }

  /** Forgets what is too old. */
  forget(now: number): void {
    if ((this.events[0]?.at ?? now) < now - KEPT_MS) this.events = this.events.filter(({ at }) => at >= now - KEPT_MS);
  }

  /** Returns the events since a time, oldest first, and forgets all. */
  take(since: number): Observed[] {
    const { events, limit } = this;
    this.events = [];
    return events.slice(-limit).filter(({ at }) => at >= since);
  }
}
