/**
 * Sends events to `WEBHOOK_URL`: those of one lane in order, those of different ones side by side. What fails is
 * tried again, later each time. The queue is bounded, and nobody waits for any of this.
 */
import { Pool } from 'undici';
import type { Config } from '../config.ts';
import { Histogram } from '../histogram.ts';
import type { Log } from '../log/log.ts';
import type { Timers } from '../timers.ts';
import { Lanes } from './lanes.ts';
import { MAX_EVENTS, WEBHOOK_VERSION, type WebhookEvent } from './schema.ts';
import { SIGNATURE_HEADER, signature } from './signature.ts';

/** Most requests under way. */
const MAX_REQUESTS = 16;
/** Shortest and longest pause after a failure, milliseconds: twice as long after each one. */
const MIN_PAUSE_MS = 250;
const MAX_PAUSE_MS = 30_000;
/** After so many failures in a row the receiver counts as down: then one request tries at a time. */
const DOWN_AFTER = 16;
/** Pause between these, milliseconds. */
const DOWN_PAUSE_MS = 1000;
/** Time between two lines about events that were given up, milliseconds. */
const QUIET_MS = 10_000;
/** Most bytes that are read of an answer, which is ignored. */
const MAX_ANSWER_BYTES = 16_384;
/** What no repetition mends: RFC 9110, sections 15.5.1, 15.5.14, 15.5.16 and 15.5.21. */
const REFUSED = [400, 413, 415, 422];
/** The longest pause that an answer may ask for by `Retry-After`, seconds. */
const MAX_RETRY_AFTER_S = 60;
const DELAY_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300];

export type SenderConfig = Pick<
  Config,
  'WEBHOOK_URL' | 'WEBHOOK_SECRET' | 'WEBHOOK_TIMEOUT_MS' | 'WEBHOOK_QUEUE' | 'WEBHOOK_RETRY_MS'
>;

interface Item {
  readonly event: WebhookEvent;
  readonly lanes: readonly string[];
  /** Milliseconds of the timers' clock. */
  readonly at: number;
}

/** Items that go together. */
interface Batch {
  readonly all: readonly Item[];
  /** Those that are neither delivered nor given up. */
  rest: readonly Item[];
  /** How many of these go in one request. */
  most: number;
  failures: number;
  /** When the first request failed, milliseconds. */
  failedAt: number;
}

export class HookSender {
  /** Events since the start: delivered; given up; dropped, because the queue was full. */
  readonly counts = { sent: 0, failed: 0, dropped: 0 };
  /** From the event to the answer that accepted it. */
  readonly delay = new Histogram(DELAY_BOUNDS, 1000);
  private readonly config: SenderConfig;
  private readonly log: Log;
  private readonly timers: Timers;
  private readonly pool: Pool;
  private readonly path: string;
  private readonly lanes = new Lanes<Item>();
  /** Batches whose pause is over. */
  private readonly due: Batch[] = [];
  private requests = 0;
  /** Failures since the last success. */
  private streak = 0;
  private pausing = false;
  private scheduled = false;
  private overflowing = false;
  /** Until when no further line tells of events that were given up, milliseconds. */
  private quietUntil = 0;
  private emptied: (() => void) | null = null;
  private closed = false;

  constructor(config: SenderConfig, log: Log, timers: Timers) {
    const { origin, pathname, search } = new URL(config.WEBHOOK_URL);
    const timeout = config.WEBHOOK_TIMEOUT_MS;
    this.config = config;
    this.log = log;
    this.timers = timers;
    this.path = pathname + search;
    this.pool = new Pool(origin, {
      connections: MAX_REQUESTS,
      pipelining: 1,
      connect: { timeout },
      headersTimeout: timeout,
      bodyTimeout: timeout,
    });
  }

  /** Events that wait or are being sent. */
  get queued(): number {
    return this.lanes.size;
  }

  /** Queues an event, or drops it if the queue is full. @param lanes those in whose order it is. */
  add(event: WebhookEvent, lanes: readonly string[]): void {
    if (this.closed) return;
    const full = this.lanes.size >= this.config.WEBHOOK_QUEUE;
    if (full) return this.drop();
    if (this.lanes.size < this.config.WEBHOOK_QUEUE / 2) this.overflowing = false;
    this.lanes.add({ event, lanes, at: this.timers.now() });
    this.schedule();
  }

  /** Waits until everything is sent. @param timeout milliseconds. @returns how many events are lost. */
  async close(timeout: number): Promise<number> {
    let stop = (): void => undefined;
    if (this.lanes.size > 0) {
      await new Promise<void>((resolve) => {
        this.emptied = resolve;
        stop = this.timers.after(timeout, resolve);
      });
    }
    stop();
    this.closed = true;
    const lost = this.lanes.size;
    if (lost > 0) this.log.error({ lost }, 'events for WEBHOOK_URL are lost, because this process ends');
    await this.pool.destroy();
    return lost;
  }

