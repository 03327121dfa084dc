/**
 * The events of all clients. At each tick the hub finds the changes of every conversation and sends them client by
 * client, a few at a time, so that packets do not have to wait.
 */
import { performance } from 'node:perf_hooks';
import { SLOT_WORDS } from '../../rtp/rewriter.ts';
import { connectionIndex } from '../../workers/protocol.ts';
import type { Config } from '../config.ts';
import type { ConnectionEvents } from '../connections/connection-events.ts';
import type { HostedConversation } from '../conversations/hosted-conversation.ts';
import type { TextChannel, TextReader } from '../media/text-channel.ts';
import type { Cancel, Timers } from '../timers.ts';
import { EventChannel } from './channel.ts';
import { ConversationView } from './conversation-view.ts';
import type { EventParticipant } from './requests.ts';
import { EVENTS_LABEL } from './schema.ts';
import type { RightsIn } from './shown.ts';

/** Clients served before the event loop gets a turn: about 1 ms of work, nearly all of it in the native library. */
const CLIENTS_AT_A_TURN = 24;
/**
 * Events take at most one part in this many of the main thread's time: the longer a tick takes, the rarer ticks are.
 */
const SHARE = 10;
/**
 * Longest pause after a tick, milliseconds. A tick that would need a longer one was interrupted because the machine
 * stood still, or it served thousands of clients, which then take more than their share.
 */
const MAX_REST_MS = 2000;

type HubConfig = Pick<Config, 'MAX_SLOTS' | 'MAX_LISTED_PARTICIPANTS' | 'MAX_REQUESTS_PER_SECOND'>;

/** The tables that the hub reads. */
export interface EventTables {
  /** The slot table. */
  readonly slots: Int32Array;
  /** The source table. */
  readonly sources: Int32Array;
  /** Left out where nobody has anything to say of users. */
  readonly rightsIn?: RightsIn;
}

export class EventHub implements ConnectionEvents {
  readonly label = EVENTS_LABEL;
  /** Clients that lost their channel because they sent too many requests. */
  flooded = 0;
  private readonly config: HubConfig;
  private readonly tables: EventTables;
  private readonly later: (body: () => void) => void;
  private readonly clock: () => number;
  private readonly channels = new Map<EventParticipant, EventChannel>();
  /** By key of the conversation; only those of conversations that have clients with a channel. */
  private readonly views = new Map<number, ConversationView>();
  private busy = false;
  /** Begins the ticks unless they go on, and ends them. */
  private begin: (() => void) | null = null;
  private stop: Cancel | null = null;
  /** Work of the current or last tick, milliseconds, and the earliest time of the next one. */
  private spent = 0;
  private restUntil = 0;
  /** When connections end because the server shuts down; null if it does not shut down. */
  private drainedAt: number | null = null;
  /** Whether this server reaches all others of its cluster. */
  private whole = true;

  /** @param later continues after the event loop's turn. @param clock milliseconds. */
  constructor(
    config: HubConfig,
    tables: EventTables,
    later: (body: () => void) => void = setImmediate,
    clock: () => number = () => performance.now(),
  ) {
    this.config = config;
    this.tables = tables;
    this.later = later;
    this.clock = clock;
  }

  /** Ticks at this interval, milliseconds, while anybody has a channel. @returns a function that ends this. */
  start(interval: number, timers: Pick<Timers, 'every'>): Cancel {
    this.begin = () => {
      this.stop ??= timers.every(interval, () => this.tick());
    };
    return () => {
      this.begin = null;
      this.stop?.();
    };
  }

  /** Clients that have a channel. */
  get count(): number {
    return this.channels.size;
  }

  /** Conversations that have a view. */
  get conversationCount(): number {
    return this.views.size;
  }

