/**
 * One client's events: what the client has been sent, and what it has to be sent next.
 *
 * A client that reads slowly gets nothing until it has caught up, and then a new snapshot, so no backlog builds up
 * here.
 */
import { SLOT_WORDS, Slot } from '../../rtp/rewriter.ts';
import type { HostedConversation } from '../conversations/hosted-conversation.ts';
import type { TextChannel } from '../media/text-channel.ts';
import type { ConversationView } from './conversation-view.ts';
import { type EventParticipant, Requests } from './requests.ts';
import { MAX_BATCH_LENGTH, writeEvent, writeNowhere } from './text.ts';

/** A client counts as slow if more bytes than this wait for it. */
export const MAX_BUFFERED_BYTES = 65_536;

/** The place of a client's slots in the slot table. */
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
  /** The view that the client knows, up to `version`; null if a snapshot is due. */
  private told: ConversationView | 'nowhere' | null = null;
  private version = 0;
  /** Whether the client takes the server for connected to all others. */
  private toldWhole = true;
  /** The conversation that the client knows it is in, or moving to. */
  private conversation: string | null;
  private readonly toldSlots: number[];
  private readonly batch: string[] = [];
  private batchLength = 0;
  private slow = false;
  private over = false;

  /** @param perSecond requests accepted in the long run. */
  constructor(
    channel: TextChannel,
    participant: EventParticipant,
    rows: SlotRows,
    viewOf: (hosted: HostedConversation) => ConversationView,
    perSecond: number,
  ) {
    this.channel = channel;
    this.participant = participant;
    this.rows = rows;
    this.viewOf = viewOf;
    this.requests = new Requests(participant, viewOf, (text) => this.send(text), perSecond);
    this.conversation = participant.seat.destination?.id ?? null;
    this.toldSlots = participant.slotMids.map(() => 0);
  }

  /** Whether the channel is closed, or nothing will be sent on it any more. */
  get ended(): boolean {
    return this.over;
  }

  /**
   * Takes a message of the client.
   *
   * @param text null for a binary message.
   * @returns false if it exceeded the rate, which closes the channel.
   */
  receive(text: string | null, now: number): boolean {
    if (this.over || this.requests.receive(text, now)) return true;
    this.end();
    return false;
  }

  /** Sends what has changed since the last call. @param whole whether this server reaches all others of its cluster. */
  serve(whole: boolean): void {
    if (this.over || this.lagging()) return;
    const { seat } = this.participant;
    const hosted = seat.current;
    if (hosted !== null) this.tell(this.viewOf(hosted));
    else if (seat.destination === null && this.told !== 'nowhere') this.tellNowhere();
    // A newcomer gets its snapshot first.
    if (this.told === null || whole === this.toldWhole) return;
    if (this.send(writeEvent('cluster', { whole: String(whole) }))) this.toldWhole = whole;
  }

  /**
   * The connection was placed in another conversation, or in none. Its pinned and excluded numbers are gone.
   *
   * @param kicked whether an operator took it out.
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

  /** The client's user got the right to speak where they are, or lost it. */
  letSpeak(): void {
    this.send(writeEvent('speak', { speak: String(this.participant.maySpeak) }));
  }

  /** The server cannot read any of the client's RED, so nobody hears it. */
  badRed(): void {
    this.requests.refuse({ code: 'bad-red', detail: 'the RED packets that this client sends cannot be read' });
  }

  /** The server shuts down, and the connection ends within this many milliseconds. */
  draining(within: number): void {
    this.send(writeDraining(within));
  }

  /** Says why the connection ends now. @returns whether the message was sent. */
  farewell(why: 'replaced' | 'draining'): boolean {
    return !this.over && this.channel.send(why === 'draining' ? writeDraining(0) : writeEvent(why));
  }

  /** Closes the channel. The connection goes on. */
  end(): void {
    this.over = true;
    this.channel.close();
  }

  /** The channel is closed. */
  closed(): void {
    this.over = true;
  }

  private tell(view: ConversationView): void {
    // A newcomer gets its snapshot once it is in the view itself.
    if (!view.has(this.participant.seat.number)) return;
    if (this.told === view && this.version === view.version - 1) {
      for (const text of view.texts) this.add(text);
    } else if (this.told !== view || this.version !== view.version) {
      const { selfMuted, mutedByOperator, maySpeak, deafened, seat } = this.participant;
      const { pinned, excluded } = this.requests;
      const self = { number: seat.number, muted: selfMuted, mutedByOperator, maySpeak, deafened, pinned, excluded };
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
      // A speaker who is not in the view yet is announced at the next tick; one who has left is shown as nobody.
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
    const { selfMuted: muted, mutedByOperator, maySpeak, deafened } = this.participant;
    this.send(writeNowhere({ muted, mutedByOperator, maySpeak, deafened }));
    this.toldSlots.fill(0);
    this.told = 'nowhere';
  }

  /** Whether a slow client still has bytes to read. */
  private lagging(): boolean {
    if (!this.slow) return false;
    if (this.channel.bufferedAmount() > 0) return true;
    this.slow = false;
    this.told = null;
    return false;
  }

  /** Adds an event to the next message. */
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

  /** Sends a message, unless the client is slow. @returns whether it was sent. */
  private send(text: string): boolean {
    if (this.slow || this.over) return false;
    this.slow = this.channel.bufferedAmount() > MAX_BUFFERED_BYTES;
    if (this.slow) return false;
    if (this.channel.send(text)) return true;
    this.end();
    return false;
  }
}

function writeDraining(within: number): string {
  return writeEvent('draining', { within: String(Math.round(within)) });
}
