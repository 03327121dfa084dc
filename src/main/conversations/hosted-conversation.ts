/** A conversation that a worker serves, because participants have seats in it. */
import type { Shard } from '../media/shard.ts';
import type { Conversation } from './conversations.ts';
import type { Participant } from './participant.ts';

/** A seat as its conversation sees it. */
export interface HostedSeat {
  /** What it costs its worker. */
  readonly weight: number;
  /** Tells a new worker of itself. @returns false if it has no place there any more. */
  tellAgain(): boolean;
}

export class HostedConversation {
  readonly conversation: Conversation;
  readonly shard: Shard;
  /** The seats that the worker may write for, including those that are leaving. */
  readonly seats = new Set<HostedSeat>();
  /** The participants by their numbers, without those that are leaving. */
  readonly participants = new Map<number, Participant>();
  /** Number of the dominant speaker, 0 for nobody. */
  dominant = 0;
  private lastNumber: number;

  /** @param numbersAfter the numbers of its participants are greater than this. */
  constructor(conversation: Conversation, shard: Shard, numbersAfter: number) {
    this.conversation = conversation;
    this.shard = shard;
    this.lastNumber = numbersAfter;
  }

  /** Returns a number that no participant has had since the conversation got its worker. */
  nextNumber(): number {
    return ++this.lastNumber;
  }

  /** Whether clients of two users are here, so that one can hear the other. */
  get talking(): boolean {
    let first = 0;
    for (const { user, isClient } of this.participants.values()) {
      if (!isClient) continue;
      if (first !== 0 && user !== first) return true;
      first = user;
    }
    return false;
  }
}
