/**
 * A participant who is connected to another instance. It is on the list of its conversation as long as the two are
 * together there, but a worker knows it only while its packets come: most of a large room never speak.
 */
import { connectionIndex, type Publication } from '../../workers/protocol.ts';
import type { Claim } from '../claim.ts';
import { Throttle, type ThrottleLimits } from '../limits/throttle.ts';
import type { Ingress, Publisher } from '../media/ingress.ts';
import type { Shard } from '../media/shard.ts';
import type { QualityWord } from '../rtcp/quality-word.ts';
import { RelayedLoss, type RelayedSource } from '../rtcp/relayed-loss.ts';
import type { HostedConversation, HostedSeat } from './hosted-conversation.ts';
import type { IndexPool } from './index-pool.ts';
import type { Participant } from './participant.ts';
import type { Seats } from './seats.ts';

/** Time without a packet after which a worker forgets a source, milliseconds. */
export const QUIET_MS = 10_000;
const NO_ID = -1;

/** What remote participants share. */
export interface RemoteParts {
  /** The indexes that connections do not use. */
  readonly indexes: Pick<IndexPool, 'take' | 'give'>;
  readonly seats: Pick<Seats, 'attach' | 'detach'>;
  readonly ingress: Pick<Ingress, 'take'>;
  readonly throttleLimits: ThrottleLimits;
}

/** Who a remote participant is. */
export interface RemoteIdentity {
  /** The incarnation of its own instance, and its connection id there. */
  readonly instance: string;
  readonly source: number;
  /** Its name to the others in the conversation. */
  readonly claim: Claim;
  /** Number of its user, from whose own connections its packets are kept. */
  readonly user: number;
  /** What its packets are; null if it publishes nothing. */
  readonly publication: Publication | null;
}

/** All remote participants that workers know. */
export class RemoteSources {
  readonly parts: RemoteParts;
  readonly known = new Set<RemoteParticipant>();
  /** Packets dropped because no index was free. */
  refused = 0;

  constructor(parts: RemoteParts) {
    this.parts = parts;
  }

  /** Lets workers forget those that have been quiet for {@link QUIET_MS}. Call it about once a second. */
  sweep(now: number): void {
    for (const participant of this.known) participant.sweep(now);
  }
}

export class RemoteParticipant implements Participant, Publisher, HostedSeat, RelayedSource {
  /** -1 while no worker knows it. */
  id = NO_ID;
  readonly instance: string;
  readonly source: number;
  readonly claim: Claim;
  readonly user: number;
  readonly publication: Publication | null;
  readonly hosted: HostedConversation;
  /** Its number in the conversation. */
  readonly number: number;
  readonly isClient = false;
  readonly slotCount = 0;
  readonly weight = 1;
  muted: boolean;
  /** As its own instance says, which alone sends it anything. */
  deafened = false;
  hand = false;
  quality: QualityWord | null = null;
  /** Whether its own instance says that it speaks. */
  speaks = false;
  packetsReceived = 0;
  private readonly sources: RemoteSources;
  private bucket: Throttle | null = null;
  private loss: RelayedLoss | null = null;
  private ended = false;
  private leaving = false;
  /** How many packets had come at the last sweep that found new ones, and when that was. */
  private packetsSeen = 0;
  private quietSince = 0;

  /** Lists the participant in its conversation. */
  constructor(sources: RemoteSources, hosted: HostedConversation, identity: RemoteIdentity, muted: boolean) {
    this.sources = sources;
    this.hosted = hosted;
    this.instance = identity.instance;
    this.source = identity.source;
    this.claim = identity.claim;
    this.user = identity.user;
    this.publication = identity.publication;
    this.muted = muted;
    this.number = hosted.nextNumber();
    hosted.add(this.number, this);
  }

  /** It is its own seat: it never moves. */
  get seat(): this {
    return this;
  }

  /** The conversation that it is in; null once it has left. */
  get current(): HostedConversation | null {
    return this.ended ? null : this.hosted;
  }

  /** The worker that its packets go to; null while none knows it. */
  get shard(): Shard | null {
    return this.id === NO_ID || this.leaving ? null : this.hosted.shard;
  }

  /** Bounds what it sends, as if it were connected here. */
  get throttle(): Throttle {
    this.bucket ??= new Throttle(this.sources.parts.throttleLimits);
    return this.bucket;
  }

  /** Loss of its packets. */
  get rtcp(): RelayedLoss {
    this.loss ??= new RelayedLoss();
    return this.loss;
  }

  /**
   * Takes one RTP packet. With the first one, a worker learns of the participant; if no index is free, or a worker is
   * just forgetting it, the packet is dropped and counted.
   */
  hear(bytes: Uint8Array): void {
    if (this.id !== NO_ID || this.begin()) this.sources.parts.ingress.take(this, bytes);
  }

  /** Its own instance says whether it is muted. */
  setMuted(muted: boolean): void {
    if (muted === this.muted) return;
    this.muted = muted;
    this.shard?.mute(this.id, muted);
  }

  /** Its own instance says whether it is deafened, whether it raises its hand, and how good its connection is. */
  setShown(deafened: boolean, hand: boolean, quality: QualityWord | null = null): void {
    this.deafened = deafened;
    this.hand = hand;
    this.quality = quality;
  }

  /** Its own instance says whether it speaks. */
  setSpeaking(speaks: boolean): void {
    this.speaks = speaks;
  }

  /** Gives the index back after {@link QUIET_MS} without a packet. @param now milliseconds. */
  sweep(now: number): void {
    if (this.shard === null) return;
    if (this.packetsReceived !== this.packetsSeen) {
      this.packetsSeen = this.packetsReceived;
      this.quietSince = now;
    } else if (now - this.quietSince >= QUIET_MS) this.release();
  }

  /** Takes the participant off the list. Its index is free again once no worker knows it any more. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.hosted.remove(this.number);
    this.release();
  }

  tellAgain(): boolean {
    const { shard } = this;
    if (shard === null) return false;
    this.tell(shard);
    return true;
  }

  private begin(): boolean {
    if (this.ended || this.publication === null) return false;
    const { sources, hosted } = this;
    const taken = sources.parts.indexes.take();
    if (taken === null) {
      sources.refused++;
      return false;
    }
    this.id = taken.id;
    sources.known.add(this);
    sources.parts.seats.attach(hosted, this);
    this.tell(hosted.shard);
    return true;
  }

  private tell(shard: Shard): void {
    const { id, user, number, publication, muted } = this;
    const conversation = this.hosted.conversation.key;
    const listens = { slots: 0, deafened: true };
    shard.join({ type: 'join', connection: id, conversation, user, number, publication, muted, ...listens });
  }

  private release(): void {
    const { shard, sources, hosted, id } = this;
    if (shard === null) return;
    this.leaving = true;
    shard.leave(id, () => {
      this.leaving = false;
      this.id = NO_ID;
      sources.known.delete(this);
      sources.parts.indexes.give(connectionIndex(id));
      sources.parts.seats.detach(hosted, this);
    });
  }
}
