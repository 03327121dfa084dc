/** Which worker serves which conversation. One worker serves all of a conversation while anybody has a seat in it. */
import type { Shard } from '../media/shard.ts';
import { HostedConversation, type HostedSeat } from './hosted-conversation.ts';
import { HostedConversations } from './hosted-conversations.ts';
import type { Conversation } from './occupied.ts';

/**
 * Each conversation's numbers begin this far after those of the one before. What was under way while a client moved
 * (its request, a packet, a browser's memory of CSRCs) has a number of the old conversation, which matches nobody in
 * the next one. The ranges repeat after as many conversations as there are ranges; the last range has room for 2^31
 * numbers.
 */
const NUMBERS_APART = 2 ** 16;
const RANGES = 2 ** 15;

/** Told which conversations have seats of this process' own participants, and of what changes about these. */
export interface SeatsObserver {
  /** The conversation's first own seat is about to be taken. */
  opened(hosted: HostedConversation): void;
  /** The last own seat was given up, and no worker writes for it any more. */
  closed(hosted: HostedConversation): void;
  /**
   * An own participant came, left, was muted or unmuted, or changed what it wants to hear.
   *
   * @param urgent whether others would otherwise miss something.
   */
  changed(hosted: HostedConversation, urgent: boolean): void;
}

export class Seats {
  /** Those in which anybody has a seat. */
  readonly hosted: HostedConversations;
  private readonly leastLoaded: () => Shard;
  private observer: SeatsObserver | null = null;
  /** Which of the {@link RANGES} the next conversation's numbers are from. */
  private range = 0;

  constructor(leastLoaded: () => Shard, hosted = new HostedConversations()) {
    this.leastLoaded = leastLoaded;
    this.hosted = hosted;
  }

  /** Tells an observer from now on; null for nobody. */
  observe(observer: SeatsObserver | null): void {
    this.observer = observer;
  }

  /** Puts an own participant's seat into a conversation, which gets a worker with its first one. */
  enter(conversation: Conversation, seat: HostedSeat): HostedConversation {
    const hosted = this.hosted.get(conversation.key) ?? this.open(conversation);
    this.attach(hosted, seat);
    if (++hosted.ownSeats === 1) this.observer?.opened(hosted);
    return hosted;
  }

  /** Takes an own participant's seat out of its conversation. */
  exit(hosted: HostedConversation, seat: HostedSeat): void {
    if (--hosted.ownSeats === 0) this.observer?.closed(hosted);
    this.detach(hosted, seat);
  }

  /** Something changed about an own participant that sits in a conversation. */
  changed(hosted: HostedConversation, urgent = false): void {
    this.observer?.changed(hosted, urgent);
  }

  /** Adds a seat of whomever to a conversation that has a worker. */
  attach(hosted: HostedConversation, seat: HostedSeat): void {
    hosted.seats.add(seat);
    hosted.shard.load += seat.weight;
  }

  /** Takes a seat of whomever out of its conversation, which gives up its worker with its last one. */
  detach(hosted: HostedConversation, seat: HostedSeat): void {
    hosted.shard.load -= seat.weight;
    hosted.seats.delete(seat);
    if (hosted.seats.size === 0) this.hosted.delete(hosted);
  }

  private open(conversation: Conversation): HostedConversation {
    const hosted = new HostedConversation(conversation, this.leastLoaded(), this.range * NUMBERS_APART);
    this.range = (this.range + 1) % RANGES;
    this.hosted.add(hosted);
    return hosted;
  }
}
