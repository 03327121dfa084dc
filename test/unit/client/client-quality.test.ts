/** The word for a connection's quality: what makes it better and worse, and that it does not flicker. */
import { equal, is } from 'uvu/assert';
import { compare, type Measurement, NO_STATISTICS } from '../../../client/src/quality.ts';
import { QualityWord } from '../../../client/src/quality-word.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('client quality');
const { quality: _, ...NOTHING } = NO_STATISTICS;
const GOOD: Measurement = { ...NOTHING, rttMs: 20, uplinkLoss: 0, downlinkLoss: 0.01, jitterMs: 5, concealment: 0.01 };

/** Returns the word after each of these measurements. */
function words(...measurements: Measurement[]): string[] {
  const quality = new QualityWord();
  return measurements.map((one) => quality.take(one));
}

test('each value alone makes it fair and poor, from its documented limit on', () => {
  for (const [name, fair, poor] of [
    ['uplinkLoss', 0.03, 0.1],
    ['downlinkLoss', 0.03, 0.1],
    ['concealment', 0.02, 0.08],
    ['rttMs', 300, 600],
    ['jitterMs', 50, 120],
  ] as const) {
    const after = (value: number): string => words({ ...GOOD, [name]: value }, { ...GOOD, [name]: value }).at(-1)!;
    equal([after(fair * 0.99), after(fair), after(poor * 0.99), after(poor)], ['good', 'fair', 'fair', 'poor'], name);
  }
});

test('what is not known does not count', () => {
  equal(words(NOTHING, NOTHING), ['good', 'good']);
});

test('two bad measurements in a row make it worse, and five better ones better', () => {
  const bad = { ...GOOD, uplinkLoss: 0.2 };
  const fair = { ...GOOD, uplinkLoss: 0.05 };
  equal(words(bad, GOOD, bad, GOOD), ['good', 'good', 'good', 'good'], 'one alone');
  equal(words(bad, fair, fair), ['good', 'fair', 'fair'], 'no worse than both');
  equal(words(bad, bad, GOOD, GOOD, GOOD, GOOD, GOOD), [...Array(1).fill('good'), ...Array(5).fill('poor'), 'good']);
  equal(words(bad, bad, GOOD, GOOD, fair, GOOD, GOOD).at(-1), 'fair', 'no better than the worst of five');
});

test('at a limit it does not flicker', () => {
  const above = { ...GOOD, rttMs: 301 };
  const below = { ...GOOD, rttMs: 299 };
  const all = words(...Array.from({ length: 40 }, (_unused, i) => (i % 4 < 2 ? above : below)));
  is(all.filter((word, i) => i > 0 && word !== all[i - 1]).length, 1, `${all}`);
});

test('another connection begins with the word before', () => {
  const quality = new QualityWord();
  const bad = { ...GOOD, jitterMs: 200 };
  for (const one of [bad, bad, GOOD]) quality.take(one);
  quality.restart();
  is(quality.word, 'poor');
  for (const one of [GOOD, GOOD, GOOD, GOOD]) is(quality.take(one), 'poor');
  is(quality.take(GOOD), 'good');
});

test('what is measured has all that is judged', () => {
  const totals = {
    ...{ at: 0, packetsSent: 0, bytesSent: 0, uplinkLost: null, packetsReceived: 0, packetsLost: 0, bytesReceived: 0 },
    ...{ concealed: 0, samples: 0, rttMs: null, jitterMs: null, microphoneLevel: null },
  };
  equal(Object.keys(compare(totals, totals)).sort(), Object.keys(NOTHING).sort());
});

test.run();
