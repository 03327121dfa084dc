/**
 * Rings into whose memory a hostile neighbour writes. Their readers must not throw, read outside of the ring or loop
 * for ever; they must count corrupt records, and read what is written afterwards.
 */
import { Egress } from '../../src/main/media/egress.ts';
import { SENT_HEADER_BYTES } from '../../src/rtp/packet.ts';
import { BurstWriter, MAX_PAYLOAD_BYTES } from '../../src/workers/burst.ts';
import { milliseconds, toStamp } from '../../src/workers/clock.ts';
import { layoutShard, type ShardMemory } from '../../src/workers/protocol.ts';
import { MAX_RECORD_BYTES, NONE, RingReader, RingWriter, ringBytes } from '../../src/workers/ring.ts';
import { below, type Random } from '../support/prng.ts';
import { type Counters, type FuzzTarget, insist, oneIn, pick } from './target.ts';

const ROUNDS_A_CASE = 200;
const CAPACITIES = [4096, 4096, 8192, 65_536, 262_144];
/** Words of a ring before its records, and those in use: see `ring.ts`. */
const CONTROL_WORDS = 32;
/** Head, dropped, tail and highest. The count of corrupt records is not changed. */
const CONTROL = [0, 0, 0, 1, 16, 16, 16, 18];
const RECORD_HEADER_BYTES = 16;
/** Rounds of writing and reading after which a ring must work as if new. */
const HEALING_ROUNDS = 2;
const RECEIVERS = 8;
const MAX_DELAY_MS = 60_000;
/** Packets for one call of `send`, and the number of calls after which a ring must be empty. */
const BUDGET = 1_000;
const SENDS = 100;

/** The neighbour, which writes anything anywhere into one ring. */
class Neighbour {
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly capacity: number;
  private readonly random: Random;

  constructor(random: Random, memory: SharedArrayBuffer, base: number, capacity: number) {
    this.random = random;
    this.words = new Int32Array(memory, base, ringBytes(capacity) / 4);
    this.bytes = new Uint8Array(memory, base, ringBytes(capacity));
    this.capacity = capacity;
  }

  spoil(): void {
    for (let times = 1 + below(this.random, 6); times > 0; times--) this.spoilOnce();
  }

  private spoilOnce(): void {
    const { random, words, bytes } = this;
    const records = bytes.length - CONTROL_WORDS * 4;
    const at = CONTROL_WORDS * 4 + below(random, records);
    switch (below(random, 8)) {
      case 0:
      case 1:
        words[pick(random, CONTROL)] = this.value();
        break;
      case 2:
        words[pick(random, [0, 16])]! += pick(random, [-8, 8, 1, -1, this.capacity, -this.capacity, 24, 2 ** 31]);
        break;
      case 3:
      case 4:
        words[at >> 2] = this.value();
        break;
      case 5:
        bytes.fill(pick(random, [0, 0xff, random() & 0xff]), at, at + below(random, records));
        break;
      case 6:
        bytes.copyWithin(at, CONTROL_WORDS * 4 + below(random, records), bytes.length);
        break;
      default:
        for (let i = below(random, 64); i > 0; i--) bytes[CONTROL_WORDS * 4 + below(random, records)] = random() & 0xff;
    }
  }

  private value(): number {
    const { random, words } = this;
    switch (below(random, 6)) {
      case 0:
        return random() | 0;
      case 1:
        return pick(random, [0, -1, 1, 8, 2 ** 31 - 1, -(2 ** 31), this.capacity, MAX_RECORD_BYTES, 0xffff]);
      case 2:
        return below(random, 2048);
      case 3:
        // Looks like a burst: its payload's length and its number of deliveries.
        return (below(random, 140) << 16) | below(random, 2048);
      default:
        return words[below(random, words.length)]!;
    }
  }
}

/** A ring of packets. */
function packetCase(random: Random, outcomes: Counters): void {
  const capacity = pick(random, CAPACITIES);
  const [base, canary] = [128, 0xca];
  const memory = new SharedArrayBuffer(base + ringBytes(capacity) + 128);
  const bytes = new Uint8Array(memory);
  bytes.fill(canary, 0, base).fill(canary, base + ringBytes(capacity));
  const location = { memory, base, capacity };
  const [writer, reader] = [new RingWriter(location), new RingReader(location)];
  const neighbour = new Neighbour(random, memory, base, capacity);
  const packet = new Uint8Array(MAX_RECORD_BYTES);
  const read = (): number => {
    let count = 0;
    for (; count <= capacity / RECORD_HEADER_BYTES; count++) {
      const offset = reader.next();
      if (offset === NONE) break;
      const inside = offset >= base + CONTROL_WORDS * 4 && offset + reader.length <= base + ringBytes(capacity);
      insist(inside && reader.length > 0, () => `a packet of ${reader.length} bytes at ${offset}`);
    }
    insist(count <= capacity / RECORD_HEADER_BYTES, () => 'the reader does not come to an end');
    reader.release();
    return count;
  };
  for (let round = 0; round < ROUNDS_A_CASE; round++) {
    for (let i = below(random, 8); i > 0; i--) writer.push(random() | 0, packet.subarray(0, 1 + below(random, 400)));
    if (random() % 2 === 0) neighbour.spoil();
    if (random() % 2 === 0) outcomes.add('read', read());
    if (random() % 2 === 0) neighbour.spoil();
    if (random() % 2 === 0) outcomes.add('read', read());
    if (!oneIn(random, 4)) continue;
    for (let i = 0; i < HEALING_ROUNDS; i++) {
      writer.push(1, packet.subarray(0, 10));
      read();
    }
    for (let i = 1; i <= 3; i++) insist(writer.push(i, packet.subarray(0, i)), () => 'full for ever');
    for (let i = 1; i <= 3; i++) {
      insist(reader.next() !== NONE && reader.id === i && reader.length === i, () => `packet ${i} is lost for ever`);
    }
    insist(reader.next() === NONE && reader.empty, () => 'what nobody wrote is read for ever');
    reader.release();
    outcomes.add('healed');
  }
  const edges = [...bytes.subarray(0, base), ...bytes.subarray(base + ringBytes(capacity))];
  insist(
    edges.every((byte) => byte === canary),
    () => 'something outside of the ring was written',
  );
  outcomes.add('corrupt', reader.corrupt);
}

