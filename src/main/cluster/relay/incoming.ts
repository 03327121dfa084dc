/** What other instances relay, on its way to this instance's workers. */
import { MAX_PACKET_BYTES } from '../../../rtp/packet.ts';
import type { Bus, Subscription } from '../bus.ts';
import { readAnnouncement } from './announcement.ts';
import type { RelayCounts } from './counts.ts';
import { type IncomingPeer, IncomingPeers } from './incoming-peer.ts';
import type { RelayedConversation, RemoteSource } from './interfaces.ts';
import { Kind, MessageReader } from './wire.ts';

/** How long NATS has to confirm a subscription, milliseconds. */
const CONFIRM_MS = 1000;

export interface IncomingParts {
  readonly bus: Pick<Bus, 'subscribe' | 'flush'>;
  readonly counts: RelayCounts;
  /** Packets that were under way for longer are dropped, milliseconds. */
  readonly maxDelay: number;
  /** Now, of `toStamp`. */
  readonly clock: () => number;
  /** Of this instance. */
  readonly incarnation: string;
  /** Whether another instance lives. */
  readonly isAlive: (incarnation: string) => boolean;
  /** Is told of each packet's source. */
  readonly heard: (source: RemoteSource, incarnation: string, number: number) => void;
}

interface IncomingConversation {
  readonly relayed: RelayedConversation;
  subscription: Subscription | null;
  /** The instances that were asked for their state within this second. */
  readonly asked: Set<IncomingPeer>;
}

export class Incoming {
  readonly peers: IncomingPeers;
  private readonly parts: IncomingParts;
  /** Microseconds. */
  private readonly maxDelay: number;
  /** By key. */
  private readonly conversations = new Map<number, IncomingConversation>();
  private readonly reader = new MessageReader();
  /** Where packets are handed on, and views of it by length. Making a view costs more than the copy. */
  private readonly scratch = new Uint8Array(MAX_PACKET_BYTES);
  private readonly views: (Uint8Array | undefined)[] = new Array(MAX_PACKET_BYTES + 1).fill(undefined);

  constructor(parts: IncomingParts) {
    this.parts = parts;
    this.peers = new IncomingPeers(parts.isAlive);
    this.maxDelay = parts.maxDelay * 1000;
  }

  /** Takes packets of a conversation while it listens. @returns resolves as `MediaRelay.open` says. */
  async open(relayed: RelayedConversation): Promise<void> {
    this.close(relayed);
    const conversation = { relayed, subscription: null, asked: new Set<IncomingPeer>() };
    this.conversations.set(relayed.key, conversation);
    this.follow(conversation);
    if (conversation.subscription !== null) await this.parts.bus.flush(CONFIRM_MS).catch(() => undefined);
  }

  close({ key }: RelayedConversation): void {
    this.conversations.get(key)?.subscription?.close();
    this.conversations.delete(key);
  }

  /** Takes nothing more. */
  closeAll(): void {
    for (const { relayed } of this.conversations.values()) this.close(relayed);
  }

  /** Takes note of whether a conversation listens. */
  look({ key }: RelayedConversation): void {
    const conversation = this.conversations.get(key);
    if (conversation !== undefined) this.follow(conversation);
  }

  /** The same of all conversations. Call it once a second. */
  lookAtAll(): void {
    for (const conversation of this.conversations.values()) this.follow(conversation);
  }

  /** Call it once a second. @param rttMs of an instance's heartbeats. */
  tick(rttMs: (incarnation: string) => number | null): void {
    this.peers.tick(rttMs);
    for (const { asked } of this.conversations.values()) asked.clear();
  }

  private follow(conversation: IncomingConversation): void {
    const { relayed, subscription } = conversation;
    if (relayed.listening === (subscription !== null)) return;
    subscription?.close();
    conversation.subscription = relayed.listening
      ? this.parts.bus.subscribe(relayed.mediaSubject, (data) => this.take(conversation, data))
      : null;
  }

  /** Takes a message. Never throws, whatever the bytes. */
  private take(conversation: IncomingConversation, data: Uint8Array): void {
    const { reader } = this;
    const { counts, incarnation } = this.parts;
    counts.messagesIn++;
    const known = reader.begin(data);
    const peer = known ? this.peers.find(reader.high, reader.low) : null;
    if (!known || peer?.incarnation === incarnation) counts.drops.malformed++;
    else if (peer === null) counts.drops.unknownSource++;
    else if (reader.kind === Kind.Packets) this.takePackets(conversation, peer, data);
    else if (reader.kind === Kind.Announcement) this.takeAnnouncement(conversation, peer, data);
    reader.end();
  }

  private takeAnnouncement({ relayed }: IncomingConversation, { incarnation }: IncomingPeer, data: Uint8Array): void {
    const announced = readAnnouncement(data, this.parts.counts.read);
    if (announced !== null) relayed.announced(incarnation, announced);
  }

  private takePackets(conversation: IncomingConversation, peer: IncomingPeer, data: Uint8Array): void {
    const { reader } = this;
    const { counts, clock } = this.parts;
    const now = clock();
    while (!reader.done) {
      if (!reader.next()) {
        counts.drops.malformed++;
        return;
      }
      const delay = peer.clock.take(reader.stamp, now, this.maxDelay);
      if (delay > this.maxDelay) {
        counts.drops.tooOld++;
        continue;
      }
      const source = conversation.relayed.find(peer.incarnation, reader.source);
      if (source === undefined) this.miss(conversation, peer);
      else this.hear(source, peer, data, delay);
    }
  }

  private hear(source: RemoteSource, peer: IncomingPeer, data: Uint8Array, delay: number): void {
    const { reader, scratch, views } = this;
    const { counts, heard } = this.parts;
    const { offset, length } = reader;
    for (let i = 0; i < length; i++) scratch[i] = data[offset + i]!;
    counts.in.count(length);
    counts.delay.add(delay + peer.oneWay);
    source.rtcp.uplink.fraction = reader.loss;
    let view = views[length];
    if (view === undefined) {
      view = scratch.subarray(0, length);
      views[length] = view;
    }
    source.hear(view);
    heard(source, peer.incarnation, reader.source);
  }

  private miss({ relayed, asked }: IncomingConversation, peer: IncomingPeer): void {
    this.parts.counts.drops.unknownSource++;
    if (asked.has(peer)) return;
    asked.add(peer);
    relayed.missing(peer.incarnation);
  }
}
