/** Which instances live. Each sends a heartbeat every second; one that falls silent is dead. */
import type { Log } from '../log/log.ts';
import type { Cancel, Timers } from '../timers.ts';
import { type Bus, LinkError, type Subscription } from './bus.ts';
import { Departed } from './departed.ts';
import { describe, type Identity, twice } from './identity.ts';
import { InstanceLog } from './instance-log.ts';
import { type Beat, claimedId, heartbeats, MAX_INSTANCES } from './messages/heartbeats.ts';
import {
  type OtherMessage,
  type ReadCounts,
  readFamily,
  readMessage,
  readOtherVersion,
  writeMessage,
} from './messages/read.ts';
import { OtherVersions } from './other-versions.ts';
import { type Instance, MAX_SILENCE_MS, Peer } from './peer.ts';
import type { Subjects } from './subjects.ts';

export type { Instance } from './peer.ts';

const BEAT_INTERVAL_MS = 1000;
/** How often silence is looked for, milliseconds. */
const CHECK_INTERVAL_MS = 250;
/** A check that comes later than this was held up, and so were the heartbeats of others, milliseconds. */
const HELD_UP_MS = 500;
/** Newcomers get a heartbeat within this time, milliseconds: a random one, so that not all instances send at once. */
const MIN_WELCOME_MS = 20;
const MAX_WELCOME_MS = 100;
/** Longest wait for the answer of an instance that has the same id, milliseconds. */
const CLAIM_TIMEOUT_MS = 1000;
const FLUSH_TIMEOUT_MS = 3000;

/** What an instance tells of itself. */
export type Figures = Pick<
  Beat,
  'draining' | 'connections' | 'conversations' | 'relayedIn' | 'relayedOut' | 'dropped' | 'speaks'
>;

export interface InstancesParts {
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly self: Identity;
  readonly figures: () => Figures;
  readonly counts: ReadCounts;
  readonly timers: Timers;
  readonly log: Log;
}

export interface InstanceWatcher {
  appeared?(instance: Instance): void;
  /** @param why it fell silent, or said goodbye. */
  gone?(instance: Instance, why: 'silent' | 'bye'): void;
  /** From now on, {@link Instances.isAlive} is sure of everybody. */
  settled?(): void;
}

export class Instances {
  readonly self: Identity;
  private readonly parts: InstancesParts;
  private readonly log: InstanceLog;
  private readonly others: OtherVersions;
  private readonly peers = new Map<string, Peer>();
  private readonly departed = new Departed();
  private readonly watchers = new Set<InstanceWatcher>();
  private readonly ends: Cancel[] = [];
  private readonly subscriptions: Subscription[] = [];
  private started = false;
  private welcoming: Cancel | null = null;
  /** Since when all others have been heard. */
  private since = Number.POSITIVE_INFINITY;
  private wasSettled = false;
  private checkedAt = 0;

  constructor(parts: InstancesParts) {
    this.parts = parts;
    this.self = parts.self;
    this.log = new InstanceLog(parts.log, () => parts.timers.now());
    this.others = new OtherVersions(parts.self, this.log);
  }

  /** Returns the other instances that live, by id. */
  all(): Instance[] {
    const now = this.parts.timers.now();
    const all = [...this.peers.values()].map((peer) => peer.look(now));
    return all.sort((a, b) => (`${a.id} ${a.incarnation}` < `${b.id} ${b.incarnation}` ? -1 : 1));
  }

  /**
   * Returns whether an instance lives; also whether this one does. Until this is {@link settled}, an instance that was
   * not heard yet may live, and counts as living unless it has said goodbye.
   */
  isAlive(incarnation: string): boolean {
    if (incarnation === this.self.incarnation || this.peers.has(incarnation)) return true;
    return !this.settled && !this.departed.has(incarnation);
  }

  /** Whether an instance has said goodbye lately: it never comes back. */
  hasLeft(incarnation: string): boolean {
    return this.departed.has(incarnation);
  }

  /** Whether this instance has been connected for so long that it has heard every instance that lives. */
  get settled(): boolean {
    return this.parts.bus.connected && this.parts.timers.now() - this.since >= MAX_SILENCE_MS;
  }

  /** Returns the round trip of another instance's heartbeats, milliseconds; null before it is measured. */
  rttMs(incarnation: string): number | null {
    return this.peers.get(incarnation)?.look(this.parts.timers.now()).rttMs ?? null;
  }

  /** Whether this one has the lowest incarnation of all, and is sure of it. It does what one of them has to do. */
  get leads(): boolean {
    return this.settled && [...this.peers.keys()].every((other) => this.self.incarnation < other);
  }

  /** Returns the others that are ready to speak for the cluster. */
  *ready(): Iterable<Pick<Peer, 'incarnation' | 'draining'>> {
    for (const peer of this.peers.values()) if (peer.ready) yield peer;
  }

  /** What is wrong if another living instance has the same id, naming both; else null. */
  get duplicate(): string | null {
    for (const peer of this.peers.values()) if (peer.id === this.self.id) return twice(peer.description, this.self);
    return null;
  }

  /** What is wrong with instances that this one cannot read. */
  get warnings(): string[] {
    return this.others.warnings;
  }

  /** @returns a function that ends the watch. */
  watch(watcher: InstanceWatcher): () => void {
    this.watchers.add(watcher);
    return () => void this.watchers.delete(watcher);
  }

