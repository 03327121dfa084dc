import { equal, is, ok } from 'uvu/assert';
import {
  RtcpPacketConverter,
  RtcpReceiverInfo,
  RtcpRrPacket,
  RtcpSenderInfo,
  type RtcpSourceDescriptionPacket,
  RtcpSrPacket,
} from 'werift-rtp';
import { middleOf, readCompound, reportBlock, writeCompound } from '../../../src/main/rtcp/packets.ts';
import { bytes } from '../../support/packets.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('rtcp-packets');
/** 2020-01-01T00:00:00.5Z. */
const NOW = 1_577_836_800_500;
const NTP_SECONDS = 1_577_836_800 + 2_208_988_800;

const BLOCK = {
  ssrc: 0xdead_beef,
  fractionLost: 51,
  packetsLost: 300,
  highestSequence: 0xffff_fffe,
  jitter: 77,
  lsr: 0x8000_0001,
  dlsr: 65_536,
};
const SLOT = { ssrc: 0xaaaa_aaaa, timestamp: 0xf000_0000, packets: 1000, octets: 2 ** 32 - 1 };
const OTHER = { ssrc: 5, timestamp: 6, packets: 7, octets: 8 };

/** A compound as a browser sends it: SR with a block, and SDES. */
function compound(): Buffer {
  return writeCompound(1, [SLOT], reportBlock(BLOCK), NOW);
}

test('a compound of slots and a publication is what werift-rtp reads', () => {
  const packets = RtcpPacketConverter.deSerialize(writeCompound(1, [SLOT, OTHER], reportBlock(BLOCK), NOW));
  is(packets.length, 3);
  const [first, second] = packets as [RtcpSrPacket, RtcpSrPacket];
  is(first.ssrc, SLOT.ssrc);
  is(first.senderInfo.ntpTimestamp, (BigInt(NTP_SECONDS) << 32n) | 0x8000_0000n);
  equal([first.senderInfo.rtpTimestamp, first.senderInfo.packetCount], [SLOT.timestamp, SLOT.packets]);
  is(first.senderInfo.octetCount, SLOT.octets);
  equal(first.reports[0]!.toJSON(), BLOCK);
  equal([second.ssrc, second.reports.length], [OTHER.ssrc, 0]);
  const names = packets[2] as RtcpSourceDescriptionPacket;
  equal(
    names.chunks.map(({ source, items }) => [source, items[0]!.type, items[0]!.text]),
    [SLOT, OTHER].map(({ ssrc }) => [ssrc, 1, 'backend-webrtc']),
  );
});

test('without a slot in use it is a receiver report', () => {
  const [report] = RtcpPacketConverter.deSerialize(writeCompound(9, [], reportBlock(BLOCK), NOW)) as [RtcpRrPacket];
  is(report.type, 201);
  is(report.ssrc, 9);
  equal(report.reports[0]!.toJSON(), BLOCK);
});

test('every chunk of names ends with a null octet and on a whole word: RFC 3550, section 6.5', () => {
  const packet = writeCompound(9, [], null, NOW);
  const names = packet.subarray(8);
  is(names.length, 4 + 24);
  is(names.readUInt16BE(2), 24 / 4);
  equal([...names.subarray(4 + 4 + 2 + 14)], [0, 0, 0, 0]);
});

test('what it writes it reads', () => {
  const read = readCompound(writeCompound(1, [SLOT, OTHER], reportBlock(BLOCK), NOW))!;
  equal(
    read.senders,
    [SLOT, OTHER].map(({ ssrc }) => ({ ssrc, middle: middleOf(NOW) })),
  );
  equal(
    read.blocks.map((block) => block.toJSON()),
    [BLOCK],
  );
  is(read.ignored, 0);
  is(middleOf(NOW), ((NTP_SECONDS & 0xffff) * 65_536 + 0x8000) >>> 0);
});

