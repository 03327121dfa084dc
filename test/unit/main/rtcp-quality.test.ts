/** The figures of connections: smoothed, in a log line, and the overview of many. */
import { equal } from 'uvu/assert';
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

test('a summary leaves out figures that are not known', () => {
  equal(new Quality().summary(), {});
  equal(reporter(1, { up: 0.12345 }).summary(), { uplink: { loss: 0.1235, jitterMs: 2 } });
});

test('the worst of an overview does not depend on the order', () => {
  const qualities = [reporter(1, { up: 0.5 }), reporter(1, { up: 0.1 })];
  equal(overview(qualities, 0)['uplinkLoss'], { connections: 2, mean: 0.3, worst: 0.5 });
});

test.run();
