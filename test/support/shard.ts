/** A worker's forwarder without its thread: tests push packets in by calls and read them from the real egress ring. */

import { RtpPacket } from 'werift-rtp';
import { OPUS_FRAME_TICKS, SENT_HEADER_BYTES, writeFields, writeSharedHeader } from '../../src/rtp/packet.ts';
import { openSlot, SLOT_WORDS } from '../../src/rtp/rewriter.ts';
import { BurstReader, DELIVERY_WORDS } from '../../src/workers/burst.ts';
import { Forwarder } from '../../src/workers/forwarder.ts';
import { connectionIndex, layoutShard, SOURCE_WORDS } from '../../src/workers/protocol.ts';
import { RingReader, RingWriter } from '../../src/workers/ring.ts';

export const SLOTS = 4;
/** The payload of a frame of silence. */
export const SILENCE = '\xf8\xff\xfe';

/** A packet sent to a listener. */
export interface Sent {
  readonly to: number;
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly csrc: number;
  readonly payload: string;
}

export interface MemberOptions {
  readonly conversation?: number;
  readonly user?: number;
  readonly slots?: number;
  readonly payloadType?: number;
  readonly publishes?: boolean;
  readonly ssrcs?: number[];
  readonly levelExtension?: number;
  readonly redPayloadType?: number;
  readonly muted?: boolean;
  readonly deafened?: boolean;
}

/** A forwarder with its rings and tables; the test moves the clock. */
export class Bench {
  readonly counters: Int32Array;
  readonly slots: Int32Array;
  forwarder: Forwarder;
  /** The table of sources. */
  readonly sources: Int32Array;
  /** Reports of dominant speakers: conversation and speaker number. */
  readonly dominant: [number, number][] = [];
  clock = 0;
  private readonly ingress: RingWriter;
  private readonly incoming: RingReader;
  private readonly egress: RingWriter;
  private readonly outgoing: RingReader;
  private readonly bursts: BurstReader;
  private readonly begin: () => Forwarder;

  constructor(egressBytes = 1 << 20, connections = 64) {
    const shard = layoutShard(1 << 16, egressBytes);
    const table = new SharedArrayBuffer(connections * SLOTS * SLOT_WORDS * 4);
    this.slots = new Int32Array(table);
    this.sources = new Int32Array(new SharedArrayBuffer(connections * SOURCE_WORDS * 4));
    this.counters = new Int32Array(shard.memory, shard.counters);
    this.ingress = new RingWriter(shard.ingress);
    this.incoming = new RingReader(shard.ingress);
    this.egress = new RingWriter(shard.egress);
    this.outgoing = new RingReader(shard.egress);
    this.bursts = new BurstReader(this.outgoing);
    const tables = { slots: table, slotsPerConnection: SLOTS, sources: this.sources.buffer as SharedArrayBuffer };
    this.begin = () =>
      new Forwarder(shard, this.egress, tables, (conversation, speaker) => this.dominant.push([conversation, speaker]));
    this.forwarder = this.begin();
  }

  /** Replaces the worker by another one, which takes over its memory and has no participants yet. */
  replace(): void {
    this.forwarder = this.begin();
    this.forwarder.tick(this.clock, 0);
  }

  /** Lets connection `id` join. Its slots have the SSRCs `id * 100 + i` and start at sequence number 1000 * id. */
  join(id: number, options: MemberOptions = {}): void {
    const { slots = 1, payloadType = 111, redPayloadType = 0 } = options;
    for (let i = 0; i < slots; i++) {
      const row = (connectionIndex(id) * SLOTS + i) * SLOT_WORDS;
      openSlot(this.slots, row, id * 100 + i, payloadType, id, 1000 * id, 0, redPayloadType);
    }
    this.rejoin(id, options);
  }

  /** Lets a connection join with the slots that it has, as when it moves. */
  rejoin(id: number, options: MemberOptions = {}): void {
    const { conversation = 1, user = id, slots = 1, payloadType = 111, publishes = true } = options;
    const { ssrcs = [], levelExtension = 0, redPayloadType = 0, muted = false, deafened = false } = options;
    const publication = publishes ? { payloadType, redPayloadType, levelExtension, ssrcs } : null;
    this.forwarder.join({
      type: 'join',
      connection: id,
      conversation,
      user,
      number: id,
      publication,
      slots,
      muted,
      deafened,
    });
  }

  /** Forwards one packet at {@link clock} and returns the packets sent. */
  send(from: number, packet: Uint8Array): Sent[] {
    this.ingress.push(from, packet);
    const offset = this.incoming.next();
    this.forwarder.tick(this.clock, 0);
    this.forwarder.forward(offset, this.incoming.length, this.incoming.id, this.incoming.stamp, this.clock);
    this.incoming.release();
    this.egress.publish();
    return this.drain();
  }

  /** Returns the packets that main would send. */
  drain(): Sent[] {
    this.egress.publish();
    const all: Sent[] = [];
    const { bursts } = this;
    while (bursts.next()) {
      const packet = new Uint8Array(SENT_HEADER_BYTES + bursts.payloadLength);
      const view = new DataView(packet.buffer);
      packet.set(
        this.outgoing.bytes.subarray(bursts.payloadOffset, bursts.payloadOffset + bursts.payloadLength),
        SENT_HEADER_BYTES,
      );
      writeSharedHeader(view, 0, bursts.csrc);
      for (let i = 0; i < bursts.deliveries; i++) {
        bursts.read(bursts.firstDelivery + i * DELIVERY_WORDS);
        writeFields(view, 0, bursts.marker, bursts.payloadType, bursts.sequence, bursts.timestamp, bursts.ssrc);
        const { header, payload } = RtpPacket.deSerialize(Buffer.from(packet));
        all.push({
          to: bursts.connection,
          payloadType: header.payloadType,
          marker: header.marker,
          sequence: header.sequenceNumber,
          timestamp: header.timestamp,
          ssrc: header.ssrc,
          csrc: header.csrc[0]!,
          payload: payload.toString('latin1'),
        });
      }
    }
    this.outgoing.release();
    return all;
  }

  /** Lets time pass, in steps of 20 ms. @returns the packets sent meanwhile. */
  wait(ticks: number): Sent[] {
    const all: Sent[] = [];
    for (const end = (this.clock + ticks) | 0; ((end - this.clock) | 0) > 0; ) {
      this.clock = (this.clock + Math.min(OPUS_FRAME_TICKS, (end - this.clock) | 0)) | 0;
      this.forwarder.tick(this.clock, 0);
      this.egress.publish();
      all.push(...this.drain());
    }
    return all;
  }

  count(index: number): number {
    return this.counters[index]!;
  }
}
