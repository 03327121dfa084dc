/** Reports an error once in a while, however often it comes. */
import { type Cancel, type Timers, timers } from '../timers.ts';

/** How long an error that was reported is only counted, milliseconds. */
const QUIET_MS = 10_000;
/** Texts that are told apart at a time. */
const MAX_TEXTS = 32;

export class OncePerText {
  private readonly report: (text: string, count: number) => void;
  private readonly counts = new Map<string, { count: number; cancel: Cancel }>();
  private readonly timers: Timers;

  /** @param report gets the text, and how often it came since the last report. */
  constructor(report: (text: string, count: number) => void, time: Timers = timers) {
    this.report = report;
    this.timers = time;
  }

  /** Reports the text at once, and then every ten seconds while it keeps coming. */
  note(text: string): void {
    const known = this.counts.get(text);
    if (known !== undefined) known.count++;
    else if (this.counts.size < MAX_TEXTS) {
      this.report(text, 1);
      this.counts.set(text, { count: 0, cancel: this.timers.every(QUIET_MS, () => this.again(text)) });
    }
  }

  close(): void {
    for (const { cancel } of this.counts.values()) cancel();
    this.counts.clear();
  }

  private again(text: string): void {
    const known = this.counts.get(text)!;
    if (known.count > 0) this.report(text, known.count);
    else {
      known.cancel();
      this.counts.delete(text);
    }
    known.count = 0;
  }
}
