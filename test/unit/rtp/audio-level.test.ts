import { equal, is, ok } from 'uvu/assert';
import { ENCRYPTION_OVERHEAD, LevelHistory, NO_LEVEL, readLevel, SILENCE } from '../../../src/rtp/audio-level.ts';
import { Header, RtpHeader, readHeader } from '../../../src/rtp/packet.ts';
import { anyRtp, rtp } from '../../support/packets.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

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
  ['behind one byte of padding', 0xbede, [0, 0x30, 5], 3, 5],
  ['behind two bytes of padding', 0xbede, [0, 0, 0x30, 5], 3, 5],
  ['behind one byte of padding in two-byte form', 0x1000, [0, 3, 1, 5], 3, 5],
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

test('whether a client says that it hears a voice, the V bit, changes nothing (RFC 6464, section 3)', () => {
  is(level(withExtension(0xbede, [0x30, 0x80 | 5]), 3), 5);
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

/** Judges a run of packets 20 ms apart. @returns what the levels came to. */
function judge(history: LevelHistory, levels: readonly number[], length = 60, from = 0): number[] {
  return levels.map((one, i) => history.judge(one, length, from + i * 960));
}
const many = (count: number, ...levels: number[]): number[] =>
  Array.from({ length: count }, (_, i) => levels[i % levels.length]!);

test('127 beside real payloads counts as no level after half a second, for as long as it lasts', () => {
  const levels = judge(new LevelHistory(), many(500, SILENCE));
  is(levels.indexOf(NO_LEVEL), 25);
  is(levels.lastIndexOf(SILENCE), 24);
});

test('levels that no sample but zero could have are one: 120 to 127 in any order say as little as 127 alone', () => {
  const levels = judge(new LevelHistory(), many(500, 127, 120, 126, 123));
  is(levels.indexOf(NO_LEVEL), 25);
  ok(levels.slice(25).every((level) => level === NO_LEVEL));
});

test('127 beside frames of silence is silence, however long', () => {
  for (const length of [1, 2, 3, 10])
    is(judge(new LevelHistory(), many(5000, SILENCE), length).includes(NO_LEVEL), false);
  const history = new LevelHistory();
  judge(history, many(100, SILENCE));
  is(history.judge(SILENCE, 3, 100 * 960), SILENCE, 'a silent packet is silent, whoever sends it');
});

test('127 beside silence that is encrypted end to end is silence as well, and beside other frames it is not', () => {
  for (const length of [1, 2, 3])
    is(judge(new LevelHistory(), many(5000, SILENCE), ENCRYPTION_OVERHEAD + length).includes(NO_LEVEL), false);
  for (const length of [0, 4])
    is(judge(new LevelHistory(), many(100, SILENCE), ENCRYPTION_OVERHEAD + length).at(-1), NO_LEVEL);
});

test('a microphone that was heard is silent at 127 for good, even at constant bit rate', () => {
  const history = new LevelHistory();
  judge(history, [60, 58, 61, 40, 33, 35]);
  is(judge(history, many(100_000, SILENCE), 160).includes(NO_LEVEL), false);
});

test('one that joined muted at constant bit rate is believed as soon as its level follows the sound', () => {
  const history = new LevelHistory();
  is(judge(history, many(100, SILENCE), 160).at(-1), NO_LEVEL);
  equal(judge(history, [60, 58, 61, 40, 33]), [60, 58, 61, 40, 33]);
  is(judge(history, many(1000, SILENCE), 160).includes(NO_LEVEL), false);
});

test('any other level that never changes counts as none after 15 s, and a single slip makes it no truer', () => {
  for (const constant of [0, 50, 100, 119]) {
    const history = new LevelHistory();
    const levels = judge(history, many(2000, constant));
    is(levels.indexOf(NO_LEVEL), 750, `-${constant}`);
    judge(history, [SILENCE]);
    is(judge(history, many(2000, constant)).indexOf(NO_LEVEL), 750, `-${constant}`);
  }
});

test('a packet without a level has that of the packets around it, for 120 ms', () => {
  const history = new LevelHistory();
  equal(judge(history, [30, NO_LEVEL, NO_LEVEL]), [30, 30, 30]);
  is(history.judge(NO_LEVEL, 60, 5760), 30);
  is(history.judge(NO_LEVEL, 60, 5761), NO_LEVEL);
  const alternating = judge(new LevelHistory(), many(500, SILENCE, NO_LEVEL));
  is(alternating.indexOf(NO_LEVEL), 50);
  is(alternating.lastIndexOf(SILENCE), 48 + 1);
  is(new LevelHistory().judge(NO_LEVEL, 60, 0), NO_LEVEL);
});

test('frames of silence do not bring the end of a constant level nearer', () => {
  const history = new LevelHistory();
  judge(history, many(1000, SILENCE), 10);
  is(judge(history, many(100, SILENCE), 11).indexOf(NO_LEVEL), 25);
});

test('a level that changed six times is believed for good, and one that changed five times is not', () => {
  for (const [levels, believed] of [
    [[60, 50, 60, 50, 60], false],
    [[60, 50, 60, 50, 60, 50], true],
  ] as const) {
    const history = new LevelHistory();
    judge(history, levels);
    is(judge(history, many(2000, levels.at(-1)!)).includes(NO_LEVEL), !believed, `${levels.length} levels`);
  }
});

test.run();
