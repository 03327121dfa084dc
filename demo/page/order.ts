/**
 * The order of people: the user, then some places in front for those who are heard, then the others by name.
 *
 * Nobody moves within the front. Who is heard anew takes the place of whoever has been quiet there for longest, so only
 * these two change places.
 */

/** Places in front. */
const PLACES = 6;

export interface Orderable {
  readonly key: string;
  readonly name: string;
  readonly isSelf: boolean;
  /** Is heard, pinned or asks to speak. */
  readonly active: boolean;
}

export class Order {
  /** The keys of those in front. */
  private front: string[] = [];
  /** When somebody was last active, by key. */
  private readonly last = new Map<string, number>();

  /** Remembers who is active, for the next order. @param now any clock that does not go back. */
  note(people: readonly Orderable[], now: number): void {
    for (const { key, active } of people) if (active) this.last.set(key, now);
  }

  /** Returns the people in their order. Call it only to show them so, because whoever it moves has moved then. */
  arrange<T extends Orderable>(people: readonly T[]): T[] {
    const present = new Map(people.map((one) => [one.key, one]));
    this.front = this.front.filter((key) => present.has(key));
    for (const { key, active, isSelf } of people) {
      if (active && !isSelf && !this.front.includes(key)) this.admit(key, present);
    }
    const rank = ({ key, isSelf }: T): number => {
      const place = this.front.indexOf(key);
      return isSelf ? -1 : place < 0 ? this.front.length : place;
    };
    return [...people].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  }

  clear(): void {
    this.front = [];
    this.last.clear();
  }

  private admit(key: string, present: ReadonlyMap<string, Orderable>): void {
    const since = (one: string): number => this.last.get(one) ?? 0;
    const quiet = this.front.filter((one) => present.get(one)?.active !== true).sort((a, b) => since(a) - since(b));
    if (this.front.length < PLACES || quiet.length === 0) this.front.push(key);
    else this.front[this.front.indexOf(quiet[0]!)] = key;
  }
}
