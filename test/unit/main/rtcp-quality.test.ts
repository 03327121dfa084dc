/** The figures of connections: smoothed, in a log line, and the overview of many. */
import { equal, is, ok } from 'uvu/assert';
import { overview, Quality } from '../../../src/main/rtcp/quality.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('rtcp-quality');
const NOBODY = { connections: 0, mean: 0, worst: 0 };

/** A connection that has reported once, at `at`. */
function reporter(at: number, { up, down, rtt }: { up?: number; down?: number; rtt?: number }): Quality {
  const quality = new Quality();
  if (up !== undefined) quality.noteUplink(up, 2, at);
  if (down !== undefined) quality.noteDownlink(down, 3, at);
  if (rtt !== undefined) quality.noteRtt(rtt);
  return quality;
}

test('an overview has mean and worst of each figure', () => {
  const qualities = [
    reporter(100, { up: 0.1, down: 0.02, rtt: 40 }),
    reporter(100, { up: 0, down: 0.06, rtt: 80.04 }),
    reporter(100, { up: 0.2 }),
  ];
  equal(overview(qualities, 100), {
    uplinkLoss: { connections: 3, mean: 0.1, worst: 0.2 },
    downlinkLoss: { connections: 2, mean: 0.04, worst: 0.06 },
    rttMs: { connections: 2, mean: 60, worst: 80 },
  });
});

test('an overview leaves out each direction that has no report since', () => {
  const early = reporter(99, { up: 0.5, down: 0.5, rtt: 500 });
  const half = reporter(99, { up: 0.4, down: 0.4, rtt: 10 });
  half.noteDownlink(0.4, 3, 100);
  equal(overview([early, half], 100), {
    uplinkLoss: NOBODY,
    downlinkLoss: { connections: 1, mean: 0.4, worst: 0.4 },
    rttMs: { connections: 1, mean: 10, worst: 10 },
  });
});

test('an overview counts a connection without a round trip for its loss alone', () => {
  equal(overview([reporter(1, { down: 0.25 }), new Quality()], 0), {
    uplinkLoss: NOBODY,
    downlinkLoss: { connections: 1, mean: 0.25, worst: 0.25 },
    rttMs: NOBODY,
  });
});

test('an overview of nobody has zeros', () => {
  equal(overview([], 0), { uplinkLoss: NOBODY, downlinkLoss: NOBODY, rttMs: NOBODY });
});

test('a figure moves a quarter of the way to each new report', () => {
  const quality = reporter(1, { up: 0.1, down: 0, rtt: 100 });
  quality.noteUplink(0.5, 6, 2);
  quality.noteRtt(20);
  equal(quality.uplink, { loss: 0.2, jitterMs: 3, at: 2 });
  equal(quality.summary(), {
    uplink: { loss: 0.2, jitterMs: 3 },
    downlink: { loss: 0, jitterMs: 3 },
    rttMs: 80,
  });
});

/** Reports once a second for some seconds. @returns the words that came, each with its second. */
function words(seconds: number, lossAt: (second: number) => number, { jitter = 1, rtt = 10 } = {}): string[] {
  const quality = new Quality();
  const all: string[] = [];
  let before: string | null = null;
  for (let second = 0; second < seconds; second++) {
    quality.noteRtt(rtt);
    quality.noteUplink(lossAt(second), jitter, second * 1000);
    if (quality.word !== before) all.push(`${second} ${quality.word}`);
    before = quality.word;
  }
  return all;
}

test('a connection is fair or poor by its worst figure, after ten seconds', () => {
  const none = (): number => 0;
  equal(words(60, none), []);
  equal(
    words(60, () => 0.031),
    ['10 fair'],
  );
  equal(
    words(60, () => 0.11),
    ['10 poor'],
  );
  equal(words(60, none, { jitter: 51 }), ['10 fair']);
  equal(words(60, none, { jitter: 121 }), ['10 poor']);
  equal(words(60, none, { rtt: 301 }), ['10 fair']);
  equal(words(60, none, { rtt: 601 }), ['10 poor']);
});

test('its word changes at most every ten seconds, and at a limit not at all', () => {
  const ended = words(60, (second) => (second < 20 ? 0.2 : 0));
  equal(ended, ['10 poor', '23 fair', '33 null']);
  equal(
    words(300, (second) => (second % 2 === 0 ? 0.032 : 0.028)),
    ['10 fair'],
  );
  const hectic = words(200, (second) => (second % 20 < 10 ? 0.5 : 0));
  const seconds = hectic.map((one) => Number.parseInt(one, 10));
  for (let i = 1; i < seconds.length; i++) ok(seconds[i]! - seconds[i - 1]! >= 10, `${hectic}`);
});

test('a direction without reports counts no more', () => {
  const quality = new Quality();
  for (let second = 0; second < 20; second++) quality.noteUplink(0.5, 1, second * 1000);
  is(quality.word, 'poor');
  for (let second = 20; second < 35; second++) quality.noteDownlink(0, 1, second * 1000);
  is(quality.word, null);
});

test('a summary leaves out figures that are not known', () => {
  equal(new Quality().summary(), {});
  equal(reporter(1, { up: 0.12345 }).summary(), { uplink: { loss: 0.1235, jitterMs: 2 } });
});

test('the worst of an overview does not depend on the order', () => {
  const qualities = [reporter(1, { up: 0.5 }), reporter(1, { up: 0.1 })];
  equal(overview(qualities, 0)['uplinkLoss'], { connections: 2, mean: 0.3, worst: 0.5 });
});

test.run();
