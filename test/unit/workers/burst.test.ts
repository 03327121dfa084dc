/** One payload for many listeners, through a real ring. */
import { equal, is, not, ok } from 'uvu/assert';
import {
  BurstReader,
  BurstWriter,
  DELIVERY_WORDS,
  MAX_DELIVERIES,
  MAX_PAYLOAD_BYTES,
} from '../../../src/workers/burst.ts';
import { MIN_RING_BYTES, RingReader, RingWriter, ringBytes } from '../../../src/workers/ring.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('burst');
/** Where payloads lie before they are written: behind the ring. */
const SOURCE = ringBytes(MIN_RING_BYTES);

function setUp() {
  const memory = new SharedArrayBuffer(SOURCE + MAX_PAYLOAD_BYTES);
  const location = { memory, base: 0, capacity: MIN_RING_BYTES };
  const [ringIn, ringOut] = [new RingWriter(location), new RingReader(location)];
  return { ringIn, ringOut, writer: new BurstWriter(ringIn), reader: new BurstReader(ringOut) };
}

/** All that a burst says. */
function contents(reader: BurstReader, ring: RingReader): unknown {
  const { csrc, stamp, payloadOffset, payloadLength } = reader;
  const deliveries = Array.from({ length: reader.deliveries }, (_, i) => {
    reader.read(reader.firstDelivery + i * DELIVERY_WORDS);
    const { connection, marker, payloadType, sequence, timestamp, ssrc } = reader;
    return [connection, marker, payloadType, sequence, timestamp, ssrc];
  });
  return { csrc, stamp, payload: [...ring.bytes.subarray(payloadOffset, payloadOffset + payloadLength)], deliveries };
}

test('bursts come out as they went in, whatever their size, and a full ring refuses them', () => {
  const random = prng(seed('bursts'));
  const { ringIn, ringOut, writer, reader } = setUp();
  const model: unknown[] = [];
  let refused = 0;
  for (let i = 0; i < 20_000; i++) {
    if (random() % 2 === 0) {
      const length = random() % 20 === 0 ? MAX_PAYLOAD_BYTES : 1 + below(random, 300);
      const most = 1 + below(random, MAX_DELIVERIES);
      const payload = Array.from({ length }, () => random() & 0xff);
      ringIn.bytes.set(payload, SOURCE);
      if (!writer.begin(SOURCE, length, most)) {
        refused++;
        continue;
      }
      const deliveries = Array.from({ length: below(random, most + 1) }, () => [
        random() | 0,
        random() & 1,
        random() & 0x7f,
        random() & 0xffff,
        random() | 0,
        random() | 0,
      ]);
      for (const [connection, marker, type, sequence, timestamp, ssrc] of deliveries) {
        writer.add(connection!, marker!, type!, sequence!, timestamp!, ssrc!);
      }
      const [csrc, stamp] = [random() | 0, random() | 0];
      writer.end(csrc, stamp);
      ringIn.publish();
      if (deliveries.length > 0) model.push({ csrc, stamp, payload, deliveries });
    } else {
      equal(reader.next() ? contents(reader, ringOut) : null, model.shift() ?? null);
      ringOut.release();
    }
  }
  ok(refused > 100, `${refused} refused`);
  is(ringOut.corrupt, 0);
});

test('the largest burst fits the smallest ring, wherever it stands', () => {
  const { ringIn, ringOut, writer, reader } = setUp();
  for (let i = 0; i < 500; i++) {
    ok(writer.begin(SOURCE, i % 2 === 0 ? MAX_PAYLOAD_BYTES : 1 + i, MAX_DELIVERIES));
    for (let k = 0; k < MAX_DELIVERIES; k++) writer.add(k, 0, 111, i, i, k);
    writer.end(1, 1);
    ringIn.publish();
    ok(reader.next());
    is(reader.deliveries, MAX_DELIVERIES);
    ringOut.release();
  }
});

test('a record that is no burst is skipped and counted', () => {
  const { ringIn, ringOut, writer, reader } = setUp();
  const records = [
    Uint8Array.of(1),
    new Uint8Array(40),
    Uint8Array.of(255, 255, 255, 255, 1, 2, 3),
    Uint8Array.of(4, 0, 2, 0, 1, 2, 3, 4),
  ];
  for (const record of records) ok(ringIn.push(7, record));
  ok(writer.begin(SOURCE, 5, 1));
  writer.add(9, 1, 96, 65_535, -1, -2);
  writer.end(3, 4);
  ringIn.publish();
  ok(reader.next());
  is(ringOut.corrupt, records.length);
  reader.read(reader.firstDelivery);
  equal([reader.connection, reader.marker, reader.payloadType, reader.sequence], [9, 1, 96, 65_535]);
  not(reader.next());
});

for (const [name, payloadLength, deliveries] of [
  ['without a payload', 0, 1],
  ['without a delivery', 4, 0],
  ['whose payload fits no packet', MAX_PAYLOAD_BYTES + 1, 1],
  ['for more listeners than one burst has', 4, MAX_DELIVERIES + 1],
] as const) {
  test(`a record ${name} is no burst, though its length is right`, () => {
    const { ringIn, ringOut, reader } = setUp();
    const length = 4 + ((payloadLength + 3) & ~3) + deliveries * 16;
    const record = new Uint8Array(length);
    new DataView(record.buffer).setUint32(0, (deliveries << 16) | payloadLength, true);
    ok(ringIn.push(7, record));
    not(reader.next());
    is(ringOut.corrupt, 1);
  });
}

test('a burst without deliveries is not written', () => {
  const { ringIn, writer, reader, ringOut } = setUp();
  ok(writer.begin(SOURCE, 5, 3));
  writer.end(1, 1);
  ringIn.publish();
  not(reader.next());
  is(ringIn.fill, 0);
  is(ringOut.corrupt, 0);
});

test.run();
