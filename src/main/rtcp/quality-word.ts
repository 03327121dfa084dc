/** The quality of a connection in a word that others are told: it changes seldom, however much its figures do. */
import type { Direction } from './quality.ts';

/** Nothing is said of good connections, nor of unknown ones. */
export type QualityWord = 'fair' | 'poor';

/** The words by their grade. */
const WORDS = [null, 'fair', 'poor'] as const;

/** From which figure on a connection is fair, and from which it is poor, as for the browser client. */
const LOSS = [0.03, 0.1] as const;
const JITTER_MS = [50, 120] as const;
const RTT_MS = [300, 600] as const;

/** A connection is better only once its figures are below this share of the limit. */
const BETTER = 0.7;
/** Shortest time between two changes, and before the first; milliseconds. It bounds what all the others are told. */
const SETTLED_MS = 10_000;
/** Age of a direction's last report from which on it counts no more, milliseconds: whoever is muted sends nothing. */
const STALE_MS = 10_000;

type Limits = readonly [fair: number, poor: number];

export class WordKeeper {
  word: QualityWord | null = null;
  private changedAt: number | null = null;

  /** Takes the present figures. @param rttMs null if unknown. @param now milliseconds. */
  take(directions: readonly (Direction | null)[], rttMs: number | null, now: number): void {
    this.changedAt ??= now;
    if (now - this.changedAt < SETTLED_MS) return;
    const fresh = directions.filter((one) => one !== null && now - one.at < STALE_MS) as Direction[];
    const before = WORDS.indexOf(this.word);
    const word = WORDS[Math.max(gradeOf(fresh, rttMs, 1), Math.min(before, gradeOf(fresh, rttMs, BETTER)))]!;
    if (word === this.word) return;
    this.word = word;
    this.changedAt = now;
  }
}

/** Returns the grade of the worst figure. @param share of the limits. */
function gradeOf(directions: readonly Direction[], rttMs: number | null, share: number): 0 | 1 | 2 {
  const grade = (figure: number, limits: Limits): number => limits.filter((limit) => figure >= limit * share).length;
  const grades = directions.flatMap(({ loss, jitterMs }) => [grade(loss, LOSS), grade(jitterMs, JITTER_MS)]);
  return Math.max(grade(rttMs ?? 0, RTT_MS), ...grades) as 0 | 1 | 2;
}
