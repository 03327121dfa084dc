/** What one client asks for on its data channel, and the bounds of that. */

import type { HostedConversation } from '../conversations/hosted-conversation.ts';
import type { Participant } from '../conversations/participant.ts';
import type { Seat } from '../conversations/seat.ts';
import { TokenBucket } from '../limits/token-bucket.ts';
import type { ConversationView } from './conversation-view.ts';
import { type BadMessage, EventErrors, type EventRequest, readRequest } from './schema.ts';
import { writeEvent } from './text.ts';

/** A connection, as far as events go. */
export interface EventParticipant extends Participant {
  /** By the client itself. */
  selfMuted: boolean;
  /** By an operator; `muted` is either. */
  readonly mutedByOperator: boolean;
  /** Its RED cannot be read. */
  readonly badRed?: boolean;
  deafened: boolean;
  readonly seat: Pick<Seat, 'current' | 'destination' | 'listen' | 'number' | 'shard'>;
  /** The mids of its slots, in their order. */
  readonly slotMids: readonly string[];
}

export class Requests {
  /** Numbers that the client wants to hear first, and those that it does not want to hear. */
  pinned: readonly number[] = [];
  excluded: readonly number[] = [];
  private readonly participant: EventParticipant;
  private readonly viewOf: (hosted: HostedConversation) => ConversationView;
  private readonly send: (text: string) => void;
  private readonly perSecond: number;
  private readonly bucket: TokenBucket;

  /**
   * @param send for answers.
   * @param perSecond messages taken in the long run; twice as many at once.
   * @param now milliseconds, on the caller's clock.
   */
  constructor(
    participant: EventParticipant,
    viewOf: (hosted: HostedConversation) => ConversationView,
    send: (text: string) => void,
    perSecond: number,
    now: number,
  ) {
    this.participant = participant;
    this.viewOf = viewOf;
    this.send = send;
    this.perSecond = perSecond;
    this.bucket = new TokenBucket(2 * perSecond, perSecond, now);
  }

  /** Takes a message. @param text null for a binary one. @returns false if it was one too many. */
  receive(text: string | null, now: number): boolean {
    if (!this.bucket.take(now)) {
      const { perSecond } = this;
      this.refuse({ code: 'flood', detail: `more than ${2 * perSecond} messages at once or ${perSecond} a second` });
      return false;
    }
    if (text === null) {
      this.refuse({ code: 'not-text', detail: 'the message is binary' });
      return true;
    }
    const { message, bad } = readRequest(text);
    if (bad !== null) this.refuse(bad);
    else this.answer(message);
    return true;
  }

  /** Numbers mean nothing any more: the connection has moved. */
  forgetPeople(): void {
    this.pinned = [];
    this.excluded = [];
  }

  private answer(request: EventRequest): void {
    const { participant } = this;
    switch (request.type) {
      case 'mute':
        return this.mute(request);
      case 'deafen':
        participant.deafened = request.deafened;
        this.listen();
        return this.confirm(request);
      case 'pin':
      case 'exclude':
        return this.choose(request);
      case 'participants': {
        const view = this.view(request);
        if (view !== null) this.send(view.page(request.id, request.after, request.limit));
        return;
      }
      default:
        request satisfies never;
    }
  }

  private mute(request: Extract<EventRequest, { type: 'mute' }>): void {
    const { participant } = this;
    if (participant.mutedByOperator && !request.muted) {
      return this.refuse({ ...idOf(request), code: 'silenced', detail: 'an operator muted this user' });
    }
    participant.selfMuted = request.muted;
    participant.seat.shard?.mute(participant.id, participant.muted);
    this.confirm(request);
  }

  private choose(request: Extract<EventRequest, { type: 'pin' | 'exclude' }>): void {
    const view = this.view(request);
    if (view === null) return;
    const unknown = request.numbers.find((number) => !view.has(number));
    if (unknown !== undefined) {
      return this.refuse({ ...idOf(request), code: 'unknown-number', detail: `nobody here has number ${unknown}` });
    }
    const numbers = [...new Set(request.numbers)];
    if (request.type === 'pin') this.pinned = numbers;
    else this.excluded = numbers;
    this.listen();
    // The client may have the number from a packet alone.
    if (request.type === 'pin') for (const text of view.mapping(numbers)) this.send(text);
    this.confirm(request);
  }

  private listen(): void {
    const { pinned, excluded } = this;
    this.participant.seat.listen({ pinned, excluded });
  }

  /** The view that a request is about; null, and an error, if there is none. */
  private view(request: EventRequest): ConversationView | null {
    const hosted = this.participant.seat.current;
    if (hosted !== null) return this.viewOf(hosted);
    this.refuse({ ...idOf(request), code: 'not-in-conversation', detail: `${request.type} needs a conversation` });
    return null;
  }

  private confirm({ id }: EventRequest): void {
    if (id !== undefined) this.send(writeEvent('ok', { id: String(id) }));
  }

  /** Tells what is wrong. */
  refuse({ id, code, detail }: BadMessage): void {
    this.send(
      writeEvent('error', {
        ...(id === undefined ? {} : { id: String(id) }),
        code: JSON.stringify(code),
        detail: JSON.stringify(detail),
        next: JSON.stringify(EventErrors[code]),
      }),
    );
  }
}

function idOf({ id }: EventRequest): { id?: number } {
  return id === undefined ? {} : { id };
}
