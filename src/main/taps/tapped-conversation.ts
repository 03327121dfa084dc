/**
 * A conversation that somebody taps, whether anybody is in it or not. While anybody is, it has a seat there, so that in
 * a cluster the packets of the other instances come to this one.
 */
import type { HostedConversation, HostedSeat } from '../conversations/hosted-conversation.ts';
import type { Conversation } from '../conversations/occupied.ts';
import type { Seats } from '../conversations/seats.ts';
import { ConversationView } from '../events/conversation-view.ts';
import type { RightsIn } from '../events/shown.ts';
import type { Tap } from './tap.ts';

export interface TappedParts {
  readonly seats: Pick<Seats, 'enter' | 'exit' | 'changed'>;
  /** The source table. */
  readonly sources: Int32Array;
  /** Participants of the largest conversation of which readers are told everything. */
  readonly listed: number;
  /** What is known of users. */
  readonly rightsIn?: RightsIn;
}

export class TappedConversation implements HostedSeat {
  /** It sends and hears nothing. */
  readonly weight = 0;
  /** Those that read it; never changed in place. */
  taps: readonly Tap[] = [];
  private readonly parts: TappedParts;
  private hosted: HostedConversation | null = null;
  private view: ConversationView | null = null;

  constructor(parts: TappedParts) {
    this.parts = parts;
  }

  /** Somebody is in the conversation. */
  began(conversation: Conversation): void {
    this.hosted = this.parts.seats.enter(conversation, this);
    this.mark();
  }

  /** Nobody is in it any more. */
  ended(): void {
    const { hosted } = this;
    if (hosted === null) return;
    this.hosted = null;
    this.view = null;
    hosted.tapped = false;
    hosted.recordedHere = false;
    this.parts.seats.exit(hosted, this);
  }

  add(tap: Tap): void {
    this.taps = [...this.taps, tap];
    this.mark();
    tap.tell(this.viewOf());
  }

  remove(tap: Tap): void {
    this.taps = this.taps.filter((one) => one !== tap);
    this.mark();
  }

  /** Tells all readers what has changed. Call it a few times a second. */
  tick(): void {
    const before = this.view;
    const view = this.viewOf();
    if (view !== null && view === before) view.update();
    for (const tap of this.taps) tap.tell(view);
  }

  /** Its worker knows nothing of it. */
  tellAgain(): boolean {
    return false;
  }

  private viewOf(): ConversationView | null {
    const { hosted, parts } = this;
    if (hosted !== null) this.view ??= new ConversationView(hosted, parts.sources, parts.listed, parts.rightsIn);
    return this.view;
  }

  private mark(): void {
    const { hosted, taps } = this;
    if (hosted === null) return;
    hosted.tapped = taps.length > 0;
    hosted.recordedHere = taps.some(({ options }) => options.recording);
    this.parts.seats.changed(hosted, true);
  }
}
