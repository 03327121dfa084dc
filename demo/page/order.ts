/** The order of people: the user, those who are heard or were a moment ago, then the others by name. */

/** How long somebody stays in front after they were last heard, milliseconds. A pause must not move them. */
const LINGER_MS = 8000;

export interface Orderable {
  readonly key: string;
  readonly name: string;
  readonly isSelf: boolean;
  /** Is heard, pinned or asks to speak. */
  readonly active: boolean;
}

export class Order {
  /** When somebody was last active, by key, in the order in which they came to the front. */
  private readonly front = new Map<string, number>();

  /** Returns the people in their order. Nobody in front changes places with another one in front. */
  arrange<T extends Orderable>(people: readonly T[], now: number): T[] {
    for (const { key, active } of people) if (active) this.front.set(key, now);
    for (const [key, at] of this.front) if (now - at > LINGER_MS) this.front.delete(key);
    const places = new Map([...this.front.keys()].map((key, i) => [key, i]));
    const rank = ({ key, isSelf }: T): number => (isSelf ? -1 : (places.get(key) ?? Number.MAX_SAFE_INTEGER));
    return [...people].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  }

  clear(): void {
    this.front.clear();
  }
}
