/**
 * Sends the packets in the egress ring of one worker, one connection after the other.
 *
 * A packet costs the library a third less if the previous one went to the same connection, whose keys, socket address
 * and locks are then in the cache. So the available bursts, each "one voice, all listeners", are sorted into "one
 * listener, all voices". Nothing waits for that: a single burst is sent at once, and a busier thread finds more bursts
 * at a time. The packets of one connection keep their order.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { SENT_HEADER_BYTES, writeFields, writeSharedHeader } from '../../rtp/packet.ts';
import { BurstReader, DELIVERY_WORDS, MAX_DELIVERIES } from '../../workers/burst.ts';
import { milliseconds, toStamp } from '../../workers/clock.ts';
import { connectionIndex, SCRATCH_BYTES, SCRATCHES, type ShardMemory } from '../../workers/protocol.ts';
import { RingReader } from '../../workers/ring.ts';
import { Histogram } from '../histogram.ts';
import { Traffic } from './traffic.ts';

/** Most packets and bursts that are sorted at a time: some 30 ms of work. */
const MAX_BATCH = 4096;
const MAX_BURSTS = 1024;
/** One in so many packets is timed. A power of two. */
const TIMED_ONE_IN = 16;
/** Bounds of {@link Egress.forwardBuckets}, seconds. */
export const FORWARD_BOUNDS = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
/** No packet. */
const NOTHING = -1;

/** A receiver of packets. */
export interface Receiver {
  readonly id: number;
  /** Sends a packet. @returns false if it could not be sent. */
  send(packet: Uint8Array): boolean;
}

/** Numbers of packets from one worker. */
export interface EgressCounts {
  sent: number;
  /** The connection has ended. */
  stale: number;
  /** The library refused it. */
  failed: number;
  /** It was too old when its turn came. */
  late: number;
}

export class Egress {
  readonly counts: EgressCounts = { sent: 0, stale: 0, failed: 0, late: 0 };
  /** Time from a packet's arrival on the main thread to each departure, microseconds. Sampled. */
  readonly forwardTime: RecordableHistogram = createHistogram();
  /** The same since the start, in fixed buckets. */
  readonly forwardBuckets = new Histogram(FORWARD_BOUNDS, 1e6);
  /** Sent packets and bytes. */
  readonly traffic = new Traffic();
  /** The position in the ring up to which everything was sent, modulo 2^32. */
  position: number;
  private readonly ring: RingReader;
  private readonly bursts: BurstReader;
  /** By connection index. */
  private readonly receivers: readonly (Receiver | undefined)[];
  /** Microseconds. */
  private readonly maxDelay: number;
  /** Where packets are assembled, and views of each place by length. Making a view costs more than the copy. */
  private readonly view: DataView;
  private readonly scratch: number;
  private readonly views: (Uint8Array | undefined)[] = new Array(SCRATCHES * SCRATCH_BYTES).fill(undefined);

  /** The batch. For each packet: the offset of its delivery, its burst, and the next packet to the same connection. */
  private readonly place = new Int32Array(MAX_BATCH);
  private readonly burst = new Int32Array(MAX_BATCH);
  private readonly following = new Int32Array(MAX_BATCH);
  private size = 0;
  /** For each burst: its payload, and the fields that all its packets share. */
  private readonly payloadOffset = new Int32Array(MAX_BURSTS);
  private readonly payloadLength = new Int32Array(MAX_BURSTS);
  private readonly csrc = new Int32Array(MAX_BURSTS);
  private readonly stamp = new Int32Array(MAX_BURSTS);
  private burstCount = 0;
  /** By connection index: its first and last packet in the batch. */
  private readonly first: Int32Array;
  private readonly last: Int32Array;
  /** The connection indexes in the batch, in the order in which they are served. */
  private readonly order = new Int32Array(MAX_BATCH);
  private orderSize = 0;
  /** How far the batch was sent: the connection served next, and the next packet to the current one. */
  private served = 0;
  private cursor = NOTHING;
  /** By place: the burst whose shared header and payload are there. The batch's other packets of it need only their fields. */
  private readonly assembled = new Int32Array(SCRATCHES).fill(NOTHING);

  /** @param maxDelay packets older than this are dropped, milliseconds. */
  constructor(memory: ShardMemory, receivers: readonly (Receiver | undefined)[], maxDelay: number) {
    this.ring = new RingReader(memory.egress);
    this.bursts = new BurstReader(this.ring);
    this.position = this.ring.position;
    this.receivers = receivers;
    this.maxDelay = maxDelay * 1000;
    this.view = new DataView(memory.memory);
    this.scratch = memory.scratch;
    this.first = new Int32Array(receivers.length).fill(NOTHING);
    this.last = new Int32Array(receivers.length).fill(NOTHING);
  }

  /** Whether everything was sent. */
  get empty(): boolean {
    return this.size === 0 && this.ring.empty;
  }

