import { equal, is, ok } from 'uvu/assert';
import { RtpPacket } from 'werift-rtp';
import {
  Header,
  isRtcp,
  MAX_PACKET_BYTES,
  RtpHeader,
  readHeader,
  SENT_HEADER_BYTES,
  writeFields,
  writeSharedHeader,
} from '../../../src/rtp/packet.ts';
import { anyRtp, bytes, rtp } from '../../support/packets.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('packet');
const header = new RtpHeader();

/** Reads a packet that lies somewhere in a larger buffer, as it does in a ring. */
function read(packet: Uint8Array, lead = 24): number {
  const around = new Uint8Array(lead + packet.length + 16).fill(0xaa);
  around.set(packet, lead);
  return readHeader(around, lead, packet.length, header);
}

test('every field of a whole packet is read as werift-rtp reads it', () => {
  const random = prng(seed('packet fields'));
  for (let i = 0; i < 5000; i++) {
    const packet = anyRtp(random);
    is(read(packet), Header.Ok);
    const oracle = RtpPacket.deSerialize(packet);
    is(header.marker, oracle.header.marker ? 1 : 0);
    is(header.payloadType, oracle.header.payloadType);
    is(header.sequence, oracle.header.sequenceNumber);
    is(header.timestamp >>> 0, oracle.header.timestamp);
    is(header.ssrc >>> 0, oracle.header.ssrc);
    is(header.payloadOffset, 24 + oracle.header.payloadOffset);
    const padding = (packet[0]! & 0x20) === 0 ? 0 : packet[packet.length - 1]!;
    is(header.payloadLength, packet.length - oracle.header.payloadOffset - padding);
  }
});

test('every truncation of a packet is refused or read within its bounds', () => {
  const random = prng(seed('truncations'));
  for (let i = 0; i < 300; i++) {
    const packet = anyRtp(random);
    for (let length = 0; length < packet.length; length++) {
      const verdict = read(packet.subarray(0, length));
      if (verdict !== Header.Ok) continue;
      ok(header.payloadLength > 0);
      ok(header.payloadOffset - 24 + header.payloadLength <= length);
    }
  }
});

test('random bytes never throw and never lead outside the packet', () => {
  const random = prng(seed('random bytes'));
  for (let i = 0; i < 50_000; i++) {
    const packet = bytes(random, below(random, 64));
    if (packet.length > 0 && random() % 2 === 0) packet[0] = 0x80 | (packet[0]! & 0x3f);
    if (read(packet) !== Header.Ok) continue;
    ok(header.payloadOffset >= 24 + 12);
    ok(header.payloadOffset - 24 + header.payloadLength <= packet.length);
  }
});

const whole = rtp({ sequence: 1, payload: Buffer.from([1, 2, 3, 4]) });
const withFirst = (first: number, rest = whole): Buffer => Buffer.from([first, ...rest.subarray(1)]);
for (const [name, packet, verdict] of [
  ['nothing at all', Buffer.alloc(0), Header.TooShort],
  ['eleven bytes', whole.subarray(0, 11), Header.TooShort],
  ['a header without payload', whole.subarray(0, 12), Header.Empty],
  ['one byte of payload', whole.subarray(0, 13), Header.Ok],
  ['version 1', withFirst(0x40), Header.WrongVersion],
  ['version 3', withFirst(0xc0), Header.WrongVersion],
  ['fifteen CSRCs that are not there', withFirst(0x8f), Header.Truncated],
  ['an extension header that is cut off', withFirst(0x90, whole.subarray(0, 14)), Header.Truncated],
  ['an extension longer than the packet', withFirst(0x90), Header.Truncated],
  [
    'padding of zero bytes',
    withFirst(0xa0, Buffer.concat([whole.subarray(0, 15), Buffer.from([0])])),
    Header.BadPadding,
  ],
  [
    'padding longer than the payload',
    withFirst(0xa0, Buffer.concat([whole.subarray(0, 15), Buffer.from([5])])),
    Header.BadPadding,
  ],
  ['nothing but padding', withFirst(0xa0, Buffer.concat([whole.subarray(0, 15), Buffer.from([4])])), Header.Empty],
  ['more bytes than a packet may have', Buffer.concat([whole, Buffer.alloc(MAX_PACKET_BYTES)]), Header.TooLong],
] as const) {
  test(`${name} is ${Object.keys(Header)[verdict]}`, () => is(read(packet), verdict));
}

test('a length beyond the buffer is refused', () => is(readHeader(whole, 4, whole.length, header), Header.TooShort));

test('RTCP is told from RTP by its second byte, RFC 5761', () => {
  for (const [second, rtcp] of [
    [111, false],
    [111 | 0x80, false],
    [191, false],
    [192, true],
    [200, true],
    [207, true],
    [223, true],
    [224, false],
  ] as const) {
    is(isRtcp(Uint8Array.of(0x80, second)), rtcp, String(second));
  }
  is(isRtcp(Uint8Array.of(0x80)), false);
});

test('what is written is read by werift-rtp', () => {
  const random = prng(seed('written headers'));
  for (let i = 0; i < 1000; i++) {
    const packet = Buffer.alloc(8 + SENT_HEADER_BYTES + 3, 0xff);
    const [csrc, sequence, timestamp, ssrc] = [random(), below(random, 65_536), random(), random()];
    const payloadType = below(random, 128);
    const view = new DataView(packet.buffer, packet.byteOffset);
    writeSharedHeader(view, 8, csrc);
    writeFields(view, 8, i % 2, payloadType, sequence, timestamp | 0, ssrc | 0);
    const { header: read } = RtpPacket.deSerialize(packet.subarray(8));
    equal(
      [
        read.version,
        read.marker,
        read.payloadType,
        read.sequenceNumber,
        read.timestamp,
        read.ssrc,
        read.csrc,
        read.extension,
        read.padding,
      ],
      [2, i % 2 === 1, payloadType, sequence, timestamp, ssrc, [csrc], false, false],
    );
    equal([...packet.subarray(8 + SENT_HEADER_BYTES)], [255, 255, 255], 'the payload is left alone');
    equal([...packet.subarray(0, 8)], [255, 255, 255, 255, 255, 255, 255, 255], 'so is what stands before');
  }
});

test('the longest packet is read, and one that is a byte longer is not', () => {
  is(read(Buffer.concat([whole, Buffer.alloc(MAX_PACKET_BYTES - whole.length)])), Header.Ok);
  is(header.payloadLength, MAX_PACKET_BYTES - 12);
  is(read(Buffer.concat([whole, Buffer.alloc(MAX_PACKET_BYTES + 1 - whole.length)])), Header.TooLong);
});

test.run();
