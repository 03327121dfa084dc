import { Worker } from 'node:worker_threads';
import { equal, is, ok, throws } from 'uvu/assert';
import {
  discard,
  MAX_RECORD_BYTES,
  MIN_RING_BYTES,
  NONE,
  type RingLocation,
  RingReader,
  RingWriter,
  ringBytes,
} from '../../../src/workers/ring.ts';
import { below, prng, type Random, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('ring');
const CANARY = 0xca;
const BASE = 128;

/** A ring between two stretches of canaries. */
function ring(capacity = MIN_RING_BYTES): {
  location: RingLocation;
  writer: RingWriter;
  reader: RingReader;
  intact(): boolean;
} {
  const memory = new SharedArrayBuffer(BASE + ringBytes(capacity) + 256);
  const bytes = new Uint8Array(memory);
  bytes.fill(CANARY, 0, BASE);
  bytes.fill(CANARY, BASE + ringBytes(capacity));
  const location = { memory, base: BASE, capacity };
  const intact = (): boolean =>
    bytes.subarray(0, BASE).every((byte) => byte === CANARY) &&
    bytes.subarray(BASE + ringBytes(capacity)).every((byte) => byte === CANARY);
  return { location, writer: new RingWriter(location), reader: new RingReader(location), intact };
}

function packet(random: Random, length = 1 + below(random, 300)): Uint8Array {
  return Uint8Array.from({ length }, () => random() & 0xff);
}

function read(reader: RingReader): { id: number; bytes: number[] } | null {
  const offset = reader.next();
  return offset === NONE ? null : { id: reader.id, bytes: [...reader.bytes.subarray(offset, offset + reader.length)] };
}

test('packets come out as they went in, whatever their lengths and however the ring wraps', () => {
  const random = prng(seed('ring model'));
  const { writer, reader, intact } = ring();
  const model: { id: number; bytes: number[] }[] = [];
  let refused = 0;
  let taken = 0;
  for (let i = 0; i < 60_000; i++) {
    if (random() % 100 < 52) {
      const bytes = packet(random, random() % 50 === 0 ? MAX_RECORD_BYTES : 1 + below(random, 200));
      const id = random() | 0;
      if (writer.push(id, bytes)) model.push({ id, bytes: [...bytes] });
      else refused++;
    } else {
      equal(read(reader), model.shift() ?? null);
      reader.release();
      taken++;
    }
  }
  ok(refused > 100 && taken > 10_000, `${refused} refused, ${taken} taken: both ends of the ring were met`);
  is(writer.dropped, refused);
  is(reader.corrupt, 0);
  ok(intact(), 'nothing outside the ring was written');
});

test('a full ring refuses the newest, counts it, and takes again once something was read', () => {
  const { writer, reader } = ring();
  const bytes = new Uint8Array(112);
  let pushed = 0;
  while (writer.push(pushed, bytes)) pushed++;
  is(pushed, MIN_RING_BYTES / 128, 'all of the capacity is used');
  is(writer.dropped, 1);
  is(writer.highest, 1);
  is(writer.fill, MIN_RING_BYTES);
  is(read(reader)?.id, 0);
  is(writer.push(99, bytes), false, 'room is given back by release, not by reading');
  reader.release();
  is(writer.push(99, bytes), true);
  for (let id = 1; id < pushed; id++) is(read(reader)?.id, id);
  is(read(reader)?.id, 99);
  is(read(reader), null);
});

test('nothing is seen before it is published, and a batch is seen at once', () => {
  const { writer, reader } = ring();
  for (let id = 1; id <= 3; id++) {
    const offset = writer.reserve(id);
    writer.bytes.fill(id, offset, offset + id);
    writer.commit(id, id, 0);
    is(reader.next(), NONE);
  }
  writer.publish();
  for (let id = 1; id <= 3; id++) equal(read(reader), { id, bytes: Array(id).fill(id) });
});

test('a reservation that is not committed is used again', () => {
  const { writer, reader } = ring();
  const first = writer.reserve(100);
  is(writer.reserve(50), first);
  writer.bytes.fill(7, first, first + 50);
  writer.commit(1, 50, 0);
  writer.publish();
  equal(read(reader), { id: 1, bytes: Array(50).fill(7) });
});

test('a reservation at the end that is not committed leaves an empty ring empty', () => {
  const { writer, reader } = ring();
  while (writer.position < MIN_RING_BYTES - 128) {
    writer.push(1, new Uint8Array(112));
    read(reader);
    reader.release();
  }
  writer.reserve(500);
  writer.publish();
  is(read(reader), null);
  is(reader.corrupt, 0);
  ok(writer.push(5, Uint8Array.of(1, 2, 3)));
  equal(read(reader), { id: 5, bytes: [1, 2, 3] });
});

test('a stamp travels with its packet', () => {
  const { writer, reader } = ring();
  writer.push(1, new Uint8Array(10), -5);
  writer.push(2, new Uint8Array(10), 7);
  read(reader);
  is(reader.stamp, -5);
  read(reader);
  is(reader.stamp, 7);
});

test('positions tell when everything written so far was read', () => {
  const { writer, reader } = ring();
  writer.push(1, new Uint8Array(10));
  const position = writer.position;
  writer.push(2, new Uint8Array(10));
  read(reader);
  is(reader.position, position);
  read(reader);
  is((reader.position - position) | 0, 32);
});

test('a packet that is too long is refused and counted', () => {
  const { writer } = ring();
  is(writer.push(1, new Uint8Array(MAX_RECORD_BYTES + 1)), false);
  is(writer.dropped, 1);
});

test('counters of bytes wrap at 2^32', () => {
  const { location, intact } = ring();
  const words = new Int32Array(location.memory);
  const nearly = -MIN_RING_BYTES;
  words[BASE / 4] = nearly;
  words[BASE / 4 + 16] = nearly;
  const writer = new RingWriter(location);
  const reader = new RingReader(location);
  for (let id = 0; id < 500; id++) {
    ok(writer.push(id, new Uint8Array(100)));
    is(read(reader)?.id, id);
    reader.release();
  }
  ok(writer.position > 0, 'they wrapped');
  ok(intact());
});

test('whatever a hostile neighbour writes, the reader stays inside the ring and goes on', () => {
  const random = prng(seed('corrupted ring'));
  const { location, writer, reader, intact } = ring();
  const words = new Int32Array(location.memory);
  const first = BASE / 4;
  for (let i = 0; i < 20_000; i++) {
    for (let k = below(random, 5); k > 0; k--) writer.push(i, packet(random, 1 + below(random, 100)));
    for (let k = below(random, 4); k > 0; k--) {
      const record = first + 32 + below(random, MIN_RING_BYTES / 4);
      words[random() % 8 === 0 ? first : record] = random() % 3 === 0 ? below(random, 2000) : random() | 0;
    }
    for (let k = 0; k < 100; k++) {
      const offset = reader.next();
      if (offset === NONE) break;
      ok(offset >= BASE + 128 + 16 && offset + reader.length <= BASE + ringBytes(MIN_RING_BYTES));
    }
    reader.release();
  }
  ok(reader.corrupt > 0, 'it was met');
  ok(intact());
});

test('a capacity or a place that cannot be is refused', () => {
  const memory = new SharedArrayBuffer(BASE + ringBytes(MIN_RING_BYTES));
  throws(() => new RingWriter({ memory, base: 0, capacity: 5000 }), /power of two/);
  throws(() => new RingWriter({ memory, base: 0, capacity: MIN_RING_BYTES / 2 }), /power of two/);
  throws(() => new RingWriter({ memory, base: BASE, capacity: MIN_RING_BYTES * 2 }), /does not fit/);
  throws(() => new RingWriter({ memory, base: 4, capacity: MIN_RING_BYTES }), /does not fit/);
});

/** Runs in the other thread: writes `count` packets, each its number and its length in every byte. */
const WRITER_THREAD = `
const { workerData, parentPort } = require('node:worker_threads');
(async () => {
  const { RingWriter } = await import(workerData.module);
  const writer = new RingWriter(workerData.location);
  let refused = 0;
  for (let number = 0; number < workerData.count; number++) {
    const length = 4 + ((number * 7919) % 400);
    let offset = writer.reserve(length);
    for (let spins = 0; offset < 0; spins++) {
      refused++;
      if (spins % 64 === 63) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.05);
      offset = writer.reserve(length);
    }
    writer.bytes.fill(number & 0xff, offset, offset + length);
    new DataView(workerData.location.memory).setUint32(offset, number);
    writer.commit(number, length, 0);
    if (number % workerData.batch === 0 || number === workerData.count - 1) writer.publish();
    else if (refused > 0) writer.publish();
  }
  parentPort.postMessage(refused);
})();
`;

for (const batch of [1, 16]) {
  test(`a million packets cross two threads whole and in order, published ${batch} at a time`, async () => {
    const count = 1_000_000;
    const { location, reader, intact } = ring(65_536);
    const module = new URL('../../../src/workers/ring.js', import.meta.url).href;
    const worker = new Worker(WRITER_THREAD, { eval: true, workerData: { module, location, count, batch } });
    const failed = new Promise<never>((_, reject) => worker.once('error', reject));
    const refused = new Promise<number>((resolve) => worker.once('message', resolve));
    const view = new DataView(location.memory);
    let expected = 0;
    while (expected < count) {
      for (let k = 0; k < 512; k++) {
        const offset = reader.next();
        if (offset === NONE) break;
        if (reader.id !== expected || reader.length !== 4 + ((expected * 7919) % 400)) {
          throw new Error(`packet ${expected} came as ${reader.id} with ${reader.length} bytes`);
        }
        if (view.getUint32(offset) !== expected) throw new Error(`packet ${expected} is torn at its start`);
        for (let i = offset + 4; i < offset + reader.length; i++) {
          if (reader.bytes[i] !== (expected & 0xff))
            throw new Error(`packet ${expected} is torn at byte ${i - offset}`);
        }
        expected++;
      }
      reader.release();
      if (expected % 100 === 0) await Promise.race([new Promise((resolve) => setImmediate(resolve)), failed]);
    }
    is(reader.next(), NONE);
    is(reader.dropped, await refused, 'every refusal was counted');
    is(reader.corrupt, 0);
    ok(intact());
    await worker.terminate();
  });
}

/** Words of a record's header, and those of the ring that follow its base. */
const HEAD = BASE / 4;
const TAIL = HEAD + 16;
const FIRST_RECORD = HEAD + 32;

/** A ring that was written and read up to the last `left` bytes before its end. */
function nearItsEnd(left: number): ReturnType<typeof ring> & { words: Int32Array } {
  const all = ring();
  const words = new Int32Array(all.location.memory);
  words[HEAD] = MIN_RING_BYTES - left;
  words[TAIL] = MIN_RING_BYTES - left;
  return { ...all, words, reader: new RingReader(all.location), writer: new RingWriter(all.location) };
}

test("a record that would reach beyond the ring's end is skipped, though that many bytes are published", () => {
  const { reader, words, intact } = nearItsEnd(32);
  words[FIRST_RECORD + MIN_RING_BYTES / 4 - 8] = 100;
  words[HEAD] = MIN_RING_BYTES - 32 + 120;
  is(reader.next(), NONE);
  is(reader.corrupt, 1);
  is(reader.next(), NONE);
  is(reader.corrupt, 1, 'it was skipped');
  ok(intact());
});

for (const [name, length, published] of [
  ['a record without bytes', 0, 16],
  ['a record with less than no bytes', -5, 16],
  ['a record that is longer than any', MAX_RECORD_BYTES + 1, MIN_RING_BYTES],
  ['a record of which not all is published', 100, 112],
] as const) {
  test(`${name} is skipped with all that is behind it, and counted`, () => {
    const { reader, words } = nearItsEnd(MIN_RING_BYTES);
    words[FIRST_RECORD] = length;
    words[HEAD] = published;
    is(reader.next(), NONE);
    is(reader.corrupt, 1);
    is(reader.position, published);
  });
}

for (const [name, head] of [
  ['in front of the tail', -8],
  ['further ahead than the ring is long', MIN_RING_BYTES + 8],
  ['in the midst of a word', 28],
] as const) {
  test(`a head ${name} is nobody's: what it promises is skipped and counted`, () => {
    const { reader, words } = nearItsEnd(MIN_RING_BYTES);
    words[FIRST_RECORD] = 4;
    words[HEAD] = head;
    is(reader.next(), NONE);
    is(reader.corrupt, 1);
  });
}

test('a packet that does not fit before the end is taken only if it fits after it, too', () => {
  const { writer, reader } = nearItsEnd(64);
  // 64 bytes before the end and 1040 behind it are needed, of 4096.
  ok(writer.push(1, new Uint8Array(1024)));
  ok(writer.push(2, new Uint8Array(1024)));
  is(writer.push(3, new Uint8Array(2000)), false);
  is(read(reader)?.id, 1);
  is(read(reader)?.id, 2);
});

test('discarding counts the packets that a reader left, and gives their room back', () => {
  const { location, writer } = ring();
  for (let id = 0; id < 5; id++) writer.push(id, new Uint8Array(100));
  is(discard(location), 5);
  is(writer.fill, 0);
  is(discard(location), 0);
});

test('a ring tells how full it has been, and that it was too full', () => {
  const { writer, reader } = ring();
  for (let i = 0; i < 8; i++) writer.push(1, new Uint8Array(112));
  read(reader);
  is(reader.highest, 0.25);
  while (writer.push(1, new Uint8Array(112)));
  is(reader.highest, 1);
});

test('publishing tells whether there was anything new, also after a packet found no room', () => {
  const { writer } = ring();
  is(writer.publish(), false);
  const commit = (): boolean => {
    if (writer.reserve(112) === NONE) return false;
    writer.commit(1, 112, 0);
    return true;
  };
  is(commit(), true);
  is(writer.publish(), true);
  is(writer.publish(), false);
  while (commit());
  is(writer.publish(), true);
  is(writer.publish(), false);
});

test('a packet that finds no room restores a head that was overwritten', () => {
  const { writer, words } = nearItsEnd(MIN_RING_BYTES);
  while (writer.push(1, new Uint8Array(112)));
  words[HEAD] = 0;
  is(writer.push(2, new Uint8Array(112)), false);
  is(words[HEAD], writer.position);
});

test.run();
