/** Measures the quality of the current connection periodically. */
import type { Peer } from './peer.ts';
import { addUp, compare, NO_STATISTICS, type Statistics, type StatsEntry, type Totals } from './quality.ts';
import { QualityWord } from './quality-word.ts';

export class Meter {
  readonly #report: (statistics: Statistics) => void;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #peer: Peer | null = null;
  #last: Totals | null = null;
  readonly #quality = new QualityWord();

  /** @param interval in milliseconds; 0 for never. */
  constructor(interval: number, report: (statistics: Statistics) => void) {
    this.#report = report;
    if (interval > 0) this.#timer = setInterval(() => this.#sample(), interval);
  }

  attach(peer: Peer): void {
    const lost = this.#peer === null;
    this.#peer = peer;
    this.#last = null;
    this.#quality.restart();
    if (lost) this.#report({ ...NO_STATISTICS, quality: this.#quality.word });
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
        if (this.#last !== null) {
          const measurement = compare(this.#last, totals);
          this.#report({ ...measurement, quality: this.#quality.take(measurement) });
        }
        this.#last = totals;
      },
      () => undefined,
    );
  }
}
