/**
 * The packets on their way to NATS. It is bounded at both ends: so much may be under way without NATS having confirmed
 * it, the rest waits here, and what has waited too long is dropped. So a NATS that stands still costs the sound of that
 * time and nothing else.
 *
 * The packets of one turn of the event loop go out together, those of one conversation in one message: a message costs
 * far more than a packet.
 */
import type { Bus } from '../bus.ts';
import { CHUNK_BYTES, Chunk, type QueuedConversation } from './chunk.ts';
import type { RelayCounts } from './counts.ts';
import { HEAD_BYTES, RECORD_BYTES, writeRecord } from './wire.ts';

/** Most bytes that NATS has not confirmed: some ten milliseconds at the highest rates, and little to be stale. */
const WINDOW_BYTES = 256 * 1024;
/** From so many unconfirmed bytes on, NATS is asked to confirm them at once, so that their memory is used again soon. */
const ASK_BYTES = 16 * 1024;
/** Packets are confirmed after so long, even if there are few; microseconds. */
const ASK_US = 250_000;
/** If NATS has not answered for so long, nothing more is sent until it does; microseconds. */
const PATIENCE_US = 150_000;
/** When a question to NATS is given up, milliseconds. The link notices a dead connection before. */
const ANSWER_MS = 10_000;
/** A message holds at most the packets of so much time, microseconds, so that what is dropped is of one age. */
const SPAN_US = 40_000;
/** Most messages that wait. */
const MAX_CHUNKS = 1024;
/** Most messages that are kept for use again. */
const MAX_SPARE = MAX_CHUNKS;

export interface QueueParts {
  readonly bus: Pick<Bus, 'connected' | 'publish' | 'flush'>;
  /** Head of each message. */
  readonly head: Uint8Array;
  /** Packets older than this are dropped, milliseconds. */
  readonly maxDelay: number;
  readonly counts: RelayCounts;
  /** Now, of `toStamp`. */
  readonly clock: () => number;
  /** Calls a function once the event loop has taken what has come in. */
  readonly soon: (act: () => void) => void;
}

export class RelayQueue {
  private readonly parts: QueueParts;
  /** Microseconds. */
  private readonly maxDelay: number;
  /** The messages that wait, oldest first. */
  private first: Chunk | null = null;
  private last: Chunk | null = null;
  private waiting = 0;
  /** Those that NATS was given and has not confirmed, oldest first, and the bytes in them. */
  private firstSent: Chunk | null = null;
  private lastSent: Chunk | null = null;
  private unconfirmed = 0;
  private spare: Chunk | null = null;
  private spares = 0;
  private scheduled = false;
  /** The last message before the question that NATS has not answered, and when it was asked. */
  private askedFor: Chunk | null = null;
  private askedAt = 0;
  /** How often the link came back. */
  private epoch = 0;
  private readonly turn = (): void => {
    this.scheduled = false;
    this.drain();
  };

  constructor(parts: QueueParts) {
    this.parts = parts;
    this.maxDelay = parts.maxDelay * 1000;
  }

  /** Bytes that wait or are not confirmed, for the most part: messages have some room to spare. */
  get held(): number {
    return this.waiting * CHUNK_BYTES + this.unconfirmed;
  }

  /** Takes a packet of a source of this instance. Allocates nothing but a message now and then. */
  push(to: QueuedConversation, source: number, stamp: number, loss: number, packet: Uint8Array): void {
    let { chunk } = to;
    if (chunk === null || !fits(chunk, packet, stamp)) chunk = this.begin(to, stamp);
    chunk.used = writeRecord(chunk.bytes, chunk.used, source, stamp, loss, packet);
    chunk.packets++;
    chunk.newest = stamp;
    this.schedule();
  }

  /** Drops what has become too old, sends what can be sent, and asks NATS. Call it a few times a second. */
  tick(): void {
    this.drain();
    const { firstSent } = this;
    // An answer wakes this process, so the few packets of a small conversation wait for theirs together.
    if (firstSent !== null && ((this.parts.clock() - firstSent.newest) | 0) > ASK_US) this.ask();
  }

