/**
 * The way out of one worker: takes what is at hand in its egress ring and sends it, one connection after the other.
 *
 * A packet costs the library a third less when the one before it went to the same connection: its keys, its socket
 * address and its locks are in the cache then. So the bursts that have gathered are turned from "one voice, all
 * listeners" into "one listener, all voices". Nothing waits for that: a single voice's burst is sent at once, and the
 * busier the thread is, the more there is at hand. Packets of one connection keep their order.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { MAX_PACKET_BYTES, SENT_HEADER_BYTES, writeFields, writeSharedHeader } from '../../rtp/packet.ts';
import { BurstReader, DELIVERY_WORDS, MAX_DELIVERIES } from '../../workers/burst.ts';
import { milliseconds, toStamp } from '../../workers/clock.ts';
import { connectionIndex, type ShardMemory } from '../../workers/protocol.ts';
import { RingReader } from '../../workers/ring.ts';
import { Histogram } from '../histogram.ts';
import { Traffic } from './traffic.ts';

/** Most packets and bursts that are brought into order at a time: some 30 ms of work. */
const MAX_BATCH = 4096;
const MAX_BURSTS = 1024;
/** One packet in this many is timed; a power of two. */
const TIMED_ONE_IN = 16;
/** Bounds of {@link Egress.forwardBuckets}, seconds. */
export const FORWARD_BOUNDS = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
/** No packet. */
const NOTHING = -1;

/** What a packet can be delivered to. */
export interface Receiver {
  readonly id: number;
  /** @returns false if it could not be sent. */
  send(packet: Uint8Array): boolean;
}

/** Counts of one worker's egress, packets. */
export interface EgressCounts {
  sent: number;
  /** For a connection that has ended. */
  stale: number;
  /** The library did not take it. */
  failed: number;
  /** Too old to be of use when its turn came. */
  late: number;
}

export class Egress {
  readonly counts: EgressCounts = { sent: 0, stale: 0, failed: 0, late: 0 };
  /** From the arrival of a packet on the main thread to each of its departures, microseconds; a sample. */
  readonly forwardTime: RecordableHistogram = createHistogram();
  /** The same since the start, in buckets that never change. */
  readonly forwardBuckets = new Histogram(FORWARD_BOUNDS, 1e6);
  /** What was sent. */
  readonly traffic = new Traffic();
  /** Up to where the ring's bytes have been sent, modulo 2^32. */
  position: number;
  private readonly ring: RingReader;
  private readonly bursts: BurstReader;
  /** By connection index. */
  private readonly receivers: readonly (Receiver | undefined)[];
  /** Microseconds. */
  private readonly maxDelay: number;
  /** Where a packet is put together, and views of it by length: making one costs more than the copy. */
  private readonly view: DataView;
  private readonly scratch: number;
  private readonly views: (Uint8Array | undefined)[] = new Array(MAX_PACKET_BYTES + 1).fill(undefined);

  /** The batch: for each packet where its delivery lies, which burst it is of, and the connection's next one. */
  private readonly place = new Int32Array(MAX_BATCH);
  private readonly burst = new Int32Array(MAX_BATCH);
  private readonly following = new Int32Array(MAX_BATCH);
  private size = 0;
  /** For each burst its payload and what goes with it. */
  private readonly payloadOffset = new Int32Array(MAX_BURSTS);
  private readonly payloadLength = new Int32Array(MAX_BURSTS);
  private readonly csrc = new Int32Array(MAX_BURSTS);
  private readonly stamp = new Int32Array(MAX_BURSTS);
  private burstCount = 0;
  /** By connection index: the first and last packet in the batch. */
  private readonly first: Int32Array;
  private readonly last: Int32Array;
  /** Connection indexes of the batch, as they are served. */
  private readonly order = new Int32Array(MAX_BATCH);
  private orderSize = 0;
  /** How far the batch has been sent: the connection served next, and the packet of the one being served. */
  private served = 0;
  private cursor = NOTHING;

  /** @param maxDelay packets older than this are not sent any more, milliseconds. */
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

  /** Whether everything was sent, up to this moment. */
  get empty(): boolean {
    return this.size === 0 && this.ring.empty;
  }

  /** How often the ring held what no writer writes; anything but 0 is a bug. */
  get corrupt(): number {
    return this.ring.corrupt;
  }

  /** How full the ring is at this moment, 0 … 1. */
  get fill(): number {
    return this.ring.fillShare;
  }

  /** The ring's largest fill so far, as a share of its capacity, 0 … 1. */
  get highest(): number {
    return this.ring.highest;
  }

  /** What {@link position} reaches once all that is in the ring now was sent. */
  get published(): number {
    return this.ring.published;
  }

  /** Sends at most `budget` packets. @returns whether there is more at hand. */
  send(budget: number): boolean {
    for (let left = budget; left > 0; left--) {
      if (this.cursor === NOTHING && !this.nextConnection()) return false;
      const packet = this.cursor;
      this.cursor = this.following[packet]!;
      this.deliver(packet);
    }
    return true;
  }

  /** Goes on to the next connection, of the next batch if this one is done. @returns false if nothing is at hand. */
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
    this.ring.release();
    this.position = this.ring.position;
  }

  /** Takes what is at hand and strings the packets of each connection together. */
  private collect(now: number): void {
    const { bursts, counts } = this;
    while (this.size <= MAX_BATCH - MAX_DELIVERIES && this.burstCount < MAX_BURSTS && bursts.next()) {
      // A thread that cannot keep up sends what is fresh: a queue of old voices would make every later one old, too.
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
    const { bursts, counts, scratch, view } = this;
    bursts.read(this.place[packet]!);
    const receiver = this.receivers[connectionIndex(bursts.connection)];
    if (receiver === undefined || receiver.id !== bursts.connection) {
      counts.stale++;
      return;
    }
    const burst = this.burst[packet]!;
    const offset = this.payloadOffset[burst]!;
    const length = this.payloadLength[burst]!;
    writeSharedHeader(view, scratch, this.csrc[burst]!);
    writeFields(view, scratch, bursts.marker, bursts.payloadType, bursts.sequence, bursts.timestamp, bursts.ssrc);
    this.ring.bytes.copyWithin(scratch + SENT_HEADER_BYTES, offset, offset + length);
    if (!receiver.send(this.packetOf(SENT_HEADER_BYTES + length))) {
      counts.failed++;
      return;
    }
    this.traffic.count(SENT_HEADER_BYTES + length);
    if (++counts.sent % TIMED_ONE_IN !== 0) return;
    const microseconds = Math.max(1, (toStamp(milliseconds()) - this.stamp[burst]!) | 0);
    this.forwardTime.record(microseconds);
    this.forwardBuckets.add(microseconds);
  }

  /** A view of the packet that was put together. */
  private packetOf(length: number): Uint8Array {
    let view = this.views[length];
    if (view === undefined) {
      view = this.ring.bytes.subarray(this.scratch, this.scratch + length);
      this.views[length] = view;
    }
    return view;
  }
}
