/**
 * What this instance's clients say, on its way to the other instances: a tap behind the throttle.
 *
 * Only the foremost sources of this instance are relayed, as many as somebody elsewhere can hear at once, and two more,
 * because the order is a moment old. The foremost of all instances are among the foremost of each, so every instance
 * can rank them all. Two kinds of source do not wait for the order: those that somebody elsewhere pinned, and newcomers.
 */
import { connectionIndex } from '../../../workers/protocol.ts';
import type { PacketTap, Publisher } from '../../media/ingress.ts';
import type { Bus } from '../bus.ts';
import { writeAnnouncement } from './announcement.ts';
import type { RelayCounts } from './counts.ts';
import type { RelayedConversation } from './interfaces.ts';
import { OutgoingConversation } from './outgoing-conversation.ts';
import type { OutgoingSource } from './outgoing-source.ts';
import type { RelayQueue } from './relay-queue.ts';

export interface OutgoingParts {
  readonly bus: Pick<Bus, 'connected' | 'publish'>;
  readonly queue: Pick<RelayQueue, 'push'>;
  readonly counts: RelayCounts;
  /** The source table. */
  readonly sources: Int32Array;
  /** Of this instance. */
  readonly incarnation: string;
}

export class Outgoing implements PacketTap {
  private readonly parts: OutgoingParts;
  /** By key. */
  private readonly conversations = new Map<number, OutgoingConversation>();
  /** By connection index: the source whose packet came last. */
  private readonly sources: (OutgoingSource | undefined)[] = [];

  constructor(parts: OutgoingParts) {
    this.parts = parts;
  }

  packet(publisher: Publisher, bytes: Uint8Array, stamp: number): void {
    // Whatever is no client comes from another instance.
    if (!publisher.isClient || publisher.muted || publisher.publication === null) return;
    const { current } = publisher.seat;
    if (current === null) return;
    const to = this.conversations.get(current.conversation.key);
    if (to === undefined || to.relayed.wants === 0) return;
    to.lookOften(stamp);
    const source = this.sourceOf(publisher, to, stamp);
    if (!source.goes(bytes, stamp)) return;
    if (source.announced || this.announce(source, to)) {
      this.parts.queue.push(to, source.id, stamp, source.loss, bytes);
    } else this.parts.counts.drops.disconnected++;
  }

  open(relayed: RelayedConversation): void {
    this.close(relayed);
    const gone = (source: OutgoingSource): void => this.forget(source);
    this.conversations.set(relayed.key, new OutgoingConversation(relayed, this.parts.sources, gone));
  }

  close({ key }: RelayedConversation): void {
    this.conversations.get(key)?.close();
    this.conversations.delete(key);
  }

  /** Reads the worker's order, and what the other instances want, of one conversation, rather than within a moment. */
  look({ key }: RelayedConversation): void {
    this.conversations.get(key)?.look();
  }

  /** The same of all conversations. While packets come it is done in any case; otherwise call it once a second. */
  lookAtAll(): void {
    for (const conversation of this.conversations.values()) conversation.look();
  }

  /** Announces the sources of a conversation, or of all, again before their next packets. */
  announceAgain(key?: number): void {
    for (const conversation of this.conversations.values()) {
      if (key === undefined || key === conversation.relayed.key) conversation.announceAgain();
    }
  }

  private sourceOf(publisher: Publisher, to: OutgoingConversation, stamp: number): OutgoingSource {
    const index = connectionIndex(publisher.id);
    const known = this.sources[index];
    if (known !== undefined && known.id === publisher.id && known.conversation === to) return known;
    const source = to.add(publisher, stamp);
    this.sources[index] = source;
    return source;
  }

  private forget(source: OutgoingSource): void {
    const index = connectionIndex(source.id);
    if (this.sources[index] === source) this.sources[index] = undefined;
  }

  private announce(source: OutgoingSource, to: OutgoingConversation): boolean {
    const { incarnation, bus } = this.parts;
    source.announced = bus.publish(to.mediaSubject, writeAnnouncement(incarnation, source.announcement));
    return source.announced;
  }
}
