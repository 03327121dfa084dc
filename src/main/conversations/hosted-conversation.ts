/** A conversation that a worker serves, because participants have seats in it. */
import type { Shard } from '../media/shard.ts';
import type { Conversation } from './occupied.ts';
import type { ListenerPreferences, Participant } from './participant.ts';

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
  /** Those of this process among them. */
  readonly own = new Map<number, Participant>();
  /** What listeners said they want to hear, by their numbers; only those that said so. */
  readonly preferences = new Map<number, ListenerPreferences>();
  /** Seats of this process' own participants, including those that are leaving. */
  ownSeats = 0;
  /** Number of the dominant speaker as the worker determines it, 0 for nobody. */
  workerDominant = 0;
  /** The same as another instance determines it for all; null if this one's worker does. */
  electedDominant: number | null = null;
  /** Whether somebody taps the conversation on this instance. */
  tapped = false;
  /** Whether it is recorded, by a tap on this instance or on another one. */
  recordedHere = false;
  recordedElsewhere = false;
  private lastNumber: number;
  /** How many publishers each user has here, by the user's number. */
  private readonly publishers = new Map<number, number>();

  /** @param numbersAfter the numbers of its participants are greater than this. */
  constructor(conversation: Conversation, shard: Shard, numbersAfter: number) {
    this.conversation = conversation;
    this.shard = shard;
    this.lastNumber = numbersAfter;
  }

  /** Number of the dominant speaker, 0 for nobody. */
  get dominant(): number {
    return this.electedDominant ?? this.workerDominant;
  }

  get recorded(): boolean {
    return this.recordedHere || this.recordedElsewhere;
  }

  /** Returns a number that no participant has had since the conversation got its worker. */
  nextNumber(): number {
    return ++this.lastNumber;
  }

  /** Lists a participant under its number. */
  add(number: number, participant: Participant): void {
    this.participants.set(number, participant);
    if (participant.isClient) this.own.set(number, participant);
    if (participant.publication !== null) this.countPublisher(participant.user, 1);
  }

  /** Takes a participant, and what it said it wants to hear, off the list. */
  remove(number: number): void {
    const participant = this.participants.get(number);
    if (participant === undefined) return;
    if (participant.publication !== null) this.countPublisher(participant.user, -1);
    this.participants.delete(number);
    this.own.delete(number);
    this.preferences.delete(number);
  }

  /** Returns how many participants of a user publish, wherever they are connected. @param user its number. */
  publishersOf(user: number): number {
    return this.publishers.get(user) ?? 0;
  }

  private countPublisher(user: number, by: number): void {
    const count = this.publishersOf(user) + by;
    if (count === 0) this.publishers.delete(user);
    else this.publishers.set(user, count);
  }

  /** Whether a client is here that can hear another user, wherever that one is connected. */
  get talking(): boolean {
    let clients = false;
    let first = 0;
    let others = false;
    for (const { user, isClient } of this.participants.values()) {
      clients ||= isClient;
      others ||= first !== 0 && user !== first;
      first = user;
      if (clients && others) return true;
    }
    return false;
  }
}
