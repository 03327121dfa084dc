import { is } from 'uvu/assert';
import { StallWatch } from '../../../src/main/media/stall.ts';
import { FakeTimers } from '../../support/fake-timers.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('stall');
const MAX_DELAY_MS = 1000;

function setUp() {
  const time = { now: 50 };
  const watch = new StallWatch(MAX_DELAY_MS, () => time.now);
  return { time, watch };
}

test('as long as main has its turns, nothing is late, however unevenly they come', () => {
  const { time, watch } = setUp();
  for (const pause of [100, 100, 3, 350, 1, 1200, 100]) {
    time.now += pause;
    is(watch.late, false);
    watch.turn();
    is(watch.late, false);
  }
});

test('what comes before the turn that follows a stall is late', () => {
  const { time, watch } = setUp();
  time.now += 1201;
  is(watch.late, true);
});

for (const [stall, grace] of [
  [1300, 165],
  [4000, 300],
  [6000, 400],
  [3_600_000, 400],
] as const) {
  test(`what comes within ${grace} ms after a stall of ${stall} ms is late, too, and nothing from then on`, () => {
    const { time, watch } = setUp();
    time.now += stall;
    watch.turn();
    is(watch.late, true);
    time.now += grace - 1;
    is(watch.late, true);
    watch.turn();
    time.now += 1;
    is(watch.late, false);
  });
}

test('while nobody is connected main’s turns are watched less often, and may be as rare', () => {
  const time = { now: 0 };
  const watch = new StallWatch(MAX_DELAY_MS, () => time.now);
  const timers = new FakeTimers();
  let connected = false;
  const pass = (milliseconds: number): void => {
    time.now += milliseconds;
    timers.pass(milliseconds);
  };
  watch.start(() => connected, timers);
  pass(100);
  pass(499);
  time.now += 1500;
  is(watch.late, false);
  time.now += 2;
  is(watch.late, true);
  time.now -= 1502;
  connected = true;
  pass(1);
  pass(100);
  time.now += 1201;
  is(watch.late, true);
});

test.run();
