/** Compares the header reader with werift-rtp, which must read the same from every packet that ours accepts. */
import { RtpPacket } from 'werift-rtp';
import { Header, RtpHeader, readHeader } from '../../src/rtp/packet.ts';
import { below, type Random } from '../support/prng.ts';
import { type Counters, type FuzzTarget, insist } from './target.ts';
import { PacketMaker } from './wire.ts';

const PACKETS_A_CASE = 1000;
const VERDICTS = Object.keys(Header);

function compare(ours: RtpHeader, packet: Buffer): void {
  const { header: theirs, payload } = RtpPacket.deSerialize(packet);
  const same =
    ours.sequence === theirs.sequenceNumber &&
    ours.timestamp >>> 0 === theirs.timestamp &&
    ours.ssrc >>> 0 === theirs.ssrc &&
    ours.payloadType === theirs.payloadType &&
    (ours.marker === 1) === theirs.marker;
  // Where an extension is broken, or ends with the id 15, werift-rtp counts the rest of it as payload.
  const broken = ours.extensionLength > 0 && theirs.payloadOffset !== ours.payloadOffset;
  const whole = broken || payload.equals(packet.subarray(ours.payloadOffset, ours.payloadOffset + ours.payloadLength));
  insist(same && whole, () => `${JSON.stringify(ours)}, ${JSON.stringify(theirs)}: ${packet.toString('hex')}`);
}

function run(random: Random, outcomes: Counters): number {
  const maker = new PacketMaker(random);
  const header = new RtpHeader();
  const voice = { payloadType: 111, redPayloadType: 63, levelExtension: 1, declared: false };
  const numbered = { ...voice, ssrc: random(), sequence: below(random, 65_536), timestamp: random() | 0 };
  for (let i = 0; i < PACKETS_A_CASE; i++) {
    const packet = maker.next(random, numbered);
    const verdict = readHeader(packet, 0, packet.length, header);
    if (verdict === Header.Ok) compare(header, Buffer.from(packet));
    outcomes.add(VERDICTS[verdict]!);
  }
  return PACKETS_A_CASE;
}

export const headers: FuzzTarget = {
  name: 'headers',
  unit: 'packets',
  parallel: 1,
  weight: 1,
  async start() {
    return { run, rss: process.memoryUsage.rss, end: async () => undefined };
  },
};
