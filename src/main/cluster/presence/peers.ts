/** The other instances that take part in one conversation. */
import type { Instances } from '../instances.ts';
import { MAX_INSTANCES } from '../messages/heartbeats.ts';
import { Peer } from './peer.ts';
import type { People } from './people.ts';

/** How long a peer may say nothing, milliseconds: two beats were lost, or its goodbye. */
export const SILENT_MS = 6500;
/** Shortest time between two questions to the same peer, milliseconds. */
const ASK_MS = 1000;
/** How long a peer that is not known to live may say nothing: its heartbeats come each second. */
const STRANGE_MS = 4000;

export class Peers {
  /** The greatest number of sources that listeners of one of them want; 0 if none of them has listeners. */
  wants = 0;
  /** The sources of this instance that one of them has pinned. */
  pinned: ReadonlySet<number> = new Set();
  /** Whether one of them has a tap, which gets all sources, and whether one has a tap that records. */
  tapped = false;
  recorded = false;
  private readonly self: string;
  private readonly people: People;
  private readonly peers = new Map<string, Peer>();

  /** @param self incarnation of this instance. */
  constructor(self: string, people: People) {
    this.self = self;
    this.people = people;
  }

  get size(): number {
    return this.peers.size;
  }

  get(incarnation: string): Peer | undefined {
    return this.peers.get(incarnation);
  }

  /** Returns the peer, which may be new; undefined if there are too many. */
  meet(incarnation: string, now: number): Peer | undefined {
    let peer = this.peers.get(incarnation);
    if (peer === undefined) {
      if (this.peers.size >= MAX_INSTANCES) {
        this.people.refuse();
        return undefined;
      }
      peer = new Peer(incarnation, this.people, now);
      this.peers.set(incarnation, peer);
    }
    peer.heardAt = now;
    return peer;
  }

  /** Takes a peer, and its participants, off the list. @returns whether it was there. */
  part(incarnation: string): boolean {
    this.peers.get(incarnation)?.end();
    return this.peers.delete(incarnation);
  }

  /** Parts with those that have been silent for too long. @returns whether there were any. */
  partFromSilent(now: number, instances: Pick<Instances, 'isAlive'>): boolean {
    let any = false;
    for (const { incarnation, heardAt } of this.peers.values()) {
      const silent = now - heardAt;
      if (silent < STRANGE_MS || (silent < SILENT_MS && instances.isAlive(incarnation))) continue;
      any = this.part(incarnation) || any;
    }
    return any;
  }

  /** Parts with all. */
  end(): void {
    for (const incarnation of this.peers.keys()) this.part(incarnation);
  }

  /** Returns those that are to be asked for their state now. They count as asked. */
  toAsk(now: number): string[] {
    const due = [...this.peers.values()].filter(({ behind, askedAt }) => behind && now - askedAt >= ASK_MS);
    for (const peer of due) peer.askedAt = now;
    return due.map(({ incarnation }) => incarnation);
  }

  /** Returns how much is known of each. */
  known(): [string, number][] {
    return [...this.peers.values()].filter(({ seq }) => seq >= 0).map(({ incarnation, seq }) => [incarnation, seq]);
  }

  /** Finds anew what they want and have pinned, after one of them may have changed it. @returns whether it did. */
  recount(): boolean {
    let wants = 0;
    const pinned = new Set<number>();
    let tapped = false;
    this.recorded = false;
    for (const peer of this.peers.values()) {
      wants = Math.max(wants, peer.wants);
      tapped ||= peer.tapped;
      this.recorded ||= peer.recorded;
      for (const [instance, source] of peer.pinned) if (instance === this.self) pinned.add(source);
    }
    const changed = wants !== this.wants || tapped !== this.tapped || !sameSet(pinned, this.pinned);
    this.wants = wants;
    this.tapped = tapped;
    this.pinned = pinned;
    return changed;
  }

  /**
   * Returns the peer whose worker determines the dominant speaker for all: of the instances with listeners, the one
   * with the lowest incarnation. Null if that is this instance.
   *
   * @param listens whether this instance has listeners.
   */
  elected(listens: boolean): Peer | null {
    let elected: Peer | null = null;
    for (const peer of this.peers.values()) {
      if (peer.wants > 0 && (elected === null || peer.incarnation < elected.incarnation)) elected = peer;
    }
    return elected !== null && listens && this.self < elected.incarnation ? null : elected;
  }
}

function sameSet(one: ReadonlySet<number>, other: ReadonlySet<number>): boolean {
  if (one.size !== other.size) return false;
  for (const member of one) if (!other.has(member)) return false;
  return true;
}
