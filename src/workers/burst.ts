/**
 * What a worker hands to main: one payload, and for each listener that hears it the few fields in which the listeners'
 * packets differ. A record of the egress ring holds one burst:
 *
 * ```
 * | payload length (16 bits), deliveries (16 bits) | payload, padded to 4 bytes | deliveries, 16 bytes each |
 * delivery: | connection | marker, payload type, sequence number | timestamp | SSRC |
 * ```
 * The record's id is the CSRC, and its stamp is the time when the packet arrived on main. Words are in the machine's
 * byte order. Main builds each packet's header where the payload already lies, in its own cache. Writing a whole packet
 * for each listener instead would take the worker twice the time, and cost main another copy and two more cache misses.
 */
import { MAX_PACKET_BYTES, SENT_HEADER_BYTES } from '../rtp/packet.ts';
import { NONE, type RingReader, type RingWriter } from './ring.ts';

/** Most deliveries of one burst; a packet for more listeners becomes several bursts. */
export const MAX_DELIVERIES = 32;
/** Longest payload, bytes: what fits into a packet after the header that is sent. */
export const MAX_PAYLOAD_BYTES = MAX_PACKET_BYTES - SENT_HEADER_BYTES;

/** Length of a delivery, 32-bit words. */
export const DELIVERY_WORDS = 4;
const LENGTH_BYTES = 4;

function padded(payloadLength: number): number {
  return (payloadLength + 3) & ~3;
}

/** Writes bursts. */
export class BurstWriter {
  private readonly ring: RingWriter;
  private readonly words: Int32Array;
  private start = 0;
  private payloadLength = 0;
  /** Index of the next delivery's first word. */
  private next = 0;
  private deliveries = 0;

  constructor(ring: RingWriter) {
    this.ring = ring;
    this.words = new Int32Array(ring.bytes.buffer);
  }

  /**
   * Begins a burst and copies its payload.
   *
   * @param source offset of the payload in the ring's memory.
   * @param payloadLength 1 … {@link MAX_PAYLOAD_BYTES}.
   * @param deliveries the most that will be added, 1 … {@link MAX_DELIVERIES}.
   * @returns false if the ring has no room.
   */
  begin(source: number, payloadLength: number, deliveries: number): boolean {
    const fixed = LENGTH_BYTES + padded(payloadLength);
    const at = this.ring.reserve(fixed + deliveries * DELIVERY_WORDS * 4);
    if (at === NONE) return false;
    this.ring.bytes.copyWithin(at + LENGTH_BYTES, source, source + payloadLength);
    this.start = at;
    this.payloadLength = payloadLength;
    this.next = (at + fixed) >> 2;
    this.deliveries = 0;
    return true;
  }

  /** Adds a delivery, for one listener. @param marker 0 or 1. */
  add(
    connection: number,
    marker: number,
    payloadType: number,
    sequence: number,
    timestamp: number,
    ssrc: number,
  ): void {
    const { words, next } = this;
    words[next] = connection;
    words[next + 1] = (marker << 23) | (payloadType << 16) | sequence;
    words[next + 2] = timestamp;
    words[next + 3] = ssrc;
    this.next = next + DELIVERY_WORDS;
    this.deliveries++;
  }

  /** Ends the burst. The reader sees it after the ring's next `publish`; a burst without deliveries is not written. */
  end(csrc: number, stamp: number): void {
    if (this.deliveries === 0) return;
    this.words[this.start >> 2] = (this.deliveries << 16) | this.payloadLength;
    this.ring.commit(csrc, this.next * 4 - this.start, stamp);
  }
}

/** Reads bursts. The fields hold what the last {@link next} and the last {@link read} found. */
export class BurstReader {
  csrc = 0;
  stamp = 0;
  payloadOffset = 0;
  payloadLength = 0;
  deliveries = 0;
  /** Place of the burst's first delivery; each further one is {@link DELIVERY_WORDS} later. */
  firstDelivery = 0;
  connection = 0;
  marker = 0;
  payloadType = 0;
  sequence = 0;
  timestamp = 0;
  ssrc = 0;
  private readonly ring: RingReader;
  private readonly words: Int32Array;

  constructor(ring: RingReader) {
    this.ring = ring;
    this.words = new Int32Array(ring.bytes.buffer);
  }

  /** Steps to the next burst. A record that is no burst is counted as corrupt. @returns false if there is none. */
  next(): boolean {
    for (;;) {
      const at = this.ring.next();
      if (at === NONE) return false;
      const lengths = this.words[at >> 2]!;
      const payloadLength = lengths & 0xffff;
      const deliveries = lengths >>> 16;
      const fixed = LENGTH_BYTES + padded(payloadLength);
      if (
        payloadLength === 0 ||
        payloadLength > MAX_PAYLOAD_BYTES ||
        deliveries === 0 ||
        deliveries > MAX_DELIVERIES ||
        fixed + deliveries * DELIVERY_WORDS * 4 !== this.ring.length
      ) {
        this.ring.countCorrupt();
        continue;
      }
      this.csrc = this.ring.id;
      this.stamp = this.ring.stamp;
      this.payloadOffset = at + LENGTH_BYTES;
      this.payloadLength = payloadLength;
      this.deliveries = deliveries;
      this.firstDelivery = (at + fixed) >> 2;
      return true;
    }
  }

  /** Returns the connection that the delivery at `place` is for. */
  connectionAt(place: number): number {
    return this.words[place]!;
  }

  /** Reads the delivery at `place`, in any burst whose bytes have not been released yet. */
  read(place: number): void {
    const { words } = this;
    const fields = words[place + 1]!;
    this.connection = words[place]!;
    this.marker = (fields >> 23) & 1;
    this.payloadType = (fields >> 16) & 0x7f;
    this.sequence = fields & 0xffff;
    this.timestamp = words[place + 2]!;
    this.ssrc = words[place + 3]!;
  }
}
