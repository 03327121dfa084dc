/** Where the packets of a recorded speaker go. */
import { equal, is, ok } from 'uvu/assert';
import { HOLD_TICKS, silentPackets, Voice } from '../../../recorder/timeline.ts';
import { opusTicks } from '../../../src/rtp/opus.ts';
import { anyRtp, bytes, rtp } from '../../support/packets.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { redPayload } from '../../support/red.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('recorder timeline');
const MS = 48;
const FRAME = 960;
const FORMAT = { payloadType: 111, redPayloadType: 63, levelExtension: 1 };

/** A frame of 20 ms with a number. */
const frame = (number: number): Buffer => Buffer.from([0xf8, number >> 8, number & 0xff, 1, 2, 3]);

interface Written {
  readonly number: number;
  /** Where it is in the file, ticks. */
  readonly at: number;
}

function setUp() {
  const written: Written[] = [];
  let at = 0;
  const voice = new Voice({
    packet: (packet, ticks) => {
      written.push({ number: (packet[1]! << 8) | packet[2]!, at });
      at += ticks;
    },
    silence: (ticks) => {
      at += ticks;
    },
  });
  let now = 0;
  const say = (number: number, timestamp: number, arrival: number, more: Partial<Parameters<typeof rtp>[0]> = {}) => {
    now = arrival;
    voice.take(rtp({ sequence: number, timestamp, payload: frame(number), ...more }), arrival, FORMAT);
    voice.release(now);
  };
  return { voice, written, say, length: () => at };
}

test('packets are where they came, and jitter does not move them', () => {
  const { voice, written, say, length } = setUp();
  const random = prng(seed('jitter'));
  const delay = (): number => below(random, 60 * MS);
  for (let i = 0; i < 200; i++) say(i, 2 ** 32 - 500 + i * FRAME, 10_000 + i * FRAME + (i % 10 === 3 ? 0 : delay()));
  voice.finish(300 * FRAME);
  is(written.length, 200);
  ok(Math.abs(written[0]!.at - 10_000) <= 240, `${written[0]!.at}`);
  for (const [i, { number, at }] of written.entries()) equal([number, at], [i, written[0]!.at + i * FRAME]);
  ok(length() <= 300 * FRAME && length() > 300 * FRAME - 120);
});

test('a voice tells where a late packet belongs, before and after the anchor is found', () => {
  const { voice, say } = setUp();
  const late = (i: number): number | null => voice.positionOf(rtp({ sequence: i, timestamp: i * FRAME }));
  is(late(0), null, 'nothing came yet');
  for (let i = 0; i < 10; i++) say(i, i * FRAME, 5000 + i * FRAME + (i === 4 ? 0 : 300));
  is(late(12), 5000 + 12 * FRAME);
  is(voice.positionOf(rtp({ sequence: 12, timestamp: 12 * FRAME, ssrc: 77 })), null, 'another stream');
  is(voice.positionOf(Buffer.from([1, 2, 3])), null);
  for (let i = 10; i < 300; i++) say(i, i * FRAME, 5000 + i * FRAME);
  is(late(301), 5000 + 301 * FRAME);
});

test('packets that overtook each other are in order, and repeated ones are there once', () => {
  const { voice, written, say } = setUp();
  for (const i of [0, 2, 1, 3, 3, 5, 4]) say(i, i * FRAME, 5000 + i * FRAME);
  voice.finish(0);
  equal(
    written.map(({ number }) => number),
    [0, 1, 2, 3, 4, 5],
  );
});

test('gaps stay gaps, whether timestamps go on or stand still meanwhile', () => {
  for (const stands of [false, true]) {
    const { voice, written, say } = setUp();
    for (let i = 0; i < 100; i++) {
      const pause = i < 50 ? 0 : 3 * 48_000;
      say(i, i * FRAME + (stands ? 0 : pause), i * FRAME + pause);
    }
    voice.finish(0);
    const [before, after] = [written[49]!, written[50]!];
    is(after.at - before.at, FRAME + 3 * 48_000);
  }
});

test('a stall of the network moves nothing', () => {
  const { voice, written, say } = setUp();
  for (let i = 0; i < 300; i++) say(i, i * FRAME, Math.max(i * FRAME, i >= 100 && i < 140 ? 140 * FRAME : 0));
  voice.finish(0);
  equal(
    written.map(({ at }) => at),
    Array.from({ length: 300 }, (_, i) => i * FRAME),
  );
});

test('a clock that runs faster or slower stays within 20 ms for ten minutes', () => {
  for (const drift of [150e-6, -150e-6]) {
    const { voice, written, say } = setUp();
    const due = (i: number): number => Math.round(i * FRAME * (1 + drift));
    for (let i = 0; i < 30_000; i++) say(i & 0xffff, i * FRAME, due(i));
    voice.finish(0);
    const { counts } = voice;
    is(counts.packets + counts.dropped, 30_000);
    ok(counts.dropped < 8, `${counts.dropped}`);
    let left = 0;
    for (const [i, { number, at }] of written.entries()) {
      while (((i + left) & 0xffff) !== number) left++;
      ok(Math.abs(at - due(i + left)) <= 20 * MS, `${i}: ${at - due(i + left)}`);
    }
  }
});

test('a sender that begins anew goes on where it came', () => {
  const { voice, written, say } = setUp();
  for (let i = 0; i < 50; i++) say(i, i * FRAME, i * FRAME, { ssrc: 1 });
  for (let i = 50; i < 100; i++) say(i, 7_000_000 + i * FRAME, 48_000 + i * FRAME, { ssrc: 2 });
  for (let i = 100; i < 150; i++) say(i, i * FRAME - 4_000_000, 2 * 48_000 + i * FRAME, { ssrc: 2 });
  voice.finish(0);
  equal(
    written.map(({ number, at }) => at - number * FRAME),
    Array.from({ length: 150 }, (_, i) => Math.floor(i / 50) * 48_000),
  );
});

test('what the network lost is taken from the redundancy of the next packet', () => {
  const { voice, written } = setUp();
  for (let i = 0; i < 100; i++) {
    if (i % 10 === 5) continue;
    const payload = redPayload(frame(i), [{ age: FRAME, payload: frame(i - 1) }]);
    voice.take(rtp({ sequence: i, timestamp: i * FRAME, payloadType: 63, payload }), 5000 + i * FRAME, FORMAT);
  }
  voice.finish(0);
  equal(
    written.map(({ number }) => number),
    Array.from({ length: 101 }, (_, i) => (i - 1) & 0xffff),
  );
  is(voice.counts.rebuilt, 11);
});

test('silence has exactly the length that is asked for, in valid packets', () => {
  for (const ticks of [120, 240, 960, 5760, 48_000 * 60 + 120 * 7]) {
    let sum = 0;
    for (const [length, packet] of silentPackets(ticks)) {
      is(opusTicks(packet, 0, packet.length), length);
      sum += length;
    }
    is(sum, ticks);
  }
});

test('whatever bytes come, nothing is thrown, and little is kept', () => {
  const random = prng(seed('bytes'));
  const { voice } = setUp();
  for (let i = 0; i < 20_000; i++) {
    const packet = below(random, 2) === 0 ? anyRtp(random) : bytes(random, below(random, 80));
    voice.take(packet, i * 100, FORMAT);
    if (below(random, 4) === 0) voice.release(i * 100);
  }
  voice.finish(20_000 * 100 + HOLD_TICKS);
  is((Reflect.get(voice, 'held') as unknown[]).length, 0);
});

test.run();
