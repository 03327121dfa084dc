/** One small change of the source that a unit test has to notice. */

/**
 * A mutation as the lists have it: text of the file, which is there exactly once, what takes its place, and, where no
 * unit test can notice that, why not.
 */
export type ListedMutation = readonly [find: string, replace: string, survives?: string];

/** Mutations by the file that they change, seen from the project's root. */
export type MutationList = Readonly<Record<string, readonly ListedMutation[]>>;

export interface Mutation {
  /** Its place in the list, from 1 on. */
  readonly number: number;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Why it may survive; null if it may not. */
  readonly survives: string | null;
}

/** The text of a file with a mutation in it. */
export interface Mutant {
  readonly text: string;
  /** Where it begins, from 1 on. */
  readonly line: number;
}

/** Numbers the mutations of some lists. */
export function numbered(lists: readonly MutationList[]): readonly Mutation[] {
  const files = lists.flatMap((list) => Object.entries(list));
  const all = files.flatMap(([file, mutations]) =>
    mutations.map(([find, replace, survives = null]) => ({ file, find, replace, survives })),
  );
  return all.map((mutation, i) => ({ number: i + 1, ...mutation }));
}

/**
 * Changes the text of a file.
 *
 * @throws Error if the text to be replaced is not there exactly once, or nothing would change.
 */
export function applyTo(source: string, { file, find, replace }: Omit<Mutation, 'number' | 'survives'>): Mutant {
  const [before, after, ...more] = source.split(find);
  const times = more.length + (after === undefined ? 0 : 1);
  if (times !== 1) throw new Error(`${file}: the source has this ${times} times instead of once: ${find}`);
  if (find === replace) throw new Error(`${file}: nothing would change: ${find}`);
  return { text: `${before}${replace}${after}`, line: before!.split('\n').length };
}

/** Returns a mutation on one line, for people. */
export function describe({ find, replace }: Pick<Mutation, 'find' | 'replace'>): string {
  const short = (text: string): string => {
    const line = text.replace(/\s+/g, ' ').trim();
    return line.length > 70 ? `${line.slice(0, 69)}…` : line || 'nothing';
  };
  return `${short(find)} → ${short(replace)}`;
}