  /** A client opened its channel. It gets its snapshot now, or at the next tick if it is new in its conversation. */
  opened(participant: EventParticipant, channel: TextChannel): TextReader {
    const first = connectionIndex(participant.id) * this.config.MAX_SLOTS * SLOT_WORDS;
    const rows = { table: this.tables.slots, first };
    const { MAX_REQUESTS_PER_SECOND: perSecond } = this.config;
    const events = new EventChannel(channel, participant, rows, (hosted) => this.viewOf(hosted), perSecond);
    this.channels.set(participant, events);
    this.begin?.();
    events.serve(this.whole);
    if (participant.badRed === true) events.badRed();
    if (this.drainedAt !== null) events.draining(Math.max(0, this.drainedAt - this.clock()));
    return {
      message: (text) => {
        if (!events.receive(text, this.clock())) this.flooded++;
        if (events.ended) this.forget(participant, events);
      },
      closed: () => {
        events.closed();
        this.forget(participant, events);
      },
    };
  }

  /** A connection was placed in a conversation or taken out of one. @param kicked whether an operator did that. */
  placed(participant: EventParticipant, kicked = false): void {
    this.channels.get(participant)?.placed(kicked);
  }

  /** An operator muted a connection's user, or took that back. */
  mutedByOperator(participant: EventParticipant): void {
    this.channels.get(participant)?.mutedByOperator();
  }

  /** A connection's user got the right to speak where they are, or lost it. */
  letSpeak(participant: EventParticipant): void {
    this.channels.get(participant)?.letSpeak();
  }

  /** The server cannot read any of a connection's RED. */
  badRed(participant: EventParticipant): void {
    this.channels.get(participant)?.badRed();
  }

  /**
   * The server shuts down: tells all clients, and those that open a channel later, when their connections end.
   *
   * @param within milliseconds. If it is 0, this tells nobody: clients hear it as their connections end.
   */
  drain(within: number): void {
    if (within === 0) return;
    this.drainedAt = this.clock() + within;
    for (const channel of this.channels.values()) channel.draining(within);
  }

  /**
   * This server lost touch with the others of its cluster, or found them again. Clients hear it with the next tick, and
   * newcomers after their snapshot.
   */
  cluster(whole: boolean): void {
    this.whole = whole;
  }

  /**
   * A connection ends.
   *
   * @param why told to its client; null if the client knows, or cannot be told.
   * @returns whether the client was told.
   */
  ended(participant: EventParticipant, why: 'replaced' | 'draining' | null): boolean {
    const events = this.channels.get(participant);
    this.channels.delete(participant);
    const told = why !== null && events?.farewell(why) === true;
    events?.closed();
    return told;
  }

  /** Finds changes and sends them. Call this a few times a second; a call during work or a pause does nothing. */
  tick(): void {
    const begun = this.clock();
    if (this.busy || begun < this.restUntil) return;
    for (const [key, view] of this.views) {
      if (view.used) view.update();
      else this.views.delete(key);
      view.used = false;
    }
    if (this.channels.size + this.views.size === 0) {
      this.stop?.();
      this.stop = null;
    }
    this.busy = true;
    this.spent = this.clock() - begun;
    this.serve([...this.channels.values()], 0);
  }

  private serve(channels: readonly EventChannel[], first: number): void {
    const begun = this.clock();
    const end = Math.min(first + CLIENTS_AT_A_TURN, channels.length);
    for (let i = first; i < end; i++) channels[i]!.serve(this.whole);
    const now = this.clock();
    this.spent += now - begun;
    if (end < channels.length) return this.later(() => this.serve(channels, end));
    this.busy = false;
    this.restUntil = now + Math.min((SHARE - 1) * this.spent, MAX_REST_MS);
  }

  /** Returns the view. If all participants left and came back, the conversation is hosted anew, with other numbers. */
  private viewOf(hosted: HostedConversation): ConversationView {
    const { key } = hosted.conversation;
    let view = this.views.get(key);
    if (view?.hosted !== hosted) {
      view = new ConversationView(
        hosted,
        this.tables.sources,
        this.config.MAX_LISTED_PARTICIPANTS,
        this.tables.rightsIn,
      );
      this.views.set(key, view);
    }
    view.used = true;
    return view;
  }

  private forget(participant: EventParticipant, events: EventChannel): void {
    if (this.channels.get(participant) === events) this.channels.delete(participant);
  }
}
