/** All taps of this instance: hands each packet to those that read its conversation. */
import { milliseconds, toStamp } from '../../workers/clock.ts';
import type { Conversation } from '../conversations/occupied.ts';
import type { Ingress, PacketTap, Publisher } from '../media/ingress.ts';
import type { Cancel, Timers } from '../timers.ts';
import { Tap, type TapCounts, type TapOptions, type TapSocket } from './tap.ts';
import { TappedConversation, type TappedParts } from './tapped-conversation.ts';

/** How long packets gather, milliseconds. */
const GATHER_MS = 50;
/** How often readers are told what has changed, milliseconds. */
const TELL_MS = 250;

export interface TapsParts extends TappedParts {
  /** Tells when a conversation begins and ends. */
  readonly conversations: {
    follow(
      id: string,
      follower: { began(conversation: Conversation): void; ended(conversation: Conversation): void },
    ): Cancel;
  };
  readonly ingress: Pick<Ingress, 'attach' | 'detach'>;
  readonly timers: Timers;
  /** Milliseconds since 1970. */
  readonly date?: () => number;
}

interface Followed {
  readonly tapped: TappedConversation;
  readonly stop: Cancel;
}

export class Taps implements PacketTap {
  readonly counts: TapCounts = { packets: 0, lost: 0 };
  private readonly parts: TapsParts;
  private readonly date: () => number;
  /** By id of the conversation, and, while anybody is in it, by its key. */
  private readonly byId = new Map<string, Followed>();
  private readonly byKey = new Map<number, TappedConversation>();
  private readonly all = new Set<Tap>();
  private stopTelling: Cancel | null = null;
  private scheduled = false;
  /** A stamp, and the same time in microseconds since 1970. */
  private stamp = 0;
  private arrival = 0;

  constructor(parts: TapsParts) {
    this.parts = parts;
    this.date = parts.date ?? Date.now;
  }

  get count(): number {
    return this.all.size;
  }

  /** Begins a tap of a conversation, whether anybody is in it or not. @returns the tap, and a function that ends it. */
  open(id: string, socket: TapSocket, options: TapOptions): { tap: Tap; end: Cancel } {
    if (this.stopTelling === null) this.begin();
    const tap = new Tap(socket, options, this.parts.sources, this.counts);
    this.all.add(tap);
    const { tapped } = this.byId.get(id) ?? this.follow(id);
    tapped.add(tap);
    const end = (): void => {
      if (!this.all.delete(tap)) return;
      tapped.remove(tap);
      if (tapped.taps.length === 0) this.unfollow(id);
      if (this.all.size === 0) this.rest();
    };
    return { tap, end };
  }

  packet(publisher: Publisher, bytes: Uint8Array, stamp: number): void {
    if (publisher.muted || publisher.publication === null) return;
    const { current } = publisher.seat;
    if (current === null) return;
    const tapped = this.byKey.get(current.conversation.key);
    if (tapped === undefined) return;
    const arrival = this.arrival + ((stamp - this.stamp) | 0);
    const { taps } = tapped;
    let waits = false;
    for (let i = 0; i < taps.length; i++) waits = taps[i]!.packet(publisher, bytes, stamp, arrival) || waits;
    if (waits) this.schedule();
  }

  /** It threw, and gets no packets any more. Its readers must not wait for some: they are told, and open other taps. */
  failed(code: number, reason: string): void {
    this.rest();
    for (const tap of this.all) tap.abort(code, reason);
  }

  /** Ends all taps: their readers get what has gathered. @param code of the websocket. */
  close(code: number, reason: string): void {
    for (const tap of this.all) tap.close(code, reason);
  }

  private follow(id: string): Followed {
    const tapped = new TappedConversation(this.parts);
    const stop = this.parts.conversations.follow(id, {
      began: (conversation) => {
        this.byKey.set(conversation.key, tapped);
        tapped.began(conversation);
      },
      ended: ({ key }) => {
        this.byKey.delete(key);
        tapped.ended();
      },
    });
    const followed = { tapped, stop };
    this.byId.set(id, followed);
    return followed;
  }

  private unfollow(id: string): void {
    this.byId.get(id)?.stop();
    this.byId.delete(id);
  }

  private begin(): void {
    this.setClock();
    this.parts.ingress.attach(this);
    this.stopTelling = this.parts.timers.every(TELL_MS, () => {
      this.setClock();
      for (const { tapped } of this.byId.values()) tapped.tick();
    });
  }

  private rest(): void {
    this.parts.ingress.detach(this);
    this.stopTelling?.();
    this.stopTelling = null;
  }

  /** Stamps wrap around after 71 minutes, and only their difference to a recent one tells the time. */
  private setClock(): void {
    const stamp = toStamp(milliseconds());
    const passed = (stamp - this.stamp) >>> 0;
    this.stamp = stamp;
    // The date may be set anew meanwhile; packets must not seem to come earlier than those before.
    this.arrival = this.stopTelling === null ? Math.round(this.date() * 1000) : this.arrival + passed;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.parts.timers.after(GATHER_MS, () => {
      this.scheduled = false;
      for (const tap of this.all) tap.flush();
    });
  }
}
