/** The format of media between instances: what is written is read, and nothing else is. */
import { equal, is, throws } from 'uvu/assert';
import { noReadCounts } from '../../../src/main/cluster/messages/read.ts';
import { readAnnouncement, writeAnnouncement } from '../../../src/main/cluster/relay/announcement.ts';
import type { AnnouncedSource } from '../../../src/main/cluster/relay/interfaces.ts';
import {
  HEAD_BYTES,
  incarnationOf,
  Kind,
  MAX_MESSAGE_BYTES,
  MessageReader,
  messageHead,
  RECORD_BYTES,
  writeRecord,
} from '../../../src/main/cluster/relay/wire.ts';
import { MAX_PACKET_BYTES } from '../../../src/rtp/packet.ts';
import { bytes } from '../../support/packets.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('relay wire');
const INCARNATION = '00fa3b8c0d1e';

interface Record {
  readonly source: number;
  readonly stamp: number;
  readonly loss: number;
  readonly packet: Uint8Array;
}

function write(records: readonly Record[]): Uint8Array {
  const size = records.reduce((sum, { packet }) => sum + RECORD_BYTES + packet.length, HEAD_BYTES);
  const message = new Uint8Array(size);
  message.set(messageHead(Kind.Packets, INCARNATION));
  let at = HEAD_BYTES;
  for (const { source, stamp, loss, packet } of records) {
    at = writeRecord(message, at, source, stamp, loss, packet);
  }
  is(at, size);
  return message;
}

/** What a message holds, and whether all of it was read. */
function read(message: Uint8Array): { records: Record[]; whole: boolean } {
  const reader = new MessageReader();
  const records: Record[] = [];
  if (!reader.begin(message)) return { records, whole: false };
  while (!reader.done) {
    if (!reader.next()) return { records, whole: false };
    const { source, stamp, loss, offset, length } = reader;
    records.push({ source, stamp, loss, packet: message.slice(offset, offset + length) });
  }
  return { records, whole: true };
}

const RECORDS: readonly Record[] = [
  { source: 0, stamp: 0, loss: 0, packet: new Uint8Array(1).fill(7) },
  { source: 2 ** 31 - 1, stamp: -1, loss: 255, packet: new Uint8Array(MAX_PACKET_BYTES).fill(8) },
  { source: 0x12_3456, stamp: -(2 ** 31), loss: 13, packet: new Uint8Array(300).fill(9) },
];

test('a message has its kind, its incarnation and its packets, whatever their number', () => {
  const reader = new MessageReader();
  is(reader.begin(write(RECORDS)), true);
  is(reader.kind, Kind.Packets);
  is(incarnationOf(reader.high, reader.low), INCARNATION);
  for (let count = 0; count <= RECORDS.length; count++) {
    equal(read(write(RECORDS.slice(0, count))), { records: RECORDS.slice(0, count), whole: true });
  }
});

test('only twelve hex digits are an incarnation', () => {
  for (const bad of ['', '00fa3b8c0d1', '00fa3b8c0d1e0', '00FA3B8C0D1E', '00fa3b8c0d1g']) {
    throws(() => messageHead(Kind.Packets, bad), /incarnation/);
  }
});

test('a message that is cut anywhere has the packets in front of the cut, and is not whole', () => {
  const message = write(RECORDS);
  const ends = [HEAD_BYTES];
  for (const { packet } of RECORDS) ends.push(ends.at(-1)! + RECORD_BYTES + packet.length);
  for (let length = 0; length < message.length; length++) {
    const { records, whole } = read(message.subarray(0, length));
    const before = ends.filter((end) => end <= length).length - 1;
    equal(records, RECORDS.slice(0, Math.max(0, before)), `${length}`);
    is(whole, ends.includes(length), `${length}`);
  }
});

test('no packet is empty or longer than the longest', () => {
  const [, , third] = RECORDS;
  const empty = { ...third!, packet: new Uint8Array() };
  equal(read(write([third!, empty])), { records: [third], whole: false });
  const long = { ...third!, packet: new Uint8Array(MAX_PACKET_BYTES + 1) };
  equal(read(write([third!, long])), { records: [third], whole: false });
});

test('a message of another version is not read, nor is one that is too long', () => {
  const message = write(RECORDS);
  message[0] = 2;
  is(new MessageReader().begin(message), false);
  const long = new Uint8Array(MAX_MESSAGE_BYTES + 1);
  long.set(messageHead(Kind.Packets, INCARNATION));
  is(new MessageReader().begin(long), false);
  is(new MessageReader().begin(long.subarray(0, MAX_MESSAGE_BYTES)), true);
});

test('random bytes never throw, and never give a packet beyond the message', () => {
  const random = prng(seed('relayed media'));
  for (let i = 0; i < 20_000; i++) {
    const message = i % 2 === 0 ? bytes(random, below(random, 200)) : Buffer.from(write(RECORDS));
    for (let changes = 0; changes < 4 && message.length > 0; changes++) {
      message[below(random, message.length)] = below(random, 256);
    }
    if (message.length > 0) message[0] = 1;
    const { records } = read(message);
    const size = records.reduce((sum, { packet }) => sum + RECORD_BYTES + packet.length, HEAD_BYTES);
    is(records.length === 0 || size <= message.length, true);
  }
});

const ANN: AnnouncedSource = {
  source: 77,
  userid: 'ann "\\ ä 🎤',
  clientid: '"'.repeat(256),
  publication: { payloadType: 111, levelExtension: 1, redPayloadType: 63, ssrcs: [] },
  muted: true,
};

test('an announcement is read as it was written, without the SSRCs', () => {
  const counts = noReadCounts();
  const publication = { ...ANN.publication, ssrcs: [1, 2] };
  const message = writeAnnouncement(INCARNATION, { ...ANN, publication });
  const reader = new MessageReader();
  is(reader.begin(message), true);
  is(reader.kind, Kind.Announcement);
  is(incarnationOf(reader.high, reader.low), INCARNATION);
  equal(readAnnouncement(message, counts), ANN);
  equal(counts, noReadCounts());
});

test('an announcement that is cut or out of bounds is dropped and counted', () => {
  const message = writeAnnouncement(INCARNATION, ANN);
  const counts = noReadCounts();
  for (let length = HEAD_BYTES; length < message.length; length++) {
    is(readAnnouncement(message.subarray(0, length), counts), null, `${length}`);
  }
  is(counts.malformed, message.length - HEAD_BYTES);
  const { publication } = ANN;
  const bad: AnnouncedSource[] = [
    { ...ANN, source: -1 },
    { ...ANN, source: 2 ** 31 },
    { ...ANN, source: 0.5 },
    { ...ANN, userid: '' },
    { ...ANN, clientid: 'x'.repeat(257) },
    { ...ANN, publication: { ...publication, payloadType: 128 } },
    { ...ANN, publication: { ...publication, levelExtension: 15 } },
    { ...ANN, publication: { ...publication, redPayloadType: -1 } },
    { ...ANN, muted: 'no' as unknown as boolean },
  ];
  for (const one of bad) is(readAnnouncement(writeAnnouncement(INCARNATION, one), counts), null, JSON.stringify(one));
  is(counts.malformed, message.length - HEAD_BYTES + bad.length);
});

test.run();
