/** The relay of media between instances: puts its parts together, and lets them have their turns. */
import { performance } from 'node:perf_hooks';
import { milliseconds, toStamp } from '../../../workers/clock.ts';
import type { PacketTap } from '../../media/ingress.ts';
import type { Rtcp } from '../../rtcp/rtcp.ts';
import type { Cancel, Timers } from '../../timers.ts';
import type { Bus, Subscription } from '../bus.ts';
import type { Subjects } from '../subjects.ts';
import { RelayCounts } from './counts.ts';
import { Feedback } from './feedback.ts';
import { Incoming } from './incoming.ts';
import type { MediaRelay, RelayedConversation } from './interfaces.ts';
import { Outgoing } from './outgoing.ts';
import { RelayQueue } from './relay-queue.ts';
import { Kind, messageHead } from './wire.ts';

/** How often the queue is looked at while there are conversations, milliseconds. */
const TICK_MS = 250;
const SECOND_MS = 1000;

export interface RelayParts {
  /** A connection to NATS for media alone, so that a cut of it for slowness takes nothing else along. */
  readonly bus: Bus;
  readonly subjects: Pick<Subjects, 'loss'>;
  /** Of this instance. */
  readonly incarnation: string;
  /** `MAX_DELAY_MS`: packets that are older when they leave, or were longer under way, are dropped. */
  readonly maxDelay: number;
  /** The source table. */
  readonly sources: Int32Array;
  readonly rtcp: Pick<Rtcp, 'relay' | 'lossOf' | 'noteElsewhere'>;
  /** Returns the round trip of another instance's heartbeats, milliseconds; null before the first. */
  readonly rttMs: (incarnation: string) => number | null;
  /** Whether another instance lives. */
  readonly isAlive: (incarnation: string) => boolean;
  readonly timers: Timers;
}

export class Relay implements MediaRelay {
  readonly counts = new RelayCounts();
  /** Whether the tap threw and was detached, so that nothing of this instance goes out any more. */
  detached = false;
  private readonly outgoing: Outgoing;
  private readonly incoming: Incoming;
  private readonly queue: RelayQueue;
  private readonly subscription: Subscription;
  private readonly ends: Cancel[];
  private readonly timers: Timers;
  /** Keys of the conversations that are open. */
  private readonly conversations = new Set<number>();
  private ticking: Cancel | null = null;

  constructor({ bus, subjects, incarnation, maxDelay, sources, rtcp, rttMs, isAlive, timers }: RelayParts) {
    const { counts } = this;
    this.timers = timers;
    const clock = (): number => toStamp(milliseconds());
    const head = messageHead(Kind.Packets, incarnation);
    const soon = (act: () => void): void => void setImmediate(act);
    const subject = (instance: string): string => subjects.loss(instance);
    const feedback = new Feedback({ bus, rtcp, read: counts.read, incarnation, subject });
    const queue = new RelayQueue({ bus, head, maxDelay, counts, clock, soon });
    const incoming = new Incoming({
      ...{ bus, counts, maxDelay, clock, incarnation, isAlive },
      heard: (source, instance, number) => feedback.note(source, instance, number),
    });
    this.queue = queue;
    this.incoming = incoming;
    this.outgoing = new Outgoing({ bus, queue, counts, sources, incarnation });
    rtcp.relay((id) => feedback.find(id));
    this.subscription = bus.subscribe(subject(incarnation), (data) => feedback.take(data, performance.now()));
    this.ends = [
      bus.watch((connected) => this.linked(connected)),
      timers.every(SECOND_MS, () => {
        this.outgoing.lookAtAll();
        incoming.lookAtAll();
        incoming.tick(rttMs);
        feedback.tick(performance.now());
      }),
    ];
  }

  /** The way of this instance's packets into the relay. */
  get tap(): PacketTap {
    return this.outgoing;
  }

  open(conversation: RelayedConversation): Promise<void> {
    this.conversations.add(conversation.key);
    this.ticking ??= this.timers.every(TICK_MS, () => this.tick());
    this.outgoing.open(conversation);
    return this.incoming.open(conversation);
  }

  changed(conversation: RelayedConversation): void {
    this.outgoing.look(conversation);
    this.incoming.look(conversation);
  }

  announceAgain({ key }: RelayedConversation): void {
    this.outgoing.announceAgain(key);
  }

  close(conversation: RelayedConversation): void {
    this.outgoing.close(conversation);
    this.incoming.close(conversation);
    this.conversations.delete(conversation.key);
  }

  /** Another instance is gone. */
  gone(incarnation: string): void {
    this.incoming.peers.forget(incarnation);
  }

  /** Ends the relay. The link is closed by whoever opened it. */
  end(): void {
    for (const end of this.ends.splice(0)) end();
    this.ticking?.();
    this.subscription.close();
    this.incoming.closeAll();
  }

  private tick(): void {
    this.queue.tick();
    if (this.conversations.size > 0 || this.queue.held > 0) return;
    this.ticking?.();
    this.ticking = null;
  }

  private linked(connected: boolean): void {
    if (!connected) return;
    this.queue.reconnected();
    // What was under way may have been lost, announcements too.
    this.outgoing.announceAgain();
  }
}
