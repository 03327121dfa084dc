/** Says in a word how good the connection is, without flickering between two. */
import type { Measurement } from './quality.ts';

/** `lost` while there is no connection. */
export type Quality = 'good' | 'fair' | 'poor' | 'lost';

const WORDS = ['good', 'fair', 'poor'] as const;

/** From which value on a connection is fair, and from which it is poor. */
const LIMITS = {
  uplinkLoss: [0.03, 0.1],
  downlinkLoss: [0.03, 0.1],
  // The share of the sound that was invented. People hear 2 %.
  concealment: [0.02, 0.08],
  // Beyond these people interrupt one another (ITU-T G.114 has half of it, for one way).
  rttMs: [300, 600],
  jitterMs: [50, 120],
} as const satisfies { readonly [Name in keyof Measurement]?: readonly [fair: number, poor: number] };

/** Measurements in a row that make it worse, and better. */
const WORSE = 2;
const BETTER = 5;

export class QualityWord {
  #grade = 0;
  /** The newest grades, the last one the newest. */
  #recent: readonly number[] = [];

  get word(): Quality {
    return WORDS[this.#grade]!;
  }

  /** Takes a measurement. @returns what to say now. */
  take(measurement: Measurement): Quality {
    this.#recent = [...this.#recent, gradeOf(measurement)].slice(-BETTER);
    const { length } = this.#recent;
    if (length >= WORSE) this.#grade = Math.max(this.#grade, Math.min(...this.#recent.slice(-WORSE)));
    if (length === BETTER) this.#grade = Math.min(this.#grade, Math.max(...this.#recent));
    return this.word;
  }

  /** Forgets the measurements, but not the word: another connection begins. */
  restart(): void {
    this.#recent = [];
  }
}

/** Returns the grade of the worst value: 0 for good, 1 for fair, 2 for poor. */
function gradeOf(measurement: Measurement): number {
  const grades = Object.entries(LIMITS).map(([name, limits]) => {
    const value = measurement[name as keyof typeof LIMITS] ?? 0;
    return limits.filter((limit) => value >= limit).length;
  });
  return Math.max(...grades);
}
