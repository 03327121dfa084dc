/**
 * One conversation that clients of this instance are in, and perhaps those of others: tells the others who is here, and
 * lists here who is there.
 *
 * Messages may be lost, repeated and out of order. Whoever finds that something is missing, by a number or by the beat,
 * asks for the whole state.
 */
import type { HostedConversation } from '../../conversations/hosted-conversation.ts';
import type { RemoteParticipant } from '../../conversations/remote-participant.ts';
import type { Cancel } from '../../timers.ts';
import type { Subscription } from '../bus.ts';
import type { Hello, PresenceMessage } from '../messages/presence.ts';
import type { AnnouncedSource, RelayedConversation } from '../relay/interfaces.ts';
import { conversationHash } from '../subjects.ts';
import { Askers } from './askers.ts';
import { Election } from './election.ts';
import { Outgoing } from './outgoing.ts';
import { Peers } from './peers.ts';
import { People } from './people.ts';
import type { PresenceParts } from './presence-parts.ts';
import { Sender } from './sender.ts';
import { pinnedBy, wantedBy } from './wishes.ts';

/** How often at most changes are told, milliseconds. */
export const INTERVAL_MS = 250;
/** How often at most if somebody unmutes, who speaks at once. Their first packet comes some 20 ms after the request. */
const URGENT_MS = 20;
/** Longest time without a message, milliseconds. */
export const BEAT_MS = 3000;
/** Longest time without a digest of what was told, milliseconds. */
const DIGEST_MS = 10_000;
/** The regular look may come a little early. */
const EARLY_MS = 50;

export class SpanningConversation implements RelayedConversation {
  readonly hosted: HostedConversation;
  readonly mediaSubject: string;
  listening = false;
  private readonly parts: PresenceParts;
  private readonly sender: Sender;
  private readonly outgoing: Outgoing;
  private readonly peers: Peers;
  private readonly election: Election;
  private subscription: Subscription | null = null;
  /** Whether the others may know that this instance takes part. */
  private ready = false;
  private closed = false;
  private helloAt: number | null = null;
  /** When something was told last, milliseconds. */
  private toldAt = Number.NEGATIVE_INFINITY;
  private beatAt = Number.NEGATIVE_INFINITY;
  private pending: Cancel | null = null;
  private readonly askers = new Askers();

  /** @param seq greater than all that this process has used in this conversation. */
  constructor(parts: PresenceParts, hosted: HostedConversation, seq: number) {
    const { subjects, self } = parts;
    this.parts = parts;
    this.hosted = hosted;
    this.sender = new Sender(parts, this.id);
    this.mediaSubject = subjects.media(conversationHash(this.id));
    this.outgoing = new Outgoing(seq, parts.table);
    this.peers = new Peers(self, new People(hosted, parts));
    this.election = new Election(hosted, self, this.peers, this.outgoing);
  }

  get id(): string {
    return this.hosted.conversation.id;
  }

  get key(): number {
    return this.hosted.conversation.key;
  }

  get wants(): number {
    return this.peers.wants;
  }

  /** The last number that this instance has used in this conversation. */
  get seq(): number {
    return this.outgoing.seq;
  }

  /** Other instances in this conversation. */
  get peerCount(): number {
    return this.peers.size;
  }

  isPinned(source: number): boolean {
    return this.peers.tapped || this.peers.pinned.has(source);
  }

  find(incarnation: string, source: number): RemoteParticipant | undefined {
    return this.peers.get(incarnation)?.participants.get(source);
  }

  announced(incarnation: string, { source, userid, clientid, publication, muted }: AnnouncedSource): void {
    // Packets of an instance that has just died may still be under way.
    if (this.closed || !this.parts.instances.isAlive(incarnation)) return;
    const peer = this.peers.meet(incarnation, this.parts.timers.now());
    peer?.announced({ s: source, u: userid, c: clientid, p: publication, m: muted, t: false });
  }

  missing(incarnation: string): void {
    if (this.closed || !this.parts.instances.isAlive(incarnation)) return;
    const now = this.parts.timers.now();
    const peer = this.peers.meet(incarnation, now);
    if (peer !== undefined) peer.behind = true;
    this.askWhereBehind(now);
  }

  /** Begins to take part. @param take takes the messages on the conversation's subject. */
  async open(take: (data: Uint8Array) => void): Promise<void> {
    this.subscription = this.parts.bus.subscribe(this.sender.subject, take);
    await this.parts.relay.open(this);
    if (this.closed) return;
    this.ready = true;
    this.hello(this.parts.timers.now());
  }

  /** Says hello again within this time, milliseconds, because messages may have been lost. */
  greetWithin(milliseconds: number): void {
    if (this.ready) this.helloAt = this.parts.timers.now() + Math.random() * milliseconds;
  }

  /** Something about this instance's participants has changed. It is told at once, unless something just was. */
  changed(urgent: boolean): void {
    if (!this.ready || (this.pending !== null && !urgent)) return;
    this.pending?.();
    const { timers } = this.parts;
    const delay = Math.max(0, this.toldAt + (urgent ? URGENT_MS : INTERVAL_MS) - timers.now());
    this.pending = timers.after(delay, () => {
      this.pending = null;
      this.tell(timers.now());
    });
  }

