/** Measures the quality of the current connection periodically. */
import type { Peer } from './peer.ts';
import { addUp, compare, NO_STATISTICS, type Statistics, type StatsEntry, type Totals } from './quality.ts';

export class Meter {
  readonly #report: (statistics: Statistics) => void;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #peer: Peer | null = null;
  #last: Totals | null = null;

  /** @param interval in milliseconds; 0 for never. */
  constructor(interval: number, report: (statistics: Statistics) => void) {
    this.#report = report;
    if (interval > 0) this.#timer = setInterval(() => this.#sample(), interval);
  }

  attach(peer: Peer): void {
    this.#peer = peer;
    this.#last = null;
  }

  /** Reports that nothing is known: there is no connection. */
  detach(): void {
    if (this.#peer === null) return;
    this.#peer = null;
    this.#report(NO_STATISTICS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#peer = null;
  }

  #sample(): void {
    const peer = this.#peer;
    if (peer === null) return;
    peer.pc.getStats().then(
      (report) => {
        if (this.#peer !== peer || !peer.established) return;
        const totals = addUp(report.values() as Iterable<StatsEntry>, performance.now());
        if (this.#last !== null) this.#report(compare(this.#last, totals));
        this.#last = totals;
      },
      () => undefined,
    );
  }
}
