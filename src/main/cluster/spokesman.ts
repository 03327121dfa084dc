/**
 * One instance speaks for the cluster to the outside, by webhooks: the one with the lowest incarnation among those that
 * are ready to, and of those that drain only if no other is. All of them know all memberships, so any of them can.
 *
 * Each says in its heartbeats whether it is ready. Whoever begins looks back, because the one before it may not have
 * said what happened last. What is said twice for that reason has the same name both times.
 */
import type { Cancel, Timers } from '../timers.ts';
import type { Instances } from './instances.ts';
import type { Records } from './records.ts';

/** How often is looked who speaks, milliseconds. */
const INTERVAL_MS = 250;
/** How far who begins looks back where the one before it goes on, or has ended properly, milliseconds. */
const HANDOVER_MS = 1000;
/** How far before the last heartbeat of one that fell silent, whose queue is lost, milliseconds. */
const DEATH_MS = 10_000;

export interface SpokesmanParts {
  /** Name of the cluster. */
  readonly source: string;
  readonly instances: Pick<Instances, 'self' | 'settled' | 'watch' | 'ready' | 'announce'>;
  readonly records: Pick<Records, 'available' | 'latest'>;
  readonly draining: () => boolean;
  readonly timers: Timers;
}

export class ClusterSpokesman {
  readonly source: string;
  /** Whether this instance is ready; its heartbeats say so. */
  ready = false;
  private readonly parts: SpokesmanParts;
  private readonly watchers = new Set<(backMs: number) => void>();
  private spoke = false;
  /** Who speaks, as far as is known. */
  private current: string | null = null;
  private stop: Cancel = () => undefined;

  constructor(parts: SpokesmanParts) {
    this.parts = parts;
    this.source = parts.source;
  }

  /** Whether this instance speaks. */
  get speaks(): boolean {
    // It begins when it has looked back, and ends at once when it hears of another one.
    return this.spoke && this.first() === this.parts.instances.self.incarnation;
  }

  /** Name of the change that is being applied. */
  get change(): string {
    return this.parts.records.latest;
  }

  watch(begins: (backMs: number) => void): void {
    this.watchers.add(begins);
  }

  /** Begins, once the records have been read. */
  start(): void {
    const { instances, timers } = this.parts;
    instances.watch({
      appeared: () => this.look(),
      gone: ({ incarnation, silentMs }, why) => {
        const died = incarnation === this.current && why === 'silent';
        this.look(died ? silentMs + DEATH_MS : HANDOVER_MS);
      },
    });
    this.stop = timers.every(INTERVAL_MS, () => this.look());
  }

  /** Leaves it to others from now on, if there are any. */
  drain(): void {
    this.look();
  }

  close(): void {
    this.stop();
  }

  /** @param backMs how far to look back, if it is this instance's turn now. */
  private look(backMs = HANDOVER_MS): void {
    const { instances, records } = this.parts;
    const ready = instances.settled && records.available;
    const changed = ready !== this.ready;
    this.ready = ready;
    if (changed) instances.announce();
    const before = this.current;
    this.current = this.first();
    const begins = !this.spoke && this.current === instances.self.incarnation;
    this.spoke = this.current === instances.self.incarnation;
    // Nobody said anything before the first one.
    if (begins) for (const watcher of this.watchers) watcher(before === null ? Number.POSITIVE_INFINITY : backMs);
  }

  /** Returns the incarnation of the one whose turn it is; null if none is ready. */
  private first(): string | null {
    const { instances, draining } = this.parts;
    const { incarnation } = instances.self;
    let first: Ready | null = this.ready ? { incarnation, draining: draining() } : null;
    for (const other of instances.ready()) if (first === null || isBefore(other, first)) first = other;
    return first?.incarnation ?? null;
  }
}

interface Ready {
  readonly incarnation: string;
  readonly draining: boolean;
}

function isBefore(one: Ready, other: Ready): boolean {
  return one.draining === other.draining ? one.incarnation < other.incarnation : other.draining;
}