  /** Takes a message that may concern this conversation. */
  take(message: PresenceMessage): void {
    if (this.closed || message.conversation !== this.id || message.from === this.parts.self) return;
    if (message.type === 'bye') return this.bye(message.from, message.seq);
    const now = this.parts.timers.now();
    const peer = this.peers.meet(message.from, now);
    if (peer === undefined) return;
    if (message.type === 'hello') this.greeted(message, now);
    else if (message.type === 'delta') peer.delta(message);
    else if (message.type === 'state') peer.state(message);
    else if (message.type === 'beat') peer.beat(message);
    else this.answer(message.from, now);
    this.peersChanged();
    this.askWhereBehind(now);
  }

  /**
   * Does what is due. Call it each {@link INTERVAL_MS}.
   *
   * @param heldUp whether the event loop stood still, so that messages of those who seem silent may be waiting.
   */
  tick(now: number, heldUp = false): void {
    if (!heldUp && this.peers.partFromSilent(now, this.parts.instances)) this.peersChanged();
    if (!this.ready || !this.sender.connected) return;
    if (this.helloAt !== null && now >= this.helloAt) this.hello(now);
    if (now - this.toldAt >= INTERVAL_MS - EARLY_MS) this.tell(now);
    this.sendState(now);
    this.askWhereBehind(now);
    this.beat(now);
  }

  /** An instance is gone. */
  gone(incarnation: string): void {
    if (this.peers.part(incarnation)) this.peersChanged();
  }

  /** Takes part no longer. All participants of others leave the list. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.pending?.();
    this.subscription?.close();
    this.peers.end();
    this.hosted.electedDominant = null;
    this.parts.relay.close(this);
    if (this.ready) this.sender.toAll({ type: 'bye', seq: this.seq });
  }

  /** Says what it has told so far: if it has said nothing for a while, and now and then in any case. */
  private beat(now: number): void {
    if (now - this.sender.sentAt < BEAT_MS - EARLY_MS && now - this.beatAt < DIGEST_MS - EARLY_MS) return;
    this.beatAt = now;
    this.sender.toAll({ type: 'beat', seq: this.seq, digest: this.outgoing.digest() });
  }

  private hello(now: number): void {
    this.helloAt = null;
    const known = this.peers.known();
    // Of one that has told of nobody, others need not ask anything. They do need to know of a tap.
    const count = this.outgoing.count + Number(this.hosted.tapped);
    this.sender.toAll({ type: 'hello', seq: this.seq, count, known });
    // What the first ones here are need not wait for an answer.
    this.tell(now, true);
  }

  private greeted({ from, seq, count, known }: Hello, now: number): void {
    this.peers.get(from)!.reached(seq, count);
    this.parts.relay.announceAgain(this);
    const knows = known.find(([incarnation]) => incarnation === this.parts.self);
    if (knows?.[1] !== this.seq) this.answer(from, now);
  }

  private bye(from: string, seq: number): void {
    const peer = this.peers.get(from);
    // An old one, from before it came back, may come late.
    if (peer === undefined || seq < peer.seq) return;
    this.gone(from);
  }

  /** Tells what has changed. @param alone also if nobody else takes part. */
  private tell(now: number, alone = false): void {
    if (!this.ready || this.closed || !this.sender.connected) return;
    const { hosted } = this;
    const wants = this.listen();
    if (this.peers.size === 0 && !alone) return;
    const { tapped, recordedHere: recorded } = hosted;
    const dominant = this.election.hold(this.listening);
    const wishes = { wants, pinned: pinnedBy(hosted), dominant, tapped, recorded };
    const deltas = this.outgoing.compare(hosted.own, wishes);
    if (deltas.length > 0) this.toldAt = now;
    for (const delta of deltas) this.sender.toAll({ type: 'delta', ...delta });
  }

  /** Notes whether anybody here listens. @returns how many sources they want. */
  private listen(): number {
    const wants = wantedBy(this.hosted);
    if (this.listening !== wants > 0) {
      this.listening = wants > 0;
      this.parts.relay.changed(this);
    }
    return wants;
  }

  /** Sends the state to one that asks for it, or a little later to all if several ask at a time. */
  private answer(to: string, now: number): void {
    if (!this.ready) return;
    this.askers.add(to);
    this.sendState(now);
  }

  private sendState(now: number): void {
    const askers = this.askers.take(now);
    if (askers.length === 0) return;
    this.tell(now);
    for (const part of this.outgoing.state()) {
      const state = { type: 'state', ...part };
      if (askers.length === 1) this.sender.to(askers[0]!, state);
      else this.sender.toAll(state);
    }
  }

  private askWhereBehind(now: number): void {
    for (const incarnation of this.peers.toAsk(now)) this.sender.to(incarnation, { type: 'ask' });
  }

  private peersChanged(): void {
    if (this.peers.recount()) this.parts.relay.changed(this);
    this.hosted.recordedElsewhere = this.peers.recorded;
    this.election.hold(this.listening);
  }
}
