/**
 * Takes a packet through a worker: checks it, attributes it to its source, ranks the source, and writes it into the
 * egress ring, numbered for every slot that carries the source.
 *
 * This is the hot path: no allocation, no strings, no exceptions, no clock of its own.
 */
import { readLevel } from '../rtp/audio-level.ts';
import { isSilent, opusTicks } from '../rtp/opus.ts';
import { Header, OPUS_CLOCK_RATE, RtpHeader, readHeader } from '../rtp/packet.ts';
import { recordArrival } from '../rtp/reception.ts';
import { Red, RedPayload, readRed } from '../rtp/red.ts';
import { SLOT_WORDS } from '../rtp/rewriter.ts';
import { Arrival, type ArrivalVerdict } from '../rtp/sequence.ts';
import { BurstWriter, MAX_PAYLOAD_BYTES } from './burst.ts';
import { Conversation } from './conversation.ts';
import { Fades, SILENCE_FRAME } from './fades.ts';
import { FanOut } from './fan-out.ts';
import {
  type Command,
  Count,
  connectionIndex,
  Drop,
  RedState,
  type ShardMemory,
  SOURCE_WORDS,
  SourceWord,
  type WorkerTask,
} from './protocol.ts';
import type { RingWriter } from './ring.ts';
import type { Source } from './source.ts';

/** How often conversations look for speakers who fell quiet, ticks. */
const TICK = OPUS_CLOCK_RATE / 10;
/** Not a `Drop` reason: the packet can be forwarded. */
const FORWARDABLE = -1;

/** The tables that all workers share. */
export type Tables = Pick<WorkerTask, 'slots' | 'slotsPerConnection' | 'sources'>;

export class Forwarder {
  private readonly bytes: Uint8Array;
  private readonly counters: Int32Array;
  private readonly fanOut: FanOut;
  private readonly slots: Int32Array;
  private readonly slotsPerConnection: number;
  private readonly sourceRows: Int32Array;
  private readonly dominant: (conversation: number, speaker: number) => void;
  private readonly fades = new Fades((row, speaker) => this.fanOut.silence(row, speaker, this.stamp, this.clock));
  private readonly header = new RtpHeader();
  private readonly red = new RedPayload();
  /** By connection index. */
  private readonly sources: (Source | undefined)[] = [];
  private readonly conversations = new Map<number, Conversation>();
  /** The conversation that each connection id is in. */
  private readonly placed = new Map<number, number>();
  private lastKey = 0;
  private lastTick = 0;
  private clock = 0;
  private stamp = 0;

  /** @param dominant called with a conversation's key and the number of its new dominant speaker, 0 for nobody. */
  constructor(
    shard: ShardMemory,
    egress: RingWriter,
    { slots, slotsPerConnection, sources }: Tables,
    dominant: (conversation: number, speaker: number) => void = () => undefined,
  ) {
    this.bytes = new Uint8Array(shard.memory);
    this.counters = new Int32Array(shard.memory, shard.counters);
    this.slots = new Int32Array(slots);
    this.bytes.set(SILENCE_FRAME, shard.silence);
    this.fanOut = new FanOut(new BurstWriter(egress), this.slots, this.counters, shard.silence);
    this.slotsPerConnection = slotsPerConnection;
    this.sourceRows = new Int32Array(sources);
    this.dominant = dominant;
  }

  /** Conversations with at least one participant. */
  get conversationCount(): number {
    return this.conversations.size;
  }

  join(command: Extract<Command, { type: 'join' }>): void {
    this.leave(command.connection);
    let conversation = this.conversations.get(command.conversation);
    if (conversation === undefined) {
      conversation = new Conversation({
        slots: this.slots,
        sources: this.sourceRows,
        fades: this.fades,
        dominant: (speaker) => this.dominant(command.conversation, speaker),
      });
      this.conversations.set(command.conversation, conversation);
    }
    const index = connectionIndex(command.connection);
    const first = index * this.slotsPerConnection;
    const rows = Array.from({ length: command.slots }, (_, i) => (first + i) * SLOT_WORDS);
    this.placed.set(command.connection, command.conversation);
    this.sourceRows.fill(0, index * SOURCE_WORDS, (index + 1) * SOURCE_WORDS);
    const { connection, user, number, publication, muted, deafened } = command;
    const info = { connection, user, number, publication, muted, deafened, rows };
    this.sources[index] = conversation.join(info, this.clock) ?? undefined;
  }

  leave(connection: number): void {
    const placed = this.placed.get(connection);
    if (placed === undefined) return;
    this.placed.delete(connection);
    this.sources[connectionIndex(connection)] = undefined;
    const conversation = this.conversations.get(placed);
    conversation?.leave(connection, this.clock);
    if (conversation?.size === 0) this.conversations.delete(placed);
  }

  /** Stops or resumes forwarding what a connection publishes. */
  mute(connection: number, muted: boolean): void {
    this.conversationOf(connection)?.mute(connection, muted, this.clock);
  }

  /** Changes what a connection hears. */
  listen({ connection, ...preferences }: Extract<Command, { type: 'listen' }>): void {
    this.conversationOf(connection)?.listen(connection, preferences, this.clock);
  }

  /** Whether a connection publishes in a conversation of this worker, and is not muted. */
  hears(connection: number): boolean {
    const source = this.sources[connectionIndex(connection)];
    return source?.connection === connection && !source.muted;
  }

  /** Whether {@link tick} will have something to send within the next 20 ms, whatever comes. */
  get fading(): boolean {
    return this.fades.pending;
  }