  /** How often the ring had contents that no writer writes. Anything except 0 is a bug. */
  get corrupt(): number {
    return this.ring.corrupt;
  }

  /** How full the ring is now, 0 … 1. */
  get fill(): number {
    return this.ring.fillShare;
  }

  /** How full the ring was at most so far, 0 … 1. */
  get highest(): number {
    return this.ring.highest;
  }

  /** The {@link position} once everything in the ring now was sent. */
  get published(): number {
    return this.ring.published;
  }

  /** Sends at most `budget` packets. @returns whether more are available. */
  send(budget: number): boolean {
    for (let left = budget; left > 0; left--) {
      if (this.cursor === NOTHING && !this.nextConnection()) return false;
      const packet = this.cursor;
      this.cursor = this.following[packet]!;
      this.deliver(packet);
    }
    return true;
  }

  /** Goes on to the next connection, or to the next batch. @returns false if nothing is available. */
  private nextConnection(): boolean {
    if (this.served === this.orderSize) {
      this.finish();
      this.collect(toStamp(milliseconds()));
      if (this.orderSize === 0) {
        this.finish();
        return false;
      }
    }
    const index = this.order[this.served++]!;
    this.cursor = this.first[index]!;
    this.first[index] = NOTHING;
    return true;
  }

  private finish(): void {
    this.size = 0;
    this.burstCount = 0;
    this.orderSize = 0;
    this.served = 0;
    this.assembled.fill(NOTHING);
    this.ring.release();
    this.position = this.ring.position;
  }

  /** Takes the available bursts, and links the packets of each connection. */
  private collect(now: number): void {
    const { bursts, counts } = this;
    while (this.size <= MAX_BATCH - MAX_DELIVERIES && this.burstCount < MAX_BURSTS && bursts.next()) {
      // A thread that cannot keep up sends fresh packets only. A queue of old packets would delay all later ones, too.
      if (((now - bursts.stamp) | 0) > this.maxDelay) {
        counts.late += bursts.deliveries;
        continue;
      }
      const burst = this.burstCount++;
      this.payloadOffset[burst] = bursts.payloadOffset;
      this.payloadLength[burst] = bursts.payloadLength;
      this.csrc[burst] = bursts.csrc;
      this.stamp[burst] = bursts.stamp;
      for (let i = 0; i < bursts.deliveries; i++) this.add(burst, bursts.firstDelivery + i * DELIVERY_WORDS);
    }
  }

  private add(burst: number, place: number): void {
    const index = connectionIndex(this.bursts.connectionAt(place));
    if (index >= this.first.length) {
      this.counts.stale++;
      return;
    }
    const packet = this.size++;
    this.place[packet] = place;
    this.burst[packet] = burst;
    this.following[packet] = NOTHING;
    if (this.first[index] === NOTHING) {
      this.first[index] = packet;
      this.order[this.orderSize++] = index;
    } else {
      this.following[this.last[index]!] = packet;
    }
    this.last[index] = packet;
  }

  private deliver(packet: number): void {
    const { bursts, counts, view } = this;
    bursts.read(this.place[packet]!);
    const receiver = this.receivers[connectionIndex(bursts.connection)];
    if (receiver === undefined || receiver.id !== bursts.connection) {
      counts.stale++;
      return;
    }
    const burst = this.burst[packet]!;
    const length = this.payloadLength[burst]!;
    const place = burst % SCRATCHES;
    const scratch = this.scratch + place * SCRATCH_BYTES;
    if (this.assembled[place] !== burst) this.assemble(burst, place, scratch);
    writeFields(view, scratch, bursts.marker, bursts.payloadType, bursts.sequence, bursts.timestamp, bursts.ssrc);
    if (!receiver.send(this.packetOf(place, SENT_HEADER_BYTES + length))) {
      counts.failed++;
      return;
    }
    this.traffic.count(SENT_HEADER_BYTES + length);
    if (++counts.sent % TIMED_ONE_IN !== 0) return;
    const microseconds = Math.max(1, (toStamp(milliseconds()) - this.stamp[burst]!) | 0);
    this.forwardTime.record(microseconds);
    this.forwardBuckets.add(microseconds);
  }

  private assemble(burst: number, place: number, scratch: number): void {
    const offset = this.payloadOffset[burst]!;
    writeSharedHeader(this.view, scratch, this.csrc[burst]!);
    this.ring.bytes.copyWithin(scratch + SENT_HEADER_BYTES, offset, offset + this.payloadLength[burst]!);
    this.assembled[place] = burst;
  }

  /** Returns a view of the packet that is assembled in this place. */
  private packetOf(place: number, length: number): Uint8Array {
    const start = place * SCRATCH_BYTES;
    let view = this.views[start + length];
    if (view === undefined) {
      view = this.ring.bytes.subarray(this.scratch + start, this.scratch + start + length);
      this.views[start + length] = view;
    }
    return view;
  }
}
