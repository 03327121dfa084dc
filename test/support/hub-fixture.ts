/** The event hub with fakes of everything it depends on: no threads, no peers, no real clock. */

import type { Rights } from '../../src/main/conversations/rights.ts';
import { Seat } from '../../src/main/conversations/seat.ts';
import { Seats } from '../../src/main/conversations/seats.ts';
import { EventHub } from '../../src/main/events/hub.ts';
import { EventLimits } from '../../src/main/events/schema.ts';
import type { Shard } from '../../src/main/media/shard.ts';
import type { TextChannel, TextReader } from '../../src/main/media/text-channel.ts';
import { SLOT_WORDS, Slot } from '../../src/rtp/rewriter.ts';
import { type Command, SOURCE_WORDS, SourceWord } from '../../src/workers/protocol.ts';
import { EventView } from './event-view.ts';

const SLOTS = 2;

/**
 * A worker that carries out every command at once; a slow one finishes leaves only when the test calls `finishLeaves`.
 */
class FakeShard {
  load = 0;
  slow = false;
  readonly commands: Command[] = [];
  private readonly leaving: (() => void)[] = [];

  join(command: Command): void {
    this.commands.push(command);
  }

  leave(_connection: number, then: () => void): void {
    if (this.slow) this.leaving.push(then);
    else then();
  }

  mute(connection: number, muted: boolean): void {
    this.commands.push({ type: 'mute', connection, muted });
  }

  listen(command: Command): void {
    this.commands.push(command);
  }

  finishLeaves(): void {
    for (const then of this.leaving.splice(0)) then();
  }
}

/** A client connection, which has no channel until {@link openChannel} is called. */
export class FakeConnection {
  selfMuted = false;
  mutedByOperator = false;
  maySpeak = true;
  hand = false;
  quality: 'fair' | 'poor' | null = null;
  deafened = false;
  readonly id: number;
  readonly user: number;
  readonly claim: { userid: string; clientid: string };
  readonly isClient = true;
  readonly publication = null;
  readonly slotCount = SLOTS;
  readonly slotMids: readonly string[] = ['a', 'b'];
  readonly seat: Seat;
  readonly view = new EventView();
  /** Bytes buffered for the client. */
  buffered = 0;
  open = false;
  private readonly fixture: HubFixture;
  private reader: TextReader | null = null;

  constructor(fixture: HubFixture, id: number, userid: string) {
    this.fixture = fixture;
    this.id = id;
    this.user = id;
    this.claim = { userid, clientid: 'client' };
    this.seat = new Seat(this, fixture.seats);
  }

  get muted(): boolean {
    return this.selfMuted || this.mutedByOperator || !this.maySpeak;
  }

  set muted(muted: boolean) {
    this.selfMuted = muted;
  }

  get number(): number {
    return this.seat.number;
  }

  /** Moves the connection to a conversation, or out of any. */
  place(key: number | null): this {
    this.seat.place(key === null ? null : this.fixture.conversation(key));
    this.fixture.hub.placed(this);
    return this;
  }

  /** Opens the channel for events. */
  openChannel(): this {
    this.open = true;
    const channel: TextChannel = {
      send: (text) => {
        if (this.open) this.view.take(text);
        return this.open;
      },
      bufferedAmount: () => this.buffered,
      close: () => {
        this.open = false;
        this.reader?.closed();
      },
    };
    this.reader = this.fixture.hub.opened(this, channel);
    return this;
  }

  /** Sends a message. @param request an object is sent as JSON, text as it is, null as a binary message. */
  send(request: object | string | null): void {
    this.reader?.message(typeof request === 'object' && request !== null ? JSON.stringify(request) : request);
  }

  /** Marks the connection's source as speaking or not, as the worker does. */
  setSpeaking(speaking: boolean): void {
    this.fixture.sources[(this.id & 0xffff) * SOURCE_WORDS + SourceWord.Speaking] = Number(speaking);
  }

  /** Puts a speaker into a slot, as the worker does. */
  fillSlot(slot: number, number: number): void {
    this.fixture.slots[((this.id & 0xffff) * SLOTS + slot) * SLOT_WORDS + Slot.Speaker] = number;
  }

  /** Ends the connection and vacates its seat. */
  end(why: 'replaced' | 'draining' | null): void {
    this.fixture.hub.ended(this, why);
    this.seat.vacate(() => undefined);
  }
}

/** A hub, its seats and its tables; the test moves the clock and calls {@link tick}. */
export class HubFixture {
  readonly shard = new FakeShard();
  readonly seats = new Seats(() => this.shard as unknown as Shard);
  readonly slots: Int32Array;
  readonly sources: Int32Array;
  readonly hub: EventHub;
  /** What is known of users, wherever they are. */
  readonly rights = new Map<string, Rights>();
  readonly rightsIn = (userid: string): Rights | null => this.rights.get(userid) ?? null;
  /** Milliseconds. */
  now = 0;
  private readonly turns: (() => void)[] = [];
  private connectionCount = 0;

  /**
   * @param limit largest number of participants of which all are listed.
   * @param most largest number of connections.
   * @param perSecond requests that a connection may send per second.
   */
  constructor(limit = 100, most = 64, perSecond: number = EventLimits.perSecond) {
    this.slots = new Int32Array(most * SLOTS * SLOT_WORDS);
    this.sources = new Int32Array(most * SOURCE_WORDS);
    const config = { MAX_SLOTS: SLOTS, MAX_LISTED_PARTICIPANTS: limit, MAX_REQUESTS_PER_SECOND: perSecond };
    this.hub = new EventHub(
      config,
      this,
      (body) => this.turns.push(body),
      () => this.now,
    );
  }

  conversation(key: number): { id: string; key: number } {
    const known = this.conversations.get(key) ?? { id: `room ${key}`, key };
    this.conversations.set(key, known);
    return known;
  }
  private readonly conversations = new Map<number, { id: string; key: number }>();

  /** Adds a connection, which is in no conversation and has no channel yet. */
  connect(userid: string): FakeConnection {
    return new FakeConnection(this, this.connectionCount++, userid);
  }

  /** Runs one tick to its end. */
  tick(): void {
    this.hub.tick();
    for (let turn = this.turns.shift(); turn !== undefined; turn = this.turns.shift()) turn();
  }

  /** Returns the last command of this type that the worker got. */
  lastCommand<T extends Command['type']>(type: T): Extract<Command, { type: T }> | undefined {
    return this.shard.commands.findLast((command): command is Extract<Command, { type: T }> => command.type === type);
  }
}
