import { equal, is, ok } from 'uvu/assert';
import {
  HOPELESS_FRACTION,
  MAX_AGE_MS,
  MAX_FRACTION,
  MIN_PACKETS,
  SlotWatch,
  unexplained,
  WorstListener,
} from '../../../src/main/rtcp/loss.ts';
import { middleOf } from '../../../src/main/rtcp/packets.ts';
import { Uplink } from '../../../src/main/rtcp/uplink.ts';
import type { Reception } from '../../../src/rtp/reception.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('rtcp-loss');
const [ANN, BOB] = [1, 2];
const NOW = 1_600_000_000_000;

/** An account of a publisher who sent `expected` packets from number 100 on. */
function account(expected: number, lost: number, changes: Partial<Reception> = {}): Reception {
  const [run, base] = [1, 100];
  return { run, ssrc: 7, base, highest: base + expected - 1, received: expected - lost, jitter: 480, ...changes };
}

test('a fraction is that of the time since the report before, the count that of all time', () => {
  const uplink = new Uplink();
  const told = [account(100, 10), account(200, 60), account(300, 60)].map(
    (reception) => uplink.report(reception, 0, NOW)!,
  );
  equal(
    told.map(({ block }) => [block.fractionLost, block.packetsLost, block.highestSequence]),
    [
      [25, 10, 199],
      [128, 60, 299],
      [0, 60, 399],
    ],
  );
  equal([told[1]!.loss, told[1]!.jitterMs, told[1]!.block.jitter], [0.5, 10, 480]);
});

test('all lost but one packet is a fraction of 255 at most', () => {
  is(new Uplink().report(account(2999, 2998), 0, NOW)!.block.fractionLost, 255);
});

test('duplicates make no fraction below nothing, and a count that is', () => {
  const { block } = new Uplink().report(account(100, -3), 0, NOW)!;
  is(block.fractionLost, 0);
  is(block.packetsLost, 0x100_0000 - 3);
});

test('there is nothing to tell of what sent nothing since', () => {
  const uplink = new Uplink();
  is(uplink.report(null, 0, NOW), null);
  ok(uplink.report(account(10, 0), 0, NOW));
  is(uplink.report(account(10, 0), 200, NOW), null);
  ok(uplink.report(account(11, 0), 0, NOW));
});

test('an account that began anew is told of from its own beginning', () => {
  for (const changes of [{ run: 2 }, { base: 50, highest: 59 }, { ssrc: 8 }]) {
    const uplink = new Uplink();
    uplink.report(account(1000, 0), 0, NOW);
    const { block } = uplink.report(account(10, 5, changes), 0, NOW)!;
    equal([block.fractionLost, block.packetsLost], [128, 5]);
  }
});

test('numbers above 2^31 are as good as any', () => {
  const uplink = new Uplink();
  uplink.report(account(0, 0, { highest: 2 ** 31 - 1, received: 2 ** 31 - 101 - 100 }), 0, NOW);
  const { block } = uplink.report(account(0, 0, { highest: 2 ** 31 + 99, received: 2 ** 31 - 101 - 50 }), 0, NOW)!;
  equal([block.fractionLost, block.highestSequence], [128, 2 ** 31 + 99]);
});

test("the worse of its own loss and its listeners' is told, the count stays its own", () => {
  const uplink = new Uplink();
  const fractions = [
    [account(100, 10), 40],
    [account(200, 60), 40],
  ] as const;
  equal(
    fractions.map(([reception, listeners]) => uplink.report(reception, listeners, NOW)!.block.fractionLost),
    [40, 128],
  );
});

test('a sender report is answered with its time and the delay since, for its own SSRC only', () => {
  const uplink = new Uplink();
  equal([uplink.report(account(10, 0), 0, NOW)!.block.lsr, uplink.report(account(11, 0), 0, NOW)!.block.dlsr], [0, 0]);
  uplink.noteSender(7, 0xffff_0001, NOW);
  const { block } = uplink.report(account(20, 0), 0, NOW + 1500)!;
  is(block.lsr, 0xffff_0001);
  ok(Math.abs(block.dlsr - 1.5 * 65_536) <= 1, `${block.dlsr}`);
  uplink.noteSender(8, 5, NOW);
  is(uplink.report(account(30, 0), 0, NOW)!.block.lsr, 0);
});

test('the middle of the time wraps every 18 hours without a trace in the delay', () => {
  const uplink = new Uplink();
  let wrap = NOW;
  while (middleOf(wrap) > 65_536) wrap += Math.max(1, ((2 ** 32 - middleOf(wrap)) * 1000) / 65_536 - 500);
  uplink.noteSender(7, 1, wrap - 2000);
  const { dlsr } = uplink.report(account(20, 0), 0, wrap + 1000)!.block;
  ok(Math.abs(dlsr - 3 * 65_536) <= 2, `${dlsr}`);
});

