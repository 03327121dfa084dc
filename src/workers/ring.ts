/**
 * A queue of packets in shared memory, from exactly one writing thread to exactly one reading thread.
 *
 * Layout, in bytes from the ring's base:
 *
 * ```
 *    0  HEAD       bytes ever written, modulo 2^32; stored by the writer
 *    4  DROPPED    packets that found no room; stored by the writer
 *   64  TAIL       bytes ever read, modulo 2^32; stored by the reader
 *   68  CORRUPT    times the reader met bytes that no writer writes
 *   72  HIGHEST    largest fill that the reader met, bytes
 *  128  records    capacity bytes
 * ```
 *
 * HEAD and TAIL lie on cache lines of their own, so that the two threads do not pull one line back and forth. A record
 * is a header of 16 bytes (the packet's length, the id of the connection it is from or for, and a stamp for the
 * callers) and the packet, padded to 8 bytes. A record never wraps: if it does not fit before the end, a header of
 * length -1 sends the reader back to the start. Records are as long as their packets, because a voice packet has a
 * tenth of the maximum length: the working set stays in the cache (a fixed-slot ring of the same speed needs ten times
 * the memory).
 *
 * For memory order the writer does `Atomics.store(HEAD)` after the record's bytes, and the reader `Atomics.load(HEAD)`
 * before them; for TAIL it is the other way round. Both are sequentially consistent. Between publishing, the writer
 * works on its own copy of HEAD, so that a batch costs one store. Neither side waits: a full ring refuses the newest
 * packet and counts it.
 */
const HEAD = 0;
const DROPPED = 1;
const TAIL = 16;
const CORRUPT = 17;
const HIGHEST = 18;
const DATA_BYTES = 128;
/** A multiple of 8, so that payloads are aligned. */
const RECORD_HEADER_BYTES = 16;
const WRAP = -1;

/** Longest record, bytes. With its header it is half the smallest ring, so an empty ring has room wherever HEAD is. */
export const MAX_RECORD_BYTES = 2032;

/** Smallest and largest capacity, bytes. */
export const MIN_RING_BYTES = 4096;
export const MAX_RING_BYTES = 64 * 1024 * 1024;

/** Result of {@link RingWriter.reserve} for a full ring, and of {@link RingReader.next} for an empty one. */
export const NONE = -1;

/** Returns the bytes of shared memory that a ring with room for `capacity` bytes of records takes. */
export function ringBytes(capacity: number): number {
  return DATA_BYTES + capacity;
}

/** Where a ring lies, in plain values that can be posted to another thread. */
export interface RingLocation {
  readonly memory: SharedArrayBuffer;
  /** Start of the ring in `memory`; a multiple of 64. */
  readonly base: number;
  /** Room for records, bytes; a power of two from {@link MIN_RING_BYTES} to {@link MAX_RING_BYTES}. */
  readonly capacity: number;
}

class RingEnd {
  /** The whole memory, for callers that read or write at the offsets this class hands out. */
  readonly bytes: Uint8Array;
  protected readonly words: Int32Array;
  protected readonly capacity: number;
  protected readonly mask: number;
  /** Index of the ring's first control word in {@link words}. */
  protected readonly control: number;
  /** Offset of the first record in {@link bytes}. */
  protected readonly data: number;

  constructor({ memory, base, capacity }: RingLocation) {
    const powerOfTwo = capacity >= MIN_RING_BYTES && capacity <= MAX_RING_BYTES && (capacity & (capacity - 1)) === 0;
    if (!powerOfTwo) throw new RangeError(`ring capacity ${capacity} is not a power of two in range`);
    if (base % 64 !== 0 || base + ringBytes(capacity) > memory.byteLength) {
      throw new RangeError(`a ring of ${capacity} bytes at ${base} does not fit ${memory.byteLength} bytes`);
    }
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.capacity = capacity;
    this.mask = capacity - 1;
    this.control = base >> 2;
    this.data = base + DATA_BYTES;
  }