test('a cumulative loss below zero keeps its sign, and one out of range its side', () => {
  for (const [packetsLost, told] of [
    [-5, -5],
    [-0x80_0001, -0x80_0000],
    [0x80_0000, 0x7f_ffff],
  ] as const) {
    const read = readCompound(writeCompound(1, [], reportBlock({ ...BLOCK, packetsLost }), NOW))!;
    is(read.blocks[0]!.packetsLost, told);
  }
});

test('packets of other types are counted and skipped', () => {
  const bye = Buffer.from([0x81, 203, 0, 1, 0, 0, 0, 7]);
  const app = Buffer.from([0x80, 204, 0, 2, 0, 0, 0, 7, 1, 2, 3, 4]);
  const nack = Buffer.from([0x81, 205, 0, 3, 0, 0, 0, 7, 0, 0, 0, 8, 0, 1, 0, 0]);
  const extended = Buffer.from([0x80, 207, 0, 4, 0, 0, 0, 7, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
  const report = new RtcpRrPacket({ ssrc: 7, reports: [new RtcpReceiverInfo(BLOCK)] }).serialize();
  const read = readCompound(Buffer.concat([report, bye, app, nack, extended]))!;
  equal([read.ignored, read.blocks.length, read.senders.length], [4, 1, 0]);
});

test('a report that counts more blocks than it has is refused', () => {
  for (const packet of [compound(), writeCompound(1, [], reportBlock(BLOCK), NOW)]) {
    packet[0] = 0x80 | 31;
    is(readCompound(packet), null);
  }
});

test('no truncation is read', () => {
  const whole = compound();
  const ends = [52, whole.length];
  for (let length = 0; length <= whole.length; length++) {
    const read = readCompound(whole.subarray(0, length));
    is(read !== null, ends.includes(length), `${length} bytes`);
  }
});

test('neither random bytes nor damaged packets throw, nor does reading them take long', () => {
  const random = prng(seed('rtcp hostile'));
  const begun = process.cpuUsage();
  let read = 0;
  for (let i = 0; i < 20_000; i++) {
    const packet = random() % 2 === 0 ? bytes(random, below(random, 200)) : compound();
    for (let damage = below(random, 8); damage > 0 && packet.length > 0; damage--) {
      packet[below(random, packet.length)] = random();
    }
    if (packet.length > 1) packet[1] = 192 + below(random, 32);
    if (readCompound(packet) !== null) read++;
  }
  ok(read > 100, `${read} were read`);
  ok(process.cpuUsage(begun).user < 10e6, 'microseconds of this process, whatever others do');
});

test('a packet full of tiny packets costs what it weighs', () => {
  const tiny = Buffer.alloc(1500);
  for (let at = 0; at < tiny.length; at += 4) tiny.set([0x80, 203, 0, 0], at);
  const begun = process.cpuUsage();
  for (let i = 0; i < 200; i++) is(readCompound(tiny)!.ignored, 375);
  ok(process.cpuUsage(begun).user < 2e6);
  is(readCompound(Buffer.alloc(1504, tiny)), null, 'longer than a packet may be');
});

test('a sender report of another library is understood', () => {
  const senderInfo = new RtcpSenderInfo({
    ntpTimestamp: 0x1111_2222_3333_4444n,
    rtpTimestamp: 1,
    packetCount: 2,
    octetCount: 3,
  });
  const packet = new RtcpSrPacket({ ssrc: 4, senderInfo, reports: [] }).serialize();
  equal(readCompound(packet)!.senders, [{ ssrc: 4, middle: 0x2222_3333 }]);
});

test('a packet of another version is refused, wherever it is', () => {
  const bye = [0x81, 203, 0, 1, 0, 0, 0, 7];
  for (const version of [0, 0x40, 0xc0]) {
    const other = [version | 1, ...bye.slice(1)];
    is(readCompound(Buffer.from(other)), null);
    is(readCompound(Buffer.from([...bye, ...other])), null);
  }
  ok(readCompound(Buffer.from([...bye, ...bye])));
});

test.run();
