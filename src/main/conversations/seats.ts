/** Which worker serves which conversation. One worker serves all of a conversation while anybody has a seat in it. */
import type { Shard } from '../media/shard.ts';
import type { Conversation } from './conversations.ts';
import { HostedConversation, type HostedSeat } from './hosted-conversation.ts';
import { HostedConversations } from './hosted-conversations.ts';

/**
 * Each conversation's numbers begin this far after those of the one before. What was under way while a client moved
 * (its request, a packet, a browser's memory of CSRCs) has a number of the old conversation, which matches nobody in
 * the next one. The ranges repeat after as many conversations as there are ranges; the last range has room for 2^31
 * numbers.
 */
const NUMBERS_APART = 2 ** 16;
const RANGES = 2 ** 15;

export class Seats {
  /** Those in which anybody has a seat. */
  readonly hosted: HostedConversations;
  private readonly leastLoaded: () => Shard;
  /** Which of the {@link RANGES} the next conversation's numbers are from. */
  private range = 0;

  constructor(leastLoaded: () => Shard, hosted = new HostedConversations()) {
    this.leastLoaded = leastLoaded;
    this.hosted = hosted;
  }

  /** Puts a seat into a conversation, which gets a worker with its first one. */
  enter(conversation: Conversation, seat: HostedSeat): HostedConversation {
    const hosted = this.hosted.get(conversation.key) ?? this.open(conversation);
    hosted.seats.add(seat);
    hosted.shard.load += seat.weight;
    return hosted;
  }

  /** Takes a seat out of its conversation, which gives up its worker with its last one. */
  exit(hosted: HostedConversation, seat: HostedSeat): void {
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
