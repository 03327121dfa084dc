import { is, ok } from 'uvu/assert';
import { NO_LEVEL, readLevel } from '../src/rtp/audio-level.ts';
import { Header, RtpHeader, readHeader } from '../src/rtp/packet.ts';
import { anyRtp, rtp } from './support/packets.ts';
import { below, prng, seed } from './support/prng.ts';
import { scenarios } from './support/scenario.ts';

const test = scenarios('audio level');
const header = new RtpHeader();

/** A packet with an extension of these bytes, which are padded to words. */
function withExtension(profile: number, elements: readonly number[]): Buffer {
  const words = Math.ceil(elements.length / 4);
  const extension = Buffer.alloc(4 + words * 4);
  extension.writeUInt16BE(profile, 0);
  extension.writeUInt16BE(words, 2);
  extension.set(elements, 4);
  const plain = rtp({ sequence: 1 });
  plain[0]! |= 0x10;
  return Buffer.concat([plain.subarray(0, 12), extension, plain.subarray(12)]);
}

function level(packet: Uint8Array, id: number): number {
  is(readHeader(packet, 0, packet.length, header), Header.Ok);
  return readLevel(packet, header, id);
}

for (const [name, profile, elements, id, expected] of [
  ['alone, one-byte form', 0xbede, [0x30, 0x8a], 3, 10],
  ['the voice bit is not part of the level', 0xbede, [0x30, 0x0a], 3, 10],
  ['silence', 0xbede, [0x30, 0xff], 3, 127],
  ['loudest', 0xbede, [0x30, 0x00], 3, 0],
  ['behind another element', 0xbede, [0x12, 1, 2, 3, 0x30, 5], 3, 5],
  ['behind padding', 0xbede, [0, 0, 0x30, 5], 3, 5],
  ['another id', 0xbede, [0x30, 5], 4, NO_LEVEL],
  ['behind the id that ends the reading', 0xbede, [0xf0, 0, 0x30, 5], 3, NO_LEVEL],
  ['an element that runs out of the extension', 0xbede, [0x1f, 0, 0x30, 5], 3, NO_LEVEL],
  ['cut off at its own byte', 0xbede, [0, 0, 0, 0x30], 3, NO_LEVEL],
  ['two-byte form', 0x1000, [3, 1, 0x85], 3, 5],
  ['two-byte form with application bits', 0x1007, [9, 2, 1, 2, 3, 1, 0x85], 3, 5],
  ['two-byte form, empty', 0x1000, [3, 0, 0x85], 3, NO_LEVEL],
  ['two-byte form, cut off', 0x1000, [0, 0, 0, 3], 3, NO_LEVEL],
  ['an unknown profile', 0x4711, [0x30, 5], 3, NO_LEVEL],
  ['not negotiated', 0xbede, [0x00, 5], 0, NO_LEVEL],
] as const) {
  test(`${name} is read as ${expected}`, () => is(level(withExtension(profile, elements), id), expected));
}

test('a packet without extension has no level, whatever the one before it had', () => {
  is(level(withExtension(0xbede, [0x30, 5]), 3), 5);
  is(level(rtp({ sequence: 2 }), 3), NO_LEVEL);
});

test('what werift-rtp writes is read, and no bytes throw or lead out of range', () => {
  const random = prng(seed('audio levels'));
  for (let i = 0; i < 5000; i++) {
    const id = 1 + below(random, 14);
    const value = below(random, 128);
    is(level(rtp({ sequence: i, level: { id, level: value } }), id), value);
    const packet = anyRtp(random);
    for (let k = below(random, 4); k > 0; k--) packet[below(random, packet.length)] = random() & 0xff;
    if (readHeader(packet, 0, packet.length, header) !== Header.Ok) continue;
    const read = readLevel(packet, header, id);
    ok(read >= NO_LEVEL && read <= 127);
  }
});

test.run();