  /** Packets refused since the start because the ring was full, modulo 2^32. */
  get dropped(): number {
    return Atomics.load(this.words, this.control + DROPPED) >>> 0;
  }

  /** Largest fill that the reader met, as a share of the capacity, 0 … 1; 1 if a packet was refused. */
  get highest(): number {
    return this.dropped > 0 ? 1 : Atomics.load(this.words, this.control + HIGHEST) / this.capacity;
  }

  /** How often the reader met bytes that no writer writes, and skipped to the end. */
  get corrupt(): number {
    return Atomics.load(this.words, this.control + CORRUPT) >>> 0;
  }

  /** Bytes published so far, modulo 2^32. `RingReader.position` reaches this once all of them have been read. */
  get published(): number {
    return Atomics.load(this.words, this.control + HEAD);
  }

  /** Bytes written and not yet read. */
  get fill(): number {
    return (Atomics.load(this.words, this.control + HEAD) - Atomics.load(this.words, this.control + TAIL)) | 0;
  }

  /** {@link fill} as a share of the capacity, 0 … 1. */
  get fillShare(): number {
    return this.fill / this.capacity;
  }
}

/** The writing end. */
export class RingWriter extends RingEnd {
  private head: number;
  /** HEAD as last published. */
  private shown: number;
  /** The reader's tail as last loaded; the real one can only be further on. */
  private knownTail: number;

  constructor(location: RingLocation) {
    super(location);
    this.head = Atomics.load(this.words, this.control + HEAD);
    this.shown = this.head;
    this.knownTail = Atomics.load(this.words, this.control + TAIL);
  }

  /** Bytes written so far, modulo 2^32. `RingReader.position` reaches this once all of them have been read. */
  get position(): number {
    return this.head;
  }

  /**
   * Makes room for one packet. A reservation without {@link commit} is simply reused.
   *
   * @param length 1 … {@link MAX_RECORD_BYTES}.
   * @returns the offset in {@link bytes} to write the packet to, or {@link NONE} if the ring is full; the packet is
   *   then counted as dropped.
   */
  reserve(length: number): number {
    if (length > MAX_RECORD_BYTES) return this.refuse();
    const size = recordBytes(length);
    const at = this.head & this.mask;
    const toEnd = this.capacity - at;
    const needed = size <= toEnd ? size : toEnd + size;
    if (!this.hasRoom(needed)) return this.refuse();
    if (size > toEnd) {
      this.words[(this.data + at) >> 2] = WRAP;
      this.head = (this.head + toEnd) | 0;
      return this.data + RECORD_HEADER_BYTES;
    }
    return this.data + at + RECORD_HEADER_BYTES;
  }

  /**
   * Adds the packet that was written to the last reservation. The reader sees it after {@link publish}.
   *
   * @param id the connection it is from or for, 32 bits.
   * @param length as reserved.
   * @param stamp 32 bits that travel with the packet.
   */
  commit(id: number, length: number, stamp: number): void {
    const word = (this.data + (this.head & this.mask)) >> 2;
    this.words[word] = length;
    this.words[word + 1] = id;
    this.words[word + 2] = stamp;
    this.head = (this.head + recordBytes(length)) | 0;
  }

  /** Lets the reader see everything that was committed. @returns whether there was anything new. */
  publish(): boolean {
    if (this.head === this.shown) return false;
    Atomics.store(this.words, this.control + HEAD, this.head);
    this.shown = this.head;
    return true;
  }

  /** Adds and publishes one packet. @returns false if the ring was full. */
  push(id: number, packet: Uint8Array, stamp = 0): boolean {
    const offset = this.reserve(packet.length);
    if (offset === NONE) return false;
    this.bytes.set(packet, offset);
    this.commit(id, packet.length, stamp);
    this.publish();
    return true;
  }