  /**
   * Sets the time, sends frames of silence that are due, and lets the conversations tick a few times a second. Call it
   * before every batch.
   *
   * @param clock now, ticks; also the time of the commands that follow.
   * @param stamp now, as the stamp of packets that are made here.
   * @returns whether something was written.
   */
  tick(clock: number, stamp: number): boolean {
    this.clock = clock;
    this.stamp = stamp;
    const wrote = this.fades.pending && this.fades.run(clock);
    if (((clock - this.lastTick) | 0) < TICK && ((clock - this.lastTick) | 0) >= 0) return wrote;
    this.lastTick = clock;
    for (const conversation of this.conversations.values()) conversation.tick(clock);
    return wrote;
  }

  /**
   * Forwards one packet.
   *
   * @param offset where it lies in the shard's memory.
   * @param length bytes.
   * @param connection id of the connection it came from.
   * @param stamp travels with every packet that results from it.
   * @param clock now, in ticks of 1/48000 s, modulo 2^32.
   */
  forward(offset: number, length: number, connection: number, stamp: number, clock: number): void {
    this.counters[Count.PacketsIn]!++;
    const source = this.sources[connectionIndex(connection)];
    if (source === undefined || source.connection !== connection) return this.drop(Drop.NotJoined);
    const header = this.header;
    const verdict = readHeader(this.bytes, offset, length, header);
    if (verdict !== Header.Ok && verdict !== Header.Empty) return this.drop(Drop.Malformed);
    const red = header.payloadType === source.redPayloadType ? this.red : null;
    const refusal = this.refusalOf(source, red);
    if (refusal !== FORWARDABLE) {
      if (source.uses(header.ssrc, clock)) {
        if (refusal === Drop.BadRed) this.arrived(source, stamp);
        else this.take(source, false, stamp);
      }
      return this.drop(refusal);
    }
    if (!source.accepts(header.ssrc, clock)) return this.drop(Drop.UnknownSsrc);
    const arrival = this.take(source, true, stamp);
    if (arrival === Arrival.Duplicate) return this.drop(Drop.Duplicate);
    if (arrival === Arrival.TooOld) return this.drop(Drop.TooOld);
    if (arrival === Arrival.Rebuilt && source.redTargets.count === 0) return this.drop(Drop.Duplicate);
    const opusOffset = red === null ? header.payloadOffset : red.primaryOffset;
    const opusLength = red === null ? header.payloadLength : red.primaryLength;
    const claimed = opusTicks(this.bytes, opusOffset, opusLength);
    const span = source.follow(arrival, header.timestamp, claimed, clock);
    if (source.muted) return this.drop(Drop.Muted);
    const level = source.levels.judge(readLevel(this.bytes, header, source.levelExtension), opusLength, clock);
    source.conversation.heard(source, level, isSilent(this.bytes, opusOffset, opusLength), clock);
    if (source.targets.count + source.redTargets.count === 0) return this.drop(Drop.Unheard);
    this.fanOut.packet(source, header, red, arrival, span, stamp, clock);
  }

  /**
   * Returns why a packet, whatever its SSRC, holds no sound to forward, or {@link FORWARDABLE}. Reads RED into `red`.
   */
  private refusalOf(source: Source, red: RedPayload | null): number {
    const { payloadType, payloadLength } = this.header;
    if (payloadLength === 0) return Drop.Malformed;
    if (red === null && payloadType !== source.payloadType) return Drop.WrongPayloadType;
    if (payloadLength > MAX_PAYLOAD_BYTES) return Drop.Malformed;
    return red !== null && !this.unwrap(source, red) ? Drop.BadRed : FORWARDABLE;
  }

  /**
   * Takes a packet's number and records its arrival. A packet that is not forwarded is recorded as well, because its
   * sender's network did not lose it (RFC 3550, appendix A.3).
   */
  private take(source: Source, forwardable: boolean, stamp: number): ArrivalVerdict {
    const arrival = source.sequence.take(this.header.sequence, forwardable);
    this.record(source, arrival, stamp, forwardable);
    if (arrival === Arrival.Restart) source.key = this.nextKey();
    return arrival;
  }

  /**
   * Records that bad RED arrived. Its sound is missing, so its number stays a hole, which is concealed or filled from
   * the next packet's redundancy.
   */
  private arrived(source: Source, stamp: number): void {
    if (source.sequence.isWithinReach(this.header.sequence)) this.record(source, Arrival.Late, stamp, false);
  }

  private record({ connection, resumes }: Source, arrival: ArrivalVerdict, stamp: number, timed: boolean): void {
    const { sequence, timestamp, ssrc } = this.header;
    const account = connectionIndex(connection) * SOURCE_WORDS + SourceWord.Reception;
    recordArrival(this.sourceRows, account, arrival, sequence, timestamp, ssrc, stamp, timed, resumes);
  }

  /** Reads a RED payload (RFC 2198). @returns false if it is malformed, not of Opus, or looks right only by chance. */
  private unwrap({ payloadType, redHealth, connection }: Source, red: RedPayload): boolean {
    const { payloadOffset, payloadLength } = this.header;
    const good = readRed(this.bytes, payloadOffset, payloadLength, payloadType, red) === Red.Ok;
    const usable = redHealth.take(good);
    const state = connectionIndex(connection) * SOURCE_WORDS + SourceWord.Red;
    if (redHealth.unreadable) this.sourceRows[state] = RedState.Unreadable;
    else if (good) this.sourceRows[state] = RedState.Readable;
    return usable;
  }

  private conversationOf(connection: number): Conversation | undefined {
    return this.conversations.get(this.placed.get(connection) ?? 0);
  }

  private drop(reason: number): void {
    this.counters[reason]!++;
  }

  private nextKey(): number {
    this.lastKey = (this.lastKey + 1) | 0;
    if (this.lastKey === 0) this.lastKey = 1;
    return this.lastKey;
  }
}
