/**
 * One client's events: what it was told, and what it has to be told next.
 *
 * A client that reads slowly is told nothing until it has caught up, and then everything anew: nothing gathers here.
 */
import { SLOT_WORDS, Slot } from '../../rtp/rewriter.ts';
import type { HostedConversation } from '../conversations/hosted-conversation.ts';
import type { TextChannel } from '../media/text-channel.ts';
import type { ConversationView } from './conversation-view.ts';
import { type EventParticipant, Requests } from './requests.ts';
import { MAX_BATCH_LENGTH, writeEvent } from './text.ts';

/** Bytes that may wait for a client before it counts as slow. */
export const MAX_BUFFERED_BYTES = 65_536;

/** Where a client's slots are: rows of the slot table. */
export interface SlotRows {
  readonly table: Int32Array;
  /** The first word of its first slot. */
  readonly first: number;
}

export class EventChannel {
  private readonly channel: TextChannel;
  private readonly participant: EventParticipant;
  private readonly rows: SlotRows;
  private readonly viewOf: (hosted: HostedConversation) => ConversationView;
  private readonly requests: Requests;
  /** The view whose state was told, up to `version`; null if a snapshot is due. */
  private told: ConversationView | 'nowhere' | null = null;
  private version = 0;
  /** The conversation that the client knows it is in, or on its way to. */
  private conversation: string | null;
  private readonly toldSlots: number[];
  private readonly batch: string[] = [];
  private batchLength = 0;
  private slow = false;
  private over = false;

  /** @param perSecond requests taken in the long run. @param now milliseconds, on the caller's clock. */
  constructor(
    channel: TextChannel,
    participant: EventParticipant,
    rows: SlotRows,
    viewOf: (hosted: HostedConversation) => ConversationView,
    perSecond: number,
    now: number,
  ) {
    this.channel = channel;
    this.participant = participant;
    this.rows = rows;
    this.viewOf = viewOf;
    this.requests = new Requests(participant, viewOf, (text) => this.send(text), perSecond, now);
    this.conversation = participant.seat.destination?.id ?? null;
    this.toldSlots = participant.slotMids.map(() => 0);
  }

  /** Whether nothing will be said any more. */
  get ended(): boolean {
    return this.over;
  }

  /** Takes what the client said. @param text null for a binary message. @returns false if it was one too many. */
  receive(text: string | null, now: number): boolean {
    if (this.over || this.requests.receive(text, now)) return true;
    this.end();
    return false;
  }

  /** Tells what is new. */
  serve(): void {
    if (this.over || this.lagging()) return;
    const { seat } = this.participant;
    const hosted = seat.current;
    if (hosted !== null) this.tell(this.viewOf(hosted));
    else if (seat.destination === null && this.told !== 'nowhere') this.tellNowhere();
  }

  /**
   * The connection was placed anew, in a conversation or nowhere. What it had pinned or excluded it has no more.
   *
   * @param kicked by an operator.
   */
  placed(kicked: boolean): void {
    const conversation = this.participant.seat.destination?.id ?? null;
    if (this.over || conversation === this.conversation) return;
    const before = this.conversation;
    this.conversation = conversation;
    this.requests.forgetPeople();
    this.told = null;
    if (conversation !== null) this.send(writeEvent('moved', { conversation: JSON.stringify(conversation) }));
    else this.send(writeEvent('left', { conversation: JSON.stringify(before), kicked: String(kicked) }));
  }

  /** An operator muted the client's user, or took that back. */
  mutedByOperator(): void {
    this.send(writeEvent('silenced', { silenced: String(this.participant.mutedByOperator) }));
  }

  /** Nothing of the client's RED can be read, so nobody hears it. */
  badRed(): void {
    this.requests.refuse({ code: 'bad-red', detail: 'the RED packets that this client sends cannot be read' });
  }

  /** The server shuts down, and the connection ends at the latest after `within` milliseconds. */
  draining(within: number): void {
    this.send(writeDraining(within));
  }

  /** Says why the connection ends now. @returns whether it could be said. */
  farewell(why: 'replaced' | 'draining'): boolean {
    return !this.over && this.channel.send(why === 'draining' ? writeDraining(0) : writeEvent(why));
  }

  /** Closes the channel; the connection stands on. */
  end(): void {
    this.over = true;
    this.channel.close();
  }

  /** The channel is closed. */
  closed(): void {
    this.over = true;
  }

  private tell(view: ConversationView): void {
    // A newcomer is told of the view once the view knows it.
    if (!view.has(this.participant.seat.number)) return;
    if (this.told === view && this.version === view.version - 1) {
      for (const text of view.texts) this.add(text);
    } else if (this.told !== view || this.version !== view.version) {
      const { selfMuted, mutedByOperator, deafened, seat } = this.participant;
      const { pinned, excluded } = this.requests;
      const self = { number: seat.number, muted: selfMuted, mutedByOperator, deafened, pinned, excluded };
      for (const text of view.snapshot(self)) this.add(text);
      for (const text of view.mapping(pinned)) this.add(text);
      this.toldSlots.fill(0);
    }
    this.told = view;
    this.version = view.version;
    this.tellSlots(view);
    this.flush();
  }

  private tellSlots(view: ConversationView): void {
    const { toldSlots } = this;
    const { table, first } = this.rows;
    let changed: { mid: string; number: number }[] | null = null;
    for (let i = 0; i < toldSlots.length; i++) {
      const speaker = table[first + i * SLOT_WORDS + Slot.Speaker]! >>> 0;
      // Whoever the view does not know yet is told at the next tick, and whoever it knows no more is gone.
      const number = view.has(speaker) ? speaker : 0;
      if (number === toldSlots[i]) continue;
      toldSlots[i] = number;
      changed ??= [];
      changed.push({ mid: this.participant.slotMids[i]!, number });
    }
    if (changed === null) return;
    for (const text of view.mapping(changed.map(({ number }) => number))) this.add(text);
    this.add(writeEvent('slots', { slots: JSON.stringify(changed) }));
  }

  private tellNowhere(): void {
    const { selfMuted, mutedByOperator, deafened } = this.participant;
    this.send(
      writeEvent('snapshot', {
        conversation: 'null',
        number: '0',
        muted: String(selfMuted),
        silenced: String(mutedByOperator),
        deafened: String(deafened),
        pinned: '[]',
        excluded: '[]',
        dominant: '0',
        total: '0',
        complete: 'true',
        participants: '[]',
      }),
    );
    this.toldSlots.fill(0);
    this.told = 'nowhere';
  }

  /** Whether the client has not read yet what made it slow. */
  private lagging(): boolean {
    if (!this.slow) return false;
    if (this.channel.bufferedAmount() > 0) return true;
    this.slow = false;
    this.told = null;
    return false;
  }

  /** Puts an event into the next message. */
  private add(text: string): void {
    if (this.batchLength + text.length > MAX_BATCH_LENGTH) this.flush();
    this.batch.push(text);
    this.batchLength += text.length + 1;
  }

  private flush(): void {
    const { batch } = this;
    if (batch.length > 0) this.send(batch.length === 1 ? batch[0]! : `[${batch.join(',')}]`);
    batch.length = 0;
    this.batchLength = 0;
  }

  private send(text: string): void {
    if (this.slow || this.over) return;
    if (this.channel.bufferedAmount() > MAX_BUFFERED_BYTES) this.slow = true;
    else if (!this.channel.send(text)) this.end();
  }
}

function writeDraining(within: number): string {
  return writeEvent('draining', { within: String(Math.round(within)) });
}