  /** Returns whether the ring has this much room. A tail ahead of the head, which no reader stores, counts as full. */
  private hasRoom(needed: number): boolean {
    const most = this.capacity - needed;
    if ((this.head - this.knownTail) >>> 0 <= most) return true;
    this.knownTail = Atomics.load(this.words, this.control + TAIL);
    return (this.head - this.knownTail) >>> 0 <= most;
  }

  /** Counts a refusal. It stores the head again: if something overwrote it, the reader would never make room again. */
  private refuse(): number {
    Atomics.add(this.words, this.control + DROPPED, 1);
    // It restores a HEAD that was overwritten. It is no `publish`, whose caller has to learn of what is new.
    Atomics.store(this.words, this.control + HEAD, this.head);
    return NONE;
  }
}

/** The reading end. */
export class RingReader extends RingEnd {
  /** Id of the packet that {@link next} returned. */
  id = 0;
  /** Its length, bytes. */
  length = 0;
  /** Its stamp. */
  stamp = 0;
  private tail: number;
  private knownHead: number;

  constructor(location: RingLocation) {
    super(location);
    this.tail = Atomics.load(this.words, this.control + TAIL);
    this.knownHead = this.tail;
  }

  /** Bytes read so far, modulo 2^32. */
  get position(): number {
    return this.tail;
  }

  /** Whether there is nothing to read at this moment. */
  get empty(): boolean {
    return Atomics.load(this.words, this.control + HEAD) === this.tail;
  }

  /**
   * Steps to the next packet.
   *
   * @returns its offset in {@link bytes}, or {@link NONE}. The bytes stay as they are until {@link release}. Whatever
   *   the memory holds, the packet lies within the ring.
   */
  next(): number {
    if (this.tail === this.knownHead) {
      this.knownHead = Atomics.load(this.words, this.control + HEAD);
      const fill = (this.knownHead - this.tail) | 0;
      if (fill === 0) return NONE;
      if (fill < 0 || fill > this.capacity || (fill & 7) !== 0) return this.skipCorrupt();
      if (fill > this.words[this.control + HIGHEST]!) this.words[this.control + HIGHEST] = fill;
    }
    let at = this.tail & this.mask;
    let word = (this.data + at) >> 2;
    if (this.words[word] === WRAP) {
      this.tail = (this.tail + this.capacity - at) | 0;
      // A reservation that was never committed leaves a wrap with nothing behind it yet.
      if (this.tail === this.knownHead) return this.next();
      at = 0;
      word = this.data >> 2;
    }
    const length = this.words[word]!;
    const size = recordBytes(length);
    const published = (this.knownHead - this.tail) | 0;
    if (length <= 0 || length > MAX_RECORD_BYTES || size > published || at + size > this.capacity) {
      return this.skipCorrupt();
    }
    this.length = length;
    this.id = this.words[word + 1]!;
    this.stamp = this.words[word + 2]!;
    this.tail = (this.tail + size) | 0;
    return this.data + at + RECORD_HEADER_BYTES;
  }

  /** Gives the room of all packets read so far back to the writer. */
  release(): void {
    Atomics.store(this.words, this.control + TAIL, this.tail);
  }

  /** Counts a record whose content makes no sense to the caller. */
  countCorrupt(): void {
    Atomics.add(this.words, this.control + CORRUPT, 1);
  }

  /** Skips all that is published, because in memory that makes no sense nobody knows where the next record begins. */
  private skipCorrupt(): number {
    this.countCorrupt();
    this.tail = this.knownHead;
    return NONE;
  }
}

function recordBytes(length: number): number {
  return RECORD_HEADER_BYTES + ((length + 7) & ~7);
}

/**
 * Empties a ring whose reader has ended, so that the next reader begins with packets written from now on. Never call it
 * while a reader is running.
 *
 * @returns how many packets the reader had not released.
 */
export function discard(location: RingLocation): number {
  const reader = new RingReader(location);
  let packets = 0;
  while (reader.next() !== NONE) packets++;
  reader.release();
  return packets;
}
