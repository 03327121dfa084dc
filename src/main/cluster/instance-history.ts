/** Since when each instance is known, and how many packets a second it relays, by what its heartbeats say. */

/** An instance at one moment. The counts are since its start. */
export interface Counted {
  readonly incarnation: string;
  /** Time since its latest heartbeat, milliseconds. */
  readonly silentMs: number;
  /** Packets from other instances, and to them. */
  readonly relayedIn: number;
  readonly relayedOut: number;
  readonly dropped: number;
}

/** Packets a second. */
export interface RelayRates {
  readonly in: number;
  readonly out: number;
  readonly dropped: number;
}

/** The counts as of a heartbeat. */
interface Sample {
  /** Milliseconds. */
  readonly at: number;
  readonly counts: readonly [relayedIn: number, relayedOut: number, dropped: number];
}

interface Entry {
  /** Milliseconds. */
  readonly since: number;
  before: Sample | null;
  latest: Sample;
}

export class InstanceHistory {
  private readonly entries = new Map<string, Entry>();

  /** Takes a look at the instances that live, and forgets the others. Call it every few seconds. @param now ms. */
  look(instances: readonly Counted[], now: number): void {
    const living = new Set(instances.map(({ incarnation }) => incarnation));
    for (const incarnation of this.entries.keys()) if (!living.has(incarnation)) this.entries.delete(incarnation);
    for (const { incarnation, silentMs, relayedIn, relayedOut, dropped } of instances) {
      const sample: Sample = { at: now - silentMs, counts: [relayedIn, relayedOut, dropped] };
      const known = this.entries.get(incarnation);
      if (known === undefined) this.entries.set(incarnation, { since: now, before: null, latest: sample });
      else if (sample.at > known.latest.at) {
        known.before = known.latest;
        known.latest = sample;
      }
    }
  }

  /** Returns when an instance was first seen, milliseconds; undefined for one that no look has found. */
  since(incarnation: string): number | undefined {
    return this.entries.get(incarnation)?.since;
  }

  /** Returns the rates between the latest two heartbeats that were looked at; null before there are two. */
  rates(incarnation: string): RelayRates | null {
    const { before = null, latest } = this.entries.get(incarnation) ?? {};
    if (before === null || latest === undefined) return null;
    const seconds = (latest.at - before.at) / 1000;
    const [relayedIn, relayedOut, dropped] = latest.counts.map((count, i) => {
      return Math.max(0, Math.round((10 * (count - before.counts[i]!)) / seconds) / 10);
    });
    return { in: relayedIn!, out: relayedOut!, dropped: dropped! };
  }
}
