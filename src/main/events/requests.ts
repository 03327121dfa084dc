/** The requests of one client on its channel for events, and their limits. */
import type { HostedConversation } from '../conversations/hosted-conversation.ts';
import type { Participant } from '../conversations/participant.ts';
import type { Seat } from '../conversations/seat.ts';
import { TokenBucket } from '../limits/token-bucket.ts';
import type { ConversationView } from './conversation-view.ts';
import { type BadMessage, EventErrors, type EventRequest, readRequest } from './schema.ts';
import { writeEvent } from './text.ts';

/** A participant whose client gets events. */
export interface EventParticipant extends Participant {
  /** Muted by the client itself. */
  selfMuted: boolean;
  /** Muted by an operator. */
  readonly mutedByOperator: boolean;
  /** Whether its user may speak. `muted` is true if it is muted by itself or an operator, or may not speak. */
  readonly maySpeak: boolean;
  /** Whether the server cannot read its RED. */
  readonly badRed?: boolean;
  deafened: boolean;
  hand: boolean;
  readonly seat: Pick<Seat, 'current' | 'destination' | 'listen' | 'muteChanged' | 'number'>;
  /** The mids of its slots, in their order. */
  readonly slotMids: readonly string[];
}

export class Requests {
  /** Numbers of the participants that the client wants to hear first, and of those that it does not want to hear. */
  pinned: readonly number[] = [];
  excluded: readonly number[] = [];
  private readonly participant: EventParticipant;
  private readonly viewOf: (hosted: HostedConversation) => ConversationView;
  private readonly send: (text: string) => void;
  private readonly perSecond: number;
  private readonly bucket: TokenBucket;

  /**
   * @param send sends an answer.
   * @param perSecond messages accepted in the long run; twice as many are accepted at once.
   */
  constructor(
    participant: EventParticipant,
    viewOf: (hosted: HostedConversation) => ConversationView,
    send: (text: string) => void,
    perSecond: number,
  ) {
    this.participant = participant;
    this.viewOf = viewOf;
    this.send = send;
    this.perSecond = perSecond;
    this.bucket = new TokenBucket(2 * perSecond, perSecond);
  }

  /** Takes a message. @param text null for a binary one. @returns false if it exceeded the rate. */
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

  /** Forgets all numbers, which mean nothing after a move. */
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
      case 'hand':
        return this.raise(request);
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
    if (!participant.maySpeak && !request.muted) {
      return this.refuse({ ...idOf(request), code: 'no-right-to-speak', detail: 'this user may not speak here' });
    }
    participant.selfMuted = request.muted;
    participant.seat.muteChanged();
    this.confirm(request);
  }

  /** A hand is part of the state that everybody is told, so however often it goes up, it costs one change a tick. */
  private raise(request: Extract<EventRequest, { type: 'hand' }>): void {
    if (this.view(request) === null) return;
    this.participant.hand = request.raised;
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
    // The client may know the number only from a packet.
    if (request.type === 'pin') for (const text of view.mapping(numbers)) this.send(text);
    this.confirm(request);
  }

  private listen(): void {
    const { pinned, excluded } = this;
    this.participant.seat.listen({ pinned, excluded });
  }

  /** Returns the view for a request. Without a conversation, answers with an error and returns null. */
  private view(request: EventRequest): ConversationView | null {
    const hosted = this.participant.seat.current;
    if (hosted !== null) return this.viewOf(hosted);
    this.refuse({ ...idOf(request), code: 'not-in-conversation', detail: `${request.type} needs a conversation` });
    return null;
  }

  private confirm({ id }: EventRequest): void {
    if (id !== undefined) this.send(writeEvent('ok', { id: String(id) }));
  }

  /** Sends an error. */
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