/** A ring of bursts, and main's egress. */
class Exit {
  private readonly writer: RingWriter;
  private readonly bursts: BurstWriter;
  private readonly egress: Egress;
  private readonly memory: ShardMemory;
  private readonly neighbour: Neighbour;
  private readonly random: Random;
  private got: { to: number; packet: Uint8Array }[] = [];

  constructor(random: Random) {
    this.random = random;
    const capacity = pick(random, CAPACITIES);
    this.memory = layoutShard(4096, capacity);
    this.writer = new RingWriter(this.memory.egress);
    this.bursts = new BurstWriter(this.writer);
    const receivers = Array.from({ length: RECEIVERS }, (_, id) => ({
      id,
      send: (packet: Uint8Array) => {
        this.got.push({ to: id, packet: packet.slice() });
        return id !== 3;
      },
    }));
    this.egress = new Egress(this.memory, receivers, MAX_DELAY_MS);
    this.neighbour = new Neighbour(random, this.memory.memory, this.memory.egress.base, capacity);
  }

  /** Writes a well-formed burst. */
  write(length: number, connections: readonly number[]): boolean {
    const { bursts, writer, memory } = this;
    const written = bursts.begin(memory.silence, Math.max(1, length), connections.length);
    for (const connection of written ? connections : []) bursts.add(connection, 0, 111, 1, 2, 3);
    if (written) bursts.end(9, toStamp(milliseconds()));
    writer.publish();
    return written;
  }

  /** Writes arbitrary records, or bursts with more deliveries than are allowed. */
  scribble(): void {
    const { random } = this;
    const [payload, deliveries] = [1 + below(random, 40), below(random, 127)];
    const words = 1 + ((payload + 3) >> 2) + deliveries * 4;
    const record = Int32Array.from({ length: random() % 4 === 0 ? 1 + below(random, 500) : words }, () => random());
    if (random() % 4 !== 0) record[0] = (deliveries << 16) | payload;
    if (random() % 2 === 0) for (let i = 1; i < record.length; i++) record[i] = below(random, RECEIVERS);
    const bytes = new Uint8Array(record.buffer);
    const stamp = random() % 4 === 0 ? random() | 0 : toStamp(milliseconds());
    for (let i = oneIn(random, 4) ? 64 : 1; i > 0; i--) this.writer.push(random() | 0, bytes, stamp);
  }

  /** Sends until the ring is empty. */
  drain(): { to: number; packet: Uint8Array }[] {
    const { counts } = this.egress;
    this.got = [];
    const before = counts.sent + counts.failed;
    let sends = 0;
    while (this.egress.send(BUDGET)) insist(++sends < SENDS, () => 'the way out does not come to an end');
    const handled = counts.sent + counts.failed - before;
    insist(handled === this.got.length, () => `${handled} counted, ${this.got.length} handed over`);
    for (const { packet } of this.got) {
      const length = packet.length - SENT_HEADER_BYTES;
      insist(length >= 1 && length <= MAX_PAYLOAD_BYTES, () => `a payload of ${length} bytes`);
      insist(packet[0] === 0x81, () => 'not the header that is sent');
    }
    return this.got;
  }

  run(outcomes: Counters): void {
    const { random, neighbour } = this;
    for (let round = 0; round < ROUNDS_A_CASE; round++) {
      for (let i = below(random, 6); i > 0; i--) {
        const some = Array.from({ length: 1 + below(random, 32) }, () => below(random, RECEIVERS));
        this.write(below(random, 60), some);
      }
      if (oneIn(random, 4)) this.scribble();
      if (random() % 2 === 0) neighbour.spoil();
      if (random() % 4 === 0) this.egress.send(1 + below(random, 20));
      if (random() % 4 === 0) neighbour.spoil();
      if (random() % 2 === 0) outcomes.add('delivered', this.drain().length);
      if (oneIn(random, 4)) this.heal(outcomes);
    }
    outcomes.add('corrupt', this.egress.corrupt);
  }

  private heal(outcomes: Counters): void {
    for (let i = 0; i < HEALING_ROUNDS; i++) {
      this.write(1, [0]);
      this.drain();
    }
    insist(this.write(3, [5, 6]) && this.write(3, [5]), () => 'full for ever');
    const order = this.drain().map(({ to }) => to);
    insist(order.join() === '5,5,6', () => `sent to ${order} instead of 5, 5, 6`);
    insist(this.egress.empty, () => 'what nobody wrote is sent for ever');
    outcomes.add('healed');
  }
}

export const rings: FuzzTarget = {
  name: 'rings',
  unit: 'rounds',
  parallel: 1,
  weight: 1,
  async start() {
    return {
      run(random, outcomes) {
        if (random() % 2 === 0) packetCase(random, outcomes);
        else new Exit(random).run(outcomes);
        return ROUNDS_A_CASE;
      },
      rss: process.memoryUsage.rss,
      end: async () => undefined,
    };
  },
};