test('the worst listener counts', () => {
  const worst = new WorstListener();
  worst.note(ANN, 10, 0);
  worst.note(BOB, 30, 0);
  worst.note(ANN, 20, 0);
  is(worst.fraction(0), 30);
});

test('what the worst listener says next is in force at once', () => {
  const worst = new WorstListener();
  worst.note(BOB, 30, 0);
  worst.note(BOB, 5, 1);
  is(worst.fraction(1), 5);
  worst.note(ANN, 10, 2);
  is(worst.fraction(2), 10);
});

test('a report is forgotten after a while, or when its listener is', () => {
  const worst = new WorstListener();
  worst.note(BOB, 30, 1000);
  is(worst.fraction(1000 + MAX_AGE_MS), 30);
  is(worst.fraction(1001 + MAX_AGE_MS), 0);
  worst.note(ANN, 10, 1001 + MAX_AGE_MS);
  is(worst.fraction(1001 + MAX_AGE_MS), 10);
  worst.forget();
  is(worst.fraction(1001 + MAX_AGE_MS), 0);
});

test("no listener raises a publisher's loss beyond what redundancy mends", () => {
  const worst = new WorstListener();
  worst.note(ANN, HOPELESS_FRACTION - 1, 0);
  is(worst.fraction(0), MAX_FRACTION);
});

test('a listener who claims to lose the most of all is not heeded', () => {
  const worst = new WorstListener();
  worst.note(ANN, 255, 0);
  is(worst.fraction(0), 0);
  worst.note(BOB, 10, 0);
  worst.note(ANN, 255, 0);
  is(worst.fraction(0), 10);
  worst.note(BOB, 255, 0);
  is(worst.fraction(0), 0);
});

test('a report counts for the one speaker of its time, pauses or not', () => {
  const watch = new SlotWatch();
  watch.see(ANN);
  equal(watch.report(99, 100, MIN_PACKETS), [ANN]);
  equal(watch.report(199, 200, 2 * MIN_PACKETS), [ANN]);
  watch.see(ANN);
  equal(watch.report(299, 300, 3 * MIN_PACKETS), [ANN]);
});

test('a report on a time in which speakers took turns counts for all of them, the next one for the last', () => {
  const watch = new SlotWatch();
  for (const speaker of [ANN, BOB]) watch.see(speaker);
  equal(watch.report(100, 100, 100), [ANN, BOB]);
  equal(watch.report(200, 200, 200), [BOB]);
  for (const speaker of [BOB, ANN, BOB]) watch.see(speaker);
  equal(watch.report(300, 300, 300), [ANN, BOB]);
});

test('a report on more speakers than can be told apart counts for nobody, the next one for the last', () => {
  const watch = new SlotWatch();
  for (let speaker = 0; speaker < 1000; speaker++) watch.see(speaker);
  equal(watch.report(100, 100, 100), []);
  equal(watch.report(200, 200, 200), [999]);
});

test('of those who took turns each is told what the losses of the others do not explain', () => {
  is(unexplained(50, []), 50);
  is(unexplained(50, [0, 20, 10]), 30);
  is(unexplained(50, [60]), 0);
});

test('a report on too few packets counts for nobody', () => {
  const watch = new SlotWatch();
  watch.see(ANN);
  equal(watch.report(100, 100, MIN_PACKETS - 1), []);
  equal(watch.report(100, 100, MIN_PACKETS), [], 'one more packet is not enough either');
  equal(watch.report(100, 100, 2 * MIN_PACKETS), [ANN]);
});

test('a report on numbers that were not sent of late counts for nobody', () => {
  for (const [reported, sent, counts] of [
    [101, 100, false],
    [40_000, 100, false],
    [0x3_ffff, 2, true],
    [100, 600, true],
    [100, 700, false],
  ] as const) {
    const watch = new SlotWatch();
    watch.see(ANN);
    equal(watch.report(reported, sent, 1000), counts ? [ANN] : [], `${reported} of ${sent}`);
  }
});

test("an empty slot is nobody's", () => {
  equal(new SlotWatch().report(100, 100, 1000), []);
});

test('a loss is never less than nothing', () => {
  is(new Uplink().report(account(100, -3), 0, NOW)!.loss, 0);
});

test('of two listeners who lose the same the first one counts', () => {
  const worst = new WorstListener();
  worst.note(ANN, 40, 0);
  worst.note(BOB, 40, 100);
  worst.note(ANN, 3, 200);
  is(worst.fraction(200), 3);
});

test('a loss counts up to the limit beyond which nothing helps', () => {
  const worst = new WorstListener();
  worst.note(ANN, HOPELESS_FRACTION - 1, 0);
  is(worst.fraction(0), MAX_FRACTION);
  worst.note(ANN, HOPELESS_FRACTION, 0);
  is(worst.fraction(0), 0);
});

test.run();
