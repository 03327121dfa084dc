/** A source of this instance in a conversation that spans instances, from its first packet there on. */
import type { Publication } from '../../../workers/protocol.ts';
import type { Publisher } from '../../media/ingress.ts';
import type { AnnouncedSource } from './interfaces.ts';
import { Onset } from './onset.ts';

/** Its conversation. */
export interface Newcomers {
  /** Lets one more source be relayed as a newcomer. @returns false if there are enough of them. */
  admit(): boolean;
}

export class OutgoingSource {
  /** Connection id. */
  readonly id: number;
  readonly conversation: Newcomers;
  /** Whether it is among the foremost, or somebody elsewhere pinned it. */
  wanted = false;
  /** Whether the other instances know it. */
  announced = false;
  /** Its loss on the way here, 0 … 255. */
  loss = 0;
  /** Whether it is relayed because it begins. */
  newcomer = false;
  private readonly publisher: Publisher;
  private readonly publication: Publication;
  private readonly onset: Onset;
  private beginning = false;
  private ranked = false;

  /** @param stamp of its first packet. */
  constructor(conversation: Newcomers, publisher: Publisher, publication: Publication, stamp: number) {
    this.id = publisher.id;
    this.publisher = publisher;
    this.publication = publication;
    this.conversation = conversation;
    this.onset = new Onset(publication, stamp);
  }

  get announcement(): AnnouncedSource {
    const { claim, muted } = this.publisher;
    return { source: this.id, userid: claim.userid, clientid: claim.clientid, publication: this.publication, muted };
  }

  /** Whether it is still in a conversation. @param key of the conversation. */
  isIn(key: number): boolean {
    return this.publisher.seat.current?.conversation.key === key;
  }

  /** Takes a packet. @param stamp its arrival. @returns whether it is relayed. Never throws. */
  goes(bytes: Uint8Array, stamp: number): boolean {
    const begins = this.onset.take(bytes, stamp);
    if (begins && !this.beginning) this.newcomer = this.wanted || this.conversation.admit();
    this.beginning = begins;
    return this.wanted || this.newcomer;
  }

  /** Takes note of the order. @param rank its place in it, 0 for none. */
  look(rank: number, wanted: boolean): void {
    this.wanted = wanted;
    this.loss = this.publisher.rtcp?.uplink.fraction ?? 0;
    // Not before the order has been looked at: while this thread is held up, it is not.
    if (!this.beginning) this.newcomer = false;
    // Its next packet ends the mute elsewhere, before presence says so.
    if (this.publisher.muted) this.announced = false;
    if (rank === 0 && this.ranked) this.onset.restart();
    this.ranked = rank > 0;
  }
}
