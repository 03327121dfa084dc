/**
 * Who is where: the conversations that clients of this instance are in, each with the other instances that take part in
 * it. Nothing is held, subscribed or timed while nobody is in any.
 */
import type { HostedConversation } from '../../conversations/hosted-conversation.ts';
import type { SeatsObserver } from '../../conversations/seats.ts';
import type { Cancel } from '../../timers.ts';
import type { Subscription } from '../bus.ts';
import { presence } from '../messages/presence.ts';
import { readFamily, writeMessage } from '../messages/read.ts';
import type { PresenceParts } from './presence-parts.ts';
import { INTERVAL_MS, SpanningConversation } from './spanning-conversation.ts';

/** Time over which the greetings are spread after NATS was away, so that the instances do not all ask at once, ms. */
const GREET_MS = 1000;
/** A tick that comes so much later than the one before was held up, and so were messages; milliseconds. */
const HELD_UP_MS = 2 * INTERVAL_MS;
/** How often workers forget those who have long been quiet, milliseconds. */
const SWEEP_MS = 1000;

export class Presence implements SeatsObserver {
  private readonly parts: PresenceParts;
  /** By id. Two of the same id follow one another, with different keys. */
  private readonly conversations = new Map<string, SpanningConversation>();
  private subscription: Subscription | null = null;
  private stopTick: Cancel | null = null;
  private readonly stopWatching: Cancel[] = [];
  private tickedAt = 0;
  private sweptAt = 0;
  /** Greater than all numbers of conversations that this instance has left. */
  private nextSeq = 0;

  constructor(parts: PresenceParts) {
    this.parts = parts;
  }

  /** Begins to follow this instance's conversations. */
  start(): void {
    const { bus, instances, seats } = this.parts;
    seats.observe(this);
    const greet = (connected: boolean): void => {
      if (connected) for (const conversation of this.conversations.values()) conversation.greetWithin(GREET_MS);
    };
    this.stopWatching.push(bus.watch(greet), instances.watch({ gone: ({ incarnation }) => this.gone(incarnation) }));
  }

  /** Leaves all conversations, and follows them no longer. */
  close(): void {
    for (const stop of this.stopWatching.splice(0)) stop();
    this.parts.seats.observe(null);
    for (const { hosted } of this.conversations.values()) this.closed(hosted);
  }

  /** Conversations that clients of this instance are in. */
  get count(): number {
    return this.conversations.size;
  }

  /** How many of them span instances. */
  get spanning(): number {
    let spanning = 0;
    for (const { peerCount } of this.conversations.values()) if (peerCount > 0) spanning++;
    return spanning;
  }

  /** Returns a conversation that clients of this instance are in. @param id of the conversation. */
  get(id: string): SpanningConversation | undefined {
    return this.conversations.get(id);
  }

  opened(hosted: HostedConversation): void {
    if (this.conversations.size === 0) this.begin();
    // One that everybody has left may still be leaving its worker.
    this.leave(this.conversations.get(hosted.conversation.id));
    const conversation = new SpanningConversation(this.parts, hosted, this.nextSeq);
    this.conversations.set(conversation.id, conversation);
    void conversation.open((data) => this.take(data));
  }

  closed(hosted: HostedConversation): void {
    const conversation = this.conversations.get(hosted.conversation.id);
    if (conversation?.hosted !== hosted) return;
    this.leave(conversation);
    if (this.conversations.size === 0) this.end();
  }

  changed(hosted: HostedConversation, urgent: boolean): void {
    const conversation = this.conversations.get(hosted.conversation.id);
    if (conversation?.hosted === hosted) conversation.changed(urgent);
  }

  private gone(incarnation: string): void {
    for (const conversation of this.conversations.values()) conversation.gone(incarnation);
  }

  private leave(conversation: SpanningConversation | undefined): void {
    if (conversation === undefined) return;
    this.conversations.delete(conversation.id);
    conversation.close();
    this.nextSeq = Math.max(this.nextSeq, conversation.seq + 1);
  }

  private take(data: Uint8Array): void {
    const message = readFamily(presence, data, this.parts.counts);
    if (message === null) return;
    const conversation = this.conversations.get(message.conversation);
    if (conversation !== undefined) conversation.take(message);
    else if (message.type === 'ask') this.answerBye(message);
  }

  /** Somebody asks about a conversation that this instance has left. */
  private answerBye({ from, conversation }: { from: string; conversation: string }): void {
    const { bus, subjects, self } = this.parts;
    const bye = { type: 'bye', conversation, from: self, seq: this.nextSeq };
    bus.publish(subjects.presence(from), writeMessage(bye));
  }

  private begin(): void {
    const { bus, subjects, self, timers } = this.parts;
    this.subscription = bus.subscribe(subjects.presence(self), (data) => this.take(data));
    this.tickedAt = timers.now();
    this.stopTick = timers.every(INTERVAL_MS, () => this.tick(timers.now()));
  }

  private end(): void {
    this.subscription?.close();
    this.stopTick?.();
  }

  private tick(now: number): void {
    const heldUp = now - this.tickedAt >= HELD_UP_MS;
    this.tickedAt = now;
    for (const conversation of this.conversations.values()) conversation.tick(now, heldUp);
    if (now - this.sweptAt < SWEEP_MS) return;
    this.sweptAt = now;
    this.parts.sources.sweep(now);
  }
}