  /** Sends in a later turn of the event loop, so that a join does not wait, and events that come together go together. */
  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.pump();
    });
  }

  private pump(): void {
    while (!this.pausing && this.requests < (this.streak < DOWN_AFTER ? MAX_REQUESTS : 1)) {
      const batch = this.due.shift() ?? this.next();
      if (batch === null) return;
      this.requests++;
      void this.send(batch);
    }
  }

  private drop(): void {
    this.counts.dropped++;
    if (this.overflowing) return;
    // Once, until the queue is half empty.
    this.overflowing = true;
    this.log.error('the queue of events for WEBHOOK_URL is full; further ones are dropped and counted');
  }

  private next(): Batch | null {
    const all = this.lanes.take(MAX_EVENTS);
    return all === null ? null : { all, rest: all, most: MAX_EVENTS, failures: 0, failedAt: 0 };
  }

  private async send(batch: Batch): Promise<void> {
    const items = batch.rest.slice(0, batch.most);
    const outcome = await this.attempt(items);
    this.requests--;
    if (outcome === 'accepted') this.delivered(batch, items);
    else if (outcome.refused && items.length > 1) {
      // Perhaps it is about one of them.
      batch.most = 1;
      this.due.unshift(batch);
    } else this.failed(batch, items, outcome);
    this.schedule();
  }

  private delivered(batch: Batch, items: readonly Item[]): void {
    const now = this.timers.now();
    this.counts.sent += items.length;
    for (const { at } of items) this.delay.add(now - at);
    if (this.streak >= DOWN_AFTER) this.log.info('events are delivered to WEBHOOK_URL again');
    this.streak = 0;
    this.finish(batch, items);
  }

  private failed(batch: Batch, items: readonly Item[], { why, refused, after }: Failure): void {
    const now = this.timers.now();
    if (batch.failures++ === 0) batch.failedAt = now;
    if (++this.streak === DOWN_AFTER) {
      this.log.error({ why, queued: this.lanes.size }, 'events cannot be delivered: look at WEBHOOK_URL');
    }
    if (refused || now - batch.failedAt >= this.config.WEBHOOK_RETRY_MS) {
      this.giveUp(items, why);
      return this.finish(batch, items);
    }
    const pause = Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** Math.min(batch.failures - 1, 20));
    this.timers.after(Math.max(after * 1000, pause * (0.75 + Math.random() / 2)), () => {
      this.due.push(batch);
      this.schedule();
    });
    if (this.streak >= DOWN_AFTER && !this.pausing) this.pauseAll();
  }

  private giveUp(items: readonly Item[], why: string): void {
    const now = this.timers.now();
    this.counts.failed += items.length;
    if (now < this.quietUntil) return;
    this.quietUntil = now + QUIET_MS;
    const { id, type } = items[0]!.event;
    this.log.warn({ why, id, type, sinceStart: this.counts.failed }, 'events for WEBHOOK_URL were given up');
  }

  private pauseAll(): void {
    this.pausing = true;
    this.timers.after(DOWN_PAUSE_MS, () => {
      this.pausing = false;
      this.schedule();
    });
  }

  /** Goes on behind items that were delivered or given up. */
  private finish(batch: Batch, items: readonly Item[]): void {
    batch.rest = batch.rest.slice(items.length);
    batch.failures = 0;
    if (batch.rest.length > 0) this.due.unshift(batch);
    else this.lanes.release(batch.all);
    if (this.lanes.size === 0) this.emptied?.();
  }

  private async attempt(items: readonly Item[]): Promise<'accepted' | Failure> {
    const { WEBHOOK_SECRET: secrets, WEBHOOK_TIMEOUT_MS: timeout } = this.config;
    const body = JSON.stringify({ v: WEBHOOK_VERSION, events: items.map(({ event }) => event) });
    const signal = AbortSignal.timeout(timeout);
    try {
      const {
        statusCode,
        headers,
        body: answer,
      } = await this.pool.request({
        method: 'POST',
        path: this.path,
        headers: {
          'Content-Type': 'application/json',
          [SIGNATURE_HEADER]: signature(secrets, Math.floor(Date.now() / 1000), body),
        },
        body,
        signal,
      });
      answer.dump({ limit: MAX_ANSWER_BYTES, signal }).catch(() => undefined);
      if (statusCode >= 200 && statusCode < 300) return 'accepted';
      const after = Math.min(MAX_RETRY_AFTER_S, Number(/^\d{1,5}$/.exec(String(headers['retry-after']))?.[0] ?? 0));
      return { why: `it answered ${statusCode}`, refused: REFUSED.includes(statusCode), after };
    } catch (error) {
      const why = signal.aborted ? `no answer within ${timeout} ms` : reason(error);
      return { why, refused: false, after: 0 };
    }
  }
}

interface Failure {
  readonly why: string;
  /** Whether no repetition mends it. */
  readonly refused: boolean;
  /** For how long the receiver wants to be left alone, seconds. */
  readonly after: number;
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (error as NodeJS.ErrnoException).code || error.message || error.name;
}
