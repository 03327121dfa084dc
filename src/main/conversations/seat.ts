/**
 * One participant's place. A participant that moves leaves its conversation before it joins the next one, so that its
 * slots' rows have one writer at any time, and its packets stay in order.
 */
import type { Shard } from '../media/shard.ts';
import type { HostedConversation, HostedSeat } from './hosted-conversation.ts';
import type { Conversation } from './occupied.ts';
import type { ListenerPreferences, Participant } from './participant.ts';
import type { Seats } from './seats.ts';

export class Seat implements HostedSeat {
  /** The worker that the participant's packets go to now; null while it is in no conversation or on its way to one. */
  shard: Shard | null = null;
  /** The participant's number as a speaker in its conversation; 0 while it is in none. */
  number = 0;
  private readonly participant: Participant;
  private readonly seats: Pick<Seats, 'enter' | 'exit' | 'changed'>;
  private hosted: HostedConversation | null = null;
  private wanted: Conversation | null = null;
  private moving = false;
  private freed: (() => void) | null = null;

  constructor(participant: Participant, seats: Pick<Seats, 'enter' | 'exit' | 'changed'>) {
    this.participant = participant;
    this.seats = seats;
  }

  /** The conversation that the participant is in; null while it is in none or on its way to one. */
  get current(): HostedConversation | null {
    return this.shard === null ? null : this.hosted;
  }

  /** Where the participant is, or will be once its worker has let go; null for no conversation. */
  get destination(): Conversation | null {
    return this.wanted;
  }

  /** Moves the participant into a conversation, or out of all. The last call wins. */
  place(conversation: Conversation | null): void {
    if (this.freed !== null) return;
    this.wanted = conversation;
    this.settle();
  }

  /**
   * Gives the seat up for good. Has no effect on a seat that was given up before.
   *
   * @param freed called once no worker writes for the participant any more.
   */
  vacate(freed: () => void): void {
    if (this.freed !== null) return;
    this.wanted = null;
    this.freed = freed;
    this.settle();
  }

  /** What the participant costs its worker: each slot is one packet to write for each packet heard. */
  get weight(): number {
    const { publication, slotCount } = this.participant;
    return slotCount + (publication === null ? 0 : 1);
  }

  /** Changes what the participant hears, its `deafened` included. Holds until it leaves the conversation. */
  listen(preferences: ListenerPreferences): void {
    const { shard, hosted } = this;
    if (shard === null || hosted === null) return;
    hosted.preferences.set(this.number, preferences);
    const { id, deafened } = this.participant;
    shard.listen({ type: 'listen', connection: id, deafened, ...preferences });
    this.seats.changed(hosted);
  }

  /** Tells the worker that the participant's `muted` has changed. */
  muteChanged(): void {
    const { shard, hosted } = this;
    if (shard === null || hosted === null) return;
    const { id, muted } = this.participant;
    shard.mute(id, muted);
    // Whoever unmutes is about to speak.
    this.seats.changed(hosted, !muted);
  }

  tellAgain(): boolean {
    if (this.hosted === null || this.moving) return false;
    this.tell(this.hosted);
    const preferences = this.hosted.preferences.get(this.number);
    if (preferences !== undefined) this.listen(preferences);
    return true;
  }

  private settle(): void {
    if (this.moving) return;
    if (this.hosted !== null && this.hosted.conversation !== this.wanted) return this.leave(this.hosted);
    if (this.hosted === null && this.wanted !== null) this.join(this.wanted);
    if (this.hosted === null && this.freed !== null) this.freed();
  }

  private join(conversation: Conversation): void {
    const hosted = this.seats.enter(conversation, this);
    this.hosted = hosted;
    this.shard = hosted.shard;
    this.number = hosted.nextNumber();
    hosted.add(this.number, this.participant);
    this.tell(hosted);
    this.seats.changed(hosted);
  }

  private tell({ conversation, shard }: HostedConversation): void {
    const { participant } = this;
    shard.join({
      type: 'join',
      connection: participant.id,
      conversation: conversation.key,
      user: participant.user,
      number: this.number,
      publication: participant.publication,
      slots: participant.slotCount,
      muted: participant.muted,
      deafened: participant.deafened,
    });
  }

  private leave(hosted: HostedConversation): void {
    this.moving = true;
    this.shard = null;
    hosted.remove(this.number);
    this.number = 0;
    this.seats.changed(hosted);
    hosted.shard.leave(this.participant.id, () => {
      this.moving = false;
      this.hosted = null;
      this.seats.exit(hosted, this);
      this.settle();
    });
  }
}