  /**
   * Claims the id and begins to send heartbeats.
   *
   * @throws Error for operators, if another instance has the id, or NATS permits too little.
   */
  async start(): Promise<void> {
    const { bus, subjects, timers } = this.parts;
    this.subscriptions.push(
      bus.subscribe(subjects.beat, (data) => this.take(data)),
      bus.subscribe(subjects.id(this.self.id), (data, reply) => this.answerClaim(data, reply)),
    );
    await bus.flush(FLUSH_TIMEOUT_MS);
    if (bus.refused.length > 0) {
      const refused = bus.refused.join(', ');
      throw new Error(`NATS does not permit this user to subscribe to ${refused}: it needs ${subjects.all}`);
    }
    await this.claimId();
    this.started = true;
    this.since = this.checkedAt = timers.now();
    this.ends.push(
      timers.every(BEAT_INTERVAL_MS, () => this.announce()),
      timers.every(CHECK_INTERVAL_MS, () => this.check()),
      bus.watch((connected) => this.linkChanged(connected)),
    );
    this.announce();
  }

  /** Says goodbye. */
  async close(): Promise<void> {
    const { bus, subjects } = this.parts;
    for (const end of this.ends.splice(0)) end();
    this.welcoming?.();
    for (const subscription of this.subscriptions.splice(0)) subscription.close();
    if (this.started) bus.publish(subjects.beat, writeMessage({ type: 'bye', incarnation: this.self.incarnation }));
    await bus.flush(CLAIM_TIMEOUT_MS).catch(() => undefined);
  }

  /** Sends a heartbeat now, because something that others should know has changed, such as `draining`. */
  announce(): void {
    const { bus, subjects, figures, timers } = this.parts;
    const now = timers.now();
    const seen = [...this.peers.values()].map((peer) => peer.echo(now));
    const sentAt = Math.round(now * 100) / 100;
    bus.publish(subjects.beat, writeMessage({ type: 'beat', ...this.self, sentAt, ...figures(), seen }));
  }

  private take(data: Uint8Array): void {
    const { counts } = this.parts;
    const { otherVersion } = counts;
    const message = readFamily(heartbeats, data, counts);
    if (counts.otherVersion > otherVersion) this.strange(readOtherVersion(data));
    // While the id is claimed, others are heard already, but nobody is told.
    if (message === null || message.incarnation === this.self.incarnation) return;
    if (message.type === 'bye') this.tookLeave(message.incarnation);
    else if (!this.departed.isLate(message.incarnation, message.sentAt)) this.heard(message);
  }

  /** A heartbeat of another version came. Who is heard in this version, too, has not sent it. */
  private strange(other: OtherMessage | null): void {
    if (other === null || other.incarnation === this.self.incarnation || this.peers.has(other.incarnation ?? ''))
      return;
    this.others.heard(other, this.parts.timers.now());
  }

  private heard(beat: Beat): void {
    const now = this.parts.timers.now();
    const known = this.peers.get(beat.incarnation);
    if (known !== undefined) return known.heard(beat, now, this.self.incarnation);
    if (this.peers.size >= MAX_INSTANCES) {
      this.parts.counts.tooMany++;
      return;
    }
    const peer = new Peer(beat, now);
    this.peers.set(peer.incarnation, peer);
    this.log.appeared(peer, beat.version, this.self);
    this.welcome();
    for (const watcher of this.watchers) watcher.appeared?.(peer.look(now));
  }

  /** Sends a heartbeat soon, so that a newcomer knows this instance before the next one is due. */
  private welcome(): void {
    if (!this.started || this.welcoming !== null) return;
    const delay = MIN_WELCOME_MS + Math.random() * (MAX_WELCOME_MS - MIN_WELCOME_MS);
    this.welcoming = this.parts.timers.after(delay, () => {
      this.welcoming = null;
      this.announce();
    });
  }

  private tookLeave(incarnation: string): void {
    // What it sent before may come after its goodbye.
    this.departed.add(incarnation, this.parts.timers.now());
    const peer = this.peers.get(incarnation);
    if (peer !== undefined) this.end(peer, 'bye');
  }

  private end(peer: Peer, why: 'silent' | 'bye'): void {
    this.peers.delete(peer.incarnation);
    const instance = peer.look(this.parts.timers.now());
    this.log.gone(peer, why, instance.silentMs);
    for (const watcher of this.watchers) watcher.gone?.(instance, why);
  }

  private check(): void {
    const now = this.parts.timers.now();
    const late = now - this.checkedAt - CHECK_INTERVAL_MS;
    this.checkedAt = now;
    if (late > HELD_UP_MS) for (const peer of this.peers.values()) peer.pardon(late);
    for (const peer of [...this.peers.values()]) if (peer.isSilent(now)) this.end(peer, 'silent');
    this.departed.forget(now);
    this.others.forget(now);
    if (this.wasSettled || !this.settled) return;
    this.wasSettled = true;
    for (const watcher of this.watchers) watcher.settled?.();
  }

  private linkChanged(connected: boolean): void {
    this.wasSettled = false;
    if (!connected) return;
    this.since = this.parts.timers.now();
    this.announce();
  }

  private async claimId(): Promise<void> {
    const { bus, subjects, counts } = this.parts;
    let answer: Uint8Array;
    try {
      answer = await bus.request(subjects.id(this.self.id), writeMessage(this.self), CLAIM_TIMEOUT_MS);
    } catch (error) {
      if (error instanceof LinkError && error.why !== 'disconnected') return;
      throw error;
    }
    const holder = readMessage(claimedId, answer, counts);
    if (holder !== null && holder.id === this.self.id) throw new Error(twice(describe(holder), this.self));
  }

  /** Tells another instance that the id is taken. Of two that claim it at once, the lower incarnation gets it. */
  private answerClaim(data: Uint8Array, reply: string | undefined): void {
    const claim = readMessage(claimedId, data, this.parts.counts);
    if (claim === null || reply === undefined) return;
    if (this.started || this.self.incarnation < claim.incarnation)
      this.parts.bus.publish(reply, writeMessage(this.self));
  }
}