  /** The link is back: whatever was under way is lost. */
  reconnected(): void {
    // The client may still refer to the bytes, so none of these is used again.
    this.firstSent = null;
    this.lastSent = null;
    this.unconfirmed = 0;
    this.askedFor = null;
    this.epoch++;
  }

  private begin(to: QueuedConversation, stamp: number): Chunk {
    if (this.waiting === MAX_CHUNKS) this.parts.counts.drops.queue += this.recycle(this.shift());
    const chunk = this.unused();
    chunk.begin(to, stamp);
    if (this.last === null) this.first = chunk;
    else this.last.next = chunk;
    this.last = chunk;
    this.waiting++;
    to.chunk = chunk;
    return chunk;
  }

  private unused(): Chunk {
    const { spare } = this;
    if (spare === null) return new Chunk(this.parts.head);
    this.spare = spare.next;
    this.spares--;
    return spare;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.parts.soon(this.turn);
  }

  private drain(): void {
    const { bus, counts, clock } = this.parts;
    const now = clock();
    while (this.first !== null) {
      if (((now - this.first.newest) | 0) > this.maxDelay) counts.drops.late += this.recycle(this.shift());
      else if (!bus.connected) counts.drops.disconnected += this.recycle(this.shift());
      else if (!this.open(now)) return;
      else this.send(this.shift());
    }
  }

  private open(now: number): boolean {
    if (this.unconfirmed >= WINDOW_BYTES) return false;
    return this.askedFor === null || ((now - this.askedAt) | 0) <= PATIENCE_US;
  }

  private send(chunk: Chunk): void {
    const { bus, counts } = this.parts;
    const { packets, used } = chunk;
    if (!bus.publish(chunk.subject, chunk.message())) {
      counts.drops.disconnected += packets;
      return;
    }
    counts.messagesOut++;
    counts.out.count(used - HEAD_BYTES - packets * RECORD_BYTES, packets);
    if (this.lastSent === null) this.firstSent = chunk;
    else this.lastSent.next = chunk;
    this.lastSent = chunk;
    this.unconfirmed += used;
    if (this.unconfirmed >= ASK_BYTES) this.ask();
  }

  /** Asks NATS to confirm what it was given, unless it still owes an answer. */
  private ask(): void {
    if (this.askedFor !== null || this.lastSent === null) return;
    const { bus, clock } = this.parts;
    const { lastSent: asked, epoch } = this;
    this.askedFor = asked;
    this.askedAt = clock();
    const answered = (confirmed: boolean): void => {
      if (epoch !== this.epoch) return;
      this.askedFor = null;
      if (confirmed) this.confirm(asked);
      if (this.first !== null) this.schedule();
    };
    bus.flush(ANSWER_MS).then(
      () => answered(true),
      () => answered(false),
    );
  }

  /** NATS has everything up to a message; its memory is free. */
  private confirm(last: Chunk): void {
    for (let chunk = this.firstSent; chunk !== null; chunk = this.firstSent) {
      this.firstSent = chunk.next;
      this.unconfirmed -= chunk.used;
      this.recycle(chunk);
      if (chunk !== last) continue;
      if (this.firstSent === null) this.lastSent = null;
      return;
    }
    this.lastSent = null;
  }

  /** Takes the oldest message that waits. */
  private shift(): Chunk {
    const chunk = this.first!;
    this.first = chunk.next;
    if (this.first === null) this.last = null;
    this.waiting--;
    chunk.close();
    return chunk;
  }

  /** @returns how many packets the message had. */
  private recycle(chunk: Chunk): number {
    const { packets } = chunk;
    if (this.spares >= MAX_SPARE) return packets;
    this.spares++;
    chunk.next = this.spare;
    this.spare = chunk;
    return packets;
  }
}

function fits(chunk: Chunk, packet: Uint8Array, stamp: number): boolean {
  return chunk.used + RECORD_BYTES + packet.length <= CHUNK_BYTES && ((stamp - chunk.oldest) | 0) <= SPAN_US;
}
