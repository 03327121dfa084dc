/** Silence for slots whose speaker stopped: when its frames are due, and when they end. */
import { equal, is } from 'uvu/assert';
import { OPUS_FRAME_TICKS } from '../../../src/rtp/packet.ts';
import { Fades } from '../../../src/workers/fades.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('fades');
const FRAME = OPUS_FRAME_TICKS;
const [ROW, OTHER] = [16, 32];
const [ANN, BOB] = [1, 2];

function setUp() {
  const sent: [row: number, speaker: number][] = [];
  /** Rows of slots that carry a source. */
  const taken = new Set<number>();
  const fades = new Fades((row, speaker) => {
    if (taken.has(row)) return false;
    sent.push([row, speaker]);
    return true;
  });
  return { fades, sent, taken };
}

test('five frames go out, each when it is due, and then none', () => {
  const { fades, sent } = setUp();
  fades.begin(ROW, ANN, 0);
  is(fades.run(FRAME - 1), false);
  for (let i = 1; i <= 5; i++) {
    is(fades.pending, true);
    is(fades.run(i * FRAME), true);
    is(fades.run(i * FRAME), false, 'one at a time');
    is(sent.length, i);
  }
  is(fades.pending, false);
  equal(new Set(sent.map(String)), new Set([String([ROW, ANN])]));
});

test('the clock may wrap between two frames', () => {
  const { fades, sent } = setUp();
  fades.begin(ROW, ANN, 2 ** 31 - FRAME - 1);
  is(fades.run(2 ** 31 - 2), false);
  is(fades.run(2 ** 31 - 1), true);
  is(fades.run(-(2 ** 31) + FRAME - 1), true);
  is(sent.length, 2);
});

test('a slot that carries a source again is not faded on, even if the source leaves it soon', () => {
  const { fades, sent, taken } = setUp();
  fades.begin(ROW, ANN, 0);
  fades.begin(OTHER, BOB, 0);
  fades.run(FRAME);
  taken.add(ROW);
  is(fades.run(2 * FRAME), true, 'the other one goes on');
  taken.delete(ROW);
  fades.run(3 * FRAME);
  equal(
    sent.map(([row]) => row),
    [ROW, OTHER, OTHER, OTHER],
  );
  equal([fades.speakerOf(ROW), fades.speakerOf(OTHER)], [0, BOB]);
});

test('nothing was written where the only fading slot carries a source', () => {
  const { fades, taken } = setUp();
  fades.begin(ROW, ANN, 0);
  taken.add(ROW);
  is(fades.run(FRAME), false);
});

test('a slot that is closed gets one frame at once, and none if it had no speaker', () => {
  const { fades, sent } = setUp();
  fades.begin(ROW, ANN, 0);
  fades.close(ROW, ANN);
  fades.close(OTHER, 0);
  fades.run(100 * FRAME);
  equal(sent, [[ROW, ANN]]);
});

test('an ended fade sends nothing more', () => {
  const { fades, sent } = setUp();
  fades.begin(ROW, ANN, 0);
  fades.end(ROW);
  fades.run(FRAME);
  equal([sent.length, fades.pending], [0, false]);
});

test.run();
