/** How long an Opus packet lasts, and whether it can hold sound: RFC 6716. */
import { equal, is } from 'uvu/assert';
import { Durations, isSilent, MAX_OPUS_TICKS, opusTicks } from '../../../src/rtp/opus.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('opus');
const MS = 48;

/** A packet between other bytes, as it lies in a ring. */
function ticks(...packet: number[]): number {
  return opusTicks(Uint8Array.from([0xff, ...packet, 0x01, 0x01]), 1, packet.length);
}

test('each of the 32 configurations has its duration (RFC 6716, table 2)', () => {
  const silk = [10, 20, 40, 60];
  const hybrid = [10, 20];
  const celt = [2.5, 5, 10, 20];
  equal(
    Array.from({ length: 32 }, (_, config) => ticks(config << 3, 0) / MS),
    [silk, silk, silk, hybrid, hybrid, celt, celt, celt, celt].flat(),
  );
});

test('a packet has one frame, two, or as many as it counts', () => {
  const config = 31 << 3;
  equal([ticks(config, 0), ticks(config | 1, 0), ticks(config | 2, 0)], [20 * MS, 40 * MS, 40 * MS]);
  for (const frames of [1, 2, 5, 6]) is(ticks(config | 3, frames), frames * 20 * MS);
});

test('the flags for variable rate and padding are not part of the count of frames', () => {
  for (const flags of [0x40, 0x80, 0xc0]) is(ticks((31 << 3) | 3, flags | 2), 40 * MS);
});

test('a packet that has no frame, lasts longer than 120 ms, or ends before its count has no duration', () => {
  is(ticks((31 << 3) | 3, 6), MAX_OPUS_TICKS);
  is(ticks((31 << 3) | 3, 7), 0);
  is(ticks((31 << 3) | 3, 0), 0);
  is(ticks((31 << 3) | 3), 0);
});

test('two bytes are discontinuous transmission, and three are digital silence only as encoders write it', () => {
  const silent = (...packet: number[]): boolean =>
    isSilent(Uint8Array.from([0, ...packet, 0xff, 0xfe]), 1, packet.length);
  equal([silent(8), silent(8, 0xff), silent(8, 0xff, 0xfe), silent(0xf8, 0xff, 0xfe)], [true, true, true, true]);
  equal([silent(8, 0xff, 0xff), silent(8, 0xfe, 0xfe), silent(8, 0xff, 0xfe, 0)], [false, false, false]);
});

/** Takes packets that follow one another. @returns what each is said to last, milliseconds. */
function durations(packets: readonly (readonly [claimed: number, span: number])[], from = new Durations()): number[] {
  return packets.map(([claimed, span]) => {
    from.take(claimed * MS, true, span * MS);
    return from.ticks / MS;
  });
}

test('a packet lasts as long as it says, or else as long as the spacing of the timestamps', () => {
  equal(
    durations([
      [20, 20],
      [60, 20],
      [0, 40],
      [0, 60],
    ]),
    [20, 60, 40, 60],
  );
});

test('a gap longer than the longest packet, or across a hole, does not count as spacing', () => {
  equal(
    durations([
      [0, 40],
      [0, 121],
      [0, 0],
      [0, -20],
    ]),
    [40, 40, 40, 40],
  );
  const one = new Durations();
  one.take(0, true, 40 * MS);
  one.take(0, false, 60 * MS);
  is(one.ticks, 40 * MS, 'with a hole between, the span is that of more than one packet');
});

test('after a claim that contradicts the timestamps, the spacing counts for 64 packets', () => {
  const one = new Durations();
  const honest = Array.from({ length: 70 }, () => [20, 30] as const);
  const after = durations([[60, 20], ...honest], one);
  equal([after[0], after[1]], [60, 30]);
  is(after.indexOf(20), 64);
});

test.run();
