/** The slots of a new connection, as its rows of the slot table have them. */
import { equal, is, ok } from 'uvu/assert';
import { openSlots } from '../../../src/main/connections/open-slots.ts';
import { planOffer } from '../../../src/main/sdp/plan.ts';
import { SLOT_WORDS, Slot } from '../../../src/rtp/rewriter.ts';
import { writeOffer } from '../../support/offers.ts';
import { LIMITS } from '../../support/plans.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('open slots');
const FIRST = 2 * SLOT_WORDS;

/** A line that receives, with RED of its own payload type. */
const receives = (payloadType: number, red: number) => ({
  direction: 'recvonly' as const,
  payloadType: `${payloadType} ${red}`,
  without: /rtpmap/,
  more: [
    `a=rtpmap:${payloadType} opus/48000/2`,
    `a=rtpmap:${red} red/48000/2`,
    `a=fmtp:${red} ${payloadType}/${payloadType}`,
  ],
});

test('each slot has a row with its own payload types, SSRC and first number, and the rows around stay as they are', () => {
  const plan = planOffer(writeOffer([receives(111, 63), receives(109, 121)]), LIMITS);
  const words = new Int32Array(5 * SLOT_WORDS).fill(-7);
  const ssrcs = openSlots(words, FIRST, 65_539, plan);
  const word = (slot: number, at: number): number => words[FIRST + slot * SLOT_WORDS + at]!;
  equal(
    [0, 1].map((slot) => word(slot, Slot.PayloadTypes)),
    [(63 << 8) | 111, (121 << 8) | 109],
  );
  equal(
    [0, 1].map((slot) => word(slot, Slot.Ssrc) >>> 0),
    ssrcs,
  );
  equal([word(0, Slot.Connection), word(1, Slot.Connection)], [65_539, 65_539]);
  ok(words.subarray(0, FIRST).every((one) => one === -7));
  ok(words.subarray(FIRST + 2 * SLOT_WORDS).every((one) => one === -7));
});

test('SSRCs are unsigned and each its own; first numbers are below 2^15 (RFC 3711, section 3.3.1)', () => {
  const plan = planOffer(writeOffer([receives(111, 63), receives(111, 63)]), LIMITS);
  const words = new Int32Array(2 * SLOT_WORDS);
  const all: number[] = [];
  for (let i = 0; i < 200; i++) {
    const ssrcs = openSlots(words, 0, 1, plan);
    is(new Set(ssrcs).size, 2);
    all.push(...ssrcs);
    for (const row of [0, SLOT_WORDS]) {
      const first = (words[row + Slot.LastSequence]! + 1) & 0xffff;
      ok(first < 2 ** 15, `${first}`);
    }
  }
  ok(all.every((ssrc) => ssrc > 0 && ssrc < 2 ** 32));
  ok(Math.max(...all) > 2 ** 31);
});

test.run();
