/** The parts of the packet path, each measured alone. */
import { RtpPacket } from 'werift-rtp';
import { readLevel } from '../../src/rtp/audio-level.ts';
import { Header, RtpHeader, readHeader, writeFields } from '../../src/rtp/packet.ts';
import { openSlot, opusOf, renumber, SLOT_WORDS, Slot, SlotPacket } from '../../src/rtp/rewriter.ts';
import { NONE, RingReader, RingWriter, ringBytes } from '../../src/workers/ring.ts';
import { assertWork, type Case } from './case.ts';
import { LEVEL_ID, voicePackets } from './packets.ts';

const OPERATIONS = 4096;
const PACKETS = 64;

/** Lays packets out one after the other in one buffer, as in a ring. */
function laidOut(): { bytes: Uint8Array; length: number; stride: number } {
  const packets = voicePackets(PACKETS);
  const length = packets[0]!.length;
  const stride = (length + 23) & ~7;
  const bytes = new Uint8Array(new SharedArrayBuffer(stride * PACKETS));
  for (const [i, packet] of packets.entries()) bytes.set(packet, i * stride);
  return { bytes, length, stride };
}

export function headerCase(): Case {
  const { bytes, length, stride } = laidOut();
  const header = new RtpHeader();
  return {
    name: 'header check',
    unit: 'packet',
    operations: OPERATIONS,
    run() {
      let good = 0;
      for (let i = 0; i < OPERATIONS; i++) {
        if (readHeader(bytes, (i % PACKETS) * stride, length, header) === Header.Ok) good++;
      }
      assertWork(good === OPERATIONS, 'headers');
    },
  };
}

export function levelCase(): Case {
  const { bytes, length } = laidOut();
  const header = new RtpHeader();
  readHeader(bytes, 0, length, header);
  return {
    name: 'level read',
    unit: 'packet',
    operations: OPERATIONS,
    run() {
      let sum = 0;
      for (let i = 0; i < OPERATIONS; i++) sum += readLevel(bytes, header, LEVEL_ID);
      assertWork(sum === OPERATIONS * 30, 'levels');
    },
  };
}

export function rewriteCase(): Case {
  const bytes = new Uint8Array(new SharedArrayBuffer(256));
  const view = new DataView(bytes.buffer);
  const words = new Int32Array(new SharedArrayBuffer(SLOT_WORDS * 4));
  openSlot(words, 0, 1234, 111, 1, 100, 5000);
  const packet = new SlotPacket();
  packet.source = 7;
  packet.octets = 100;
  return {
    name: 'rewrite (number and write the fields)',
    unit: 'packet',
    operations: OPERATIONS,
    run() {
      for (let i = 0; i < OPERATIONS; i++) {
        packet.index = (packet.index + 1) | 0;
        packet.clock = Math.imul(packet.index, 960);
        packet.timestamp = packet.clock;
        const verdict = renumber(words, 0, packet);
        writeFields(
          view,
          64,
          verdict,
          opusOf(words[Slot.PayloadTypes]!),
          packet.outSequence,
          packet.outTimestamp,
          words[Slot.Ssrc]!,
        );
      }
      assertWork(view.getUint16(66) === ((packet.index + 99) & 0xffff), 'numbers');
    },
  };
}

export function ringCase(): Case {
  const capacity = 1 << 20;
  const location = { memory: new SharedArrayBuffer(ringBytes(capacity)), base: 0, capacity };
  const writer = new RingWriter(location);
  const reader = new RingReader(location);
  const packet = new Uint8Array(140).fill(9);
  return {
    name: 'ring push + pop of 140 bytes',
    unit: 'packet',
    operations: OPERATIONS,
    run() {
      let bytes = 0;
      for (let i = 0; i < OPERATIONS; i += 16) {
        for (let k = 0; k < 16; k++) writer.push(k, packet, i);
        while (reader.next() !== NONE) bytes += reader.length;
        reader.release();
      }
      assertWork(bytes === OPERATIONS * 140, 'ring');
    },
  };
}

export function weriftCase(): Case {
  const packets = voicePackets(PACKETS).map((packet) => Buffer.from(packet));
  const operations = 256;
  return {
    name: 'werift-rtp parse + serialize, for comparison',
    unit: 'packet',
    operations,
    run() {
      for (let i = 0; i < operations; i++) {
        const packet = RtpPacket.deSerialize(packets[i % PACKETS]!);
        packet.header.ssrc = i;
        packet.header.sequenceNumber = i;
        assertWork(packet.serialize().length > 0, 'werift');
      }
    },
  };
}
