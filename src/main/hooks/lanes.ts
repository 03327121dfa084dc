/**
 * A queue with a lane for each conversation and each user. What is in one lane leaves it in order, a few at a time;
 * lanes do not wait for each other. An item may be in several lanes, as somebody's move from one conversation to another:
 * then its turn comes once it is the first in all of them. Pure.
 */

export interface Laned {
  readonly lanes: readonly string[];
}

interface Lane<T> {
  readonly items: T[];
  /** Whether its first items are being delivered. */
  busy: boolean;
}

export class Lanes<T extends Laned> {
  /** Items that have not been released, those being delivered included. */
  size = 0;
  private readonly lanes = new Map<string, Lane<T>>();
  /** Lanes whose first item may be free. */
  private readonly hopeful = new Set<string>();

  add(item: T): void {
    this.size++;
    for (const key of item.lanes) {
      const lane = this.lanes.get(key) ?? { items: [], busy: false };
      this.lanes.set(key, lane);
      lane.items.push(item);
      this.hopeful.add(key);
    }
  }

  /**
   * Takes the first items of a lane, whose lanes are closed until {@link release}.
   *
   * @param most how many. @returns null if every lane is empty or closed.
   */
  take(most: number): T[] | null {
    for (const key of this.hopeful) {
      this.hopeful.delete(key);
      const items = this.firstOf(key, most);
      if (items.length === 0) continue;
      for (const lane of lanesOf(items).keys()) this.lanes.get(lane)!.busy = true;
      return items;
    }
    return null;
  }

  /** Removes items that were taken, and opens their lanes. */
  release(items: readonly T[]): void {
    this.size -= items.length;
    for (const [key, count] of lanesOf(items)) {
      const lane = this.lanes.get(key)!;
      lane.busy = false;
      lane.items.splice(0, count);
      const [next] = lane.items;
      if (next === undefined) this.lanes.delete(key);
      // Another of its lanes may have waited for this one.
      else for (const one of next.lanes) this.hopeful.add(one);
    }
  }

  private firstOf(key: string, most: number): T[] {
    const taken: T[] = [];
    const counts = new Map<string, number>();
    for (const item of this.lanes.get(key)?.items ?? []) {
      const isNext = item.lanes.every((one) => {
        const lane = this.lanes.get(one)!;
        return !lane.busy && lane.items[counts.get(one) ?? 0] === item;
      });
      if (!isNext || taken.length === most) break;
      taken.push(item);
      for (const one of item.lanes) counts.set(one, (counts.get(one) ?? 0) + 1);
    }
    return taken;
  }
}

/** Returns how many of some items are in each lane. */
function lanesOf(items: readonly Laned[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { lanes } of items) for (const lane of lanes) counts.set(lane, (counts.get(lane) ?? 0) + 1);
  return counts;
}
