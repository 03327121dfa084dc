/** The metrics of events for `WEBHOOK_URL`; all are 0 without one. */
import { Histogram } from '../../histogram.ts';
import { distribution, type Exposition } from './exposition.ts';

/** Where the values are read. */
export interface HookFigures {
  readonly queued: number;
  readonly counts: { readonly sent: number; readonly failed: number; readonly dropped: number };
  readonly delay: Histogram;
}

const NONE: HookFigures = { queued: 0, counts: { sent: 0, failed: 0, dropped: 0 }, delay: new Histogram([], 1) };

/** Adds the metrics. @param figures null without a `WEBHOOK_URL`. */
export function exposeHooks(to: Exposition, figures: HookFigures | null): void {
  const { counts, delay } = figures ?? NONE;
  to.counters(
    'sfu_webhook_events_total',
    'Events for WEBHOOK_URL by outcome; "failed" were given up after WEBHOOK_RETRY_MS or refused for good, "dropped" found WEBHOOK_QUEUE full.',
    () => Object.entries(counts).map(([outcome, count]) => [{ outcome }, count] as const),
  );
  to.gauge(
    'sfu_webhook_events_queued',
    'Events that wait for WEBHOOK_URL or are being sent; beyond WEBHOOK_QUEUE they are dropped.',
    () => figures?.queued ?? 0,
  );
  to.histogram('sfu_webhook_delivery_seconds', 'From an event to the answer of WEBHOOK_URL that accepted it.', () =>
    distribution(delay),
  );
}
