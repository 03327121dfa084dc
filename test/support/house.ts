/** The hub of events with everything around it that it looks at, and nothing else: no threads, no peers, no clock. */

import { Seat, Seats } from '../../src/main/conversations/seats.ts';
import { EventHub } from '../../src/main/events/hub.ts';
import { EventLimits } from '../../src/main/events/schema.ts';
import type { Shard } from '../../src/main/media/shard.ts';
import type { TextChannel, TextReader } from '../../src/main/media/text-channel.ts';
import { SLOT_WORDS, Slot } from '../../src/rtp/rewriter.ts';
import { type Command, SOURCE_WORDS, SourceWord } from '../../src/workers/protocol.ts';
import { EventView } from './event-view.ts';

const SLOTS = 2;

/** A worker that does at once what it is told, unless it is slow to let go. */
class FakeShard {
  load = 0;
  slow = false;
  readonly told: Command[] = [];
  private readonly leaving: (() => void)[] = [];

  join(command: Command): void {
    this.told.push(command);
  }

  leave(_connection: number, then: () => void): void {
    if (this.slow) this.leaving.push(then);
    else then();
  }

  mute(connection: number, muted: boolean): void {
    this.told.push({ type: 'mute', connection, muted });
  }

  listen(command: Command): void {
    this.told.push(command);
  }

  letGo(): void {
    for (const then of this.leaving.splice(0)) then();
  }
}

/** A connection with a channel, or without as long as it has not opened one. */
export class Guest {
  selfMuted = false;
  silenced = false;
  deafened = false;
  readonly id: number;
  readonly user: number;
  readonly claim: { userid: string; clientid: string };
  readonly publication = null;
  readonly slotCount = SLOTS;
  readonly slotMids: readonly string[] = ['a', 'b'];
  readonly seat: Seat;
  readonly view = new EventView();
  /** Bytes that wait for the client. */
  buffered = 0;
  open = false;
  private readonly house: House;
  private reader: TextReader | null = null;

  constructor(house: House, id: number, userid: string) {
    this.house = house;
    this.id = id;
    this.user = id;
    this.claim = { userid, clientid: 'client' };
    this.seat = new Seat(this, house.seats);
  }

  get muted(): boolean {
    return this.selfMuted || this.silenced;
  }

  set muted(muted: boolean) {
    this.selfMuted = muted;
  }

  get number(): number {
    return this.seat.number;
  }

  place(key: number | null): this {
    this.seat.place(key === null ? null : this.house.conversation(key));
    this.house.hub.placed(this);
    return this;
  }

  /** Opens the channel. */
  listen(): this {
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
    this.reader = this.house.hub.opened(this, channel);
    return this;
  }

  /** Sends a message. @param request written as JSON unless it is text, or null for a binary one. */
  say(request: object | string | null): void {
    this.reader?.message(typeof request === 'object' && request !== null ? JSON.stringify(request) : request);
  }

  /** Says or stops saying something, as the worker sees it. */
  speak(speaking: boolean): void {
    this.house.sources[(this.id & 0xffff) * SOURCE_WORDS + SourceWord.Speaking] = Number(speaking);
  }

  /** Puts a speaker into a slot, as the worker does. */
  hear(slot: number, number: number): void {
    this.house.slots[((this.id & 0xffff) * SLOTS + slot) * SLOT_WORDS + Slot.Speaker] = number;
  }

  end(why: 'replaced' | 'draining' | null): void {
    this.house.hub.ended(this, why);
    this.seat.vacate(() => undefined);
  }
}

export class House {
  readonly shard = new FakeShard();
  readonly seats = new Seats(() => this.shard as unknown as Shard);
  readonly slots: Int32Array;
  readonly sources: Int32Array;
  readonly hub: EventHub;
  /** Milliseconds. */
  now = 0;
  private readonly turns: (() => void)[] = [];
  private guests = 0;

  /** @param limit participants up to which all are listed. */
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

  guest(userid: string): Guest {
    return new Guest(this, this.guests++, userid);
  }

  /** One tick, to its end. */
  tick(): void {
    this.hub.tick();
    for (let turn = this.turns.shift(); turn !== undefined; turn = this.turns.shift()) turn();
  }

  /** What the worker was told last of this kind. */
  lastCommand<T extends Command['type']>(type: T): Extract<Command, { type: T }> | undefined {
    return this.shard.told.findLast((command): command is Extract<Command, { type: T }> => command.type === type);
  }
}
