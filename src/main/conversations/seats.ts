/** Which worker serves which conversation. A conversation is wholly on one worker for as long as anybody has a seat in it. */
import type { Shard } from '../media/shard.ts';
import type { Rebuilt } from '../media/worker-supervisor.ts';
import type { Conversation } from './conversations.ts';
import { HostedConversation, type HostedSeat } from './hosted-conversation.ts';

/**
 * Each conversation's numbers begin this far after those of the one before. What was under way while a client moved (its
 * request, a packet, a browser's memory of CSRCs) has a number of the old conversation, which matches nobody in the next
 * one. The ranges repeat after as many conversations as there are ranges; the last range has room for 2^31 numbers.
 */
const NUMBERS_APART = 2 ** 16;
const RANGES = 2 ** 15;

export class Seats {
  /** By key of the conversation. */
  private readonly conversations = new Map<number, HostedConversation>();
  private readonly leastLoaded: () => Shard;
  /** Which of the {@link RANGES} the next conversation's numbers are from. */
  private range = 0;

  constructor(leastLoaded: () => Shard) {
    this.leastLoaded = leastLoaded;
  }

  /** Conversations in which somebody has a seat. */
  get hosted(): number {
    return this.conversations.size;
  }

  /** Whether one client of this process can hear another user's. */
  get talking(): boolean {
    for (const hosted of this.conversations.values()) if (hosted.talking) return true;
    return false;
  }

  /** Puts a seat into a conversation, which gets a worker with its first one. */
  enter(conversation: Conversation, seat: HostedSeat): HostedConversation {
    const hosted = this.conversations.get(conversation.key) ?? this.open(conversation);
    hosted.seats.add(seat);
    hosted.shard.load += seat.weight;
    return hosted;
  }

  /** Takes a seat out of its conversation, which gives up its worker with its last one. */
  exit(hosted: HostedConversation, seat: HostedSeat): void {
    hosted.shard.load -= seat.weight;
    hosted.seats.delete(seat);
    if (hosted.seats.size === 0) this.conversations.delete(hosted.conversation.key);
  }

  /** Notes who is foremost in a conversation. @param speaker number in the conversation, 0 for nobody. */
  dominantChanged(key: number, speaker: number): void {
    const hosted = this.conversations.get(key);
    if (hosted !== undefined) hosted.dominant = speaker;
  }

  /**
   * Tells a shard's new worker, which knows nothing, of all conversations that the shard serves. Every participant keeps
   * its number, its preferences and its place.
   */
  rebuild(shard: Shard): Rebuilt {
    let conversations = 0;
    let connections = 0;
    for (const hosted of this.conversations.values()) {
      if (hosted.shard !== shard) continue;
      conversations++;
      for (const seat of hosted.seats) if (seat.tellAgain()) connections++;
    }
    return { conversations, connections };
  }

  private open(conversation: Conversation): HostedConversation {
    const hosted = new HostedConversation(conversation, this.leastLoaded(), this.range * NUMBERS_APART);
    this.range = (this.range + 1) % RANGES;
    this.conversations.set(conversation.key, hosted);
    return hosted;
  }
}
