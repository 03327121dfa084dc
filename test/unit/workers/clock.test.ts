/** The clock that all threads share, and the words that are made of its times. */
import { equal, is, ok } from 'uvu/assert';
import { milliseconds, toBeat, toStamp, toTicks } from '../../../src/workers/clock.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('clock');

test('the clock is the monotonic one of the machine, whenever a thread began', () => {
  const machine = (): number => Number(process.hrtime.bigint()) / 1e6;
  const before = machine();
  const time = milliseconds();
  // A busy machine may have stood still between the two readings that the offset was taken from.
  ok(time > before - 500 && time < machine() + 500, `${time} after ${before}`);
});

test('ticks, stamps and beats are signed words that wrap at 2^32', () => {
  equal([toTicks(1), toStamp(1), toBeat(1)], [48, 1000, 1]);
  equal([toTicks(0.03), toStamp(0.0015), toBeat(1.9)], [1, 1, 1]);
  const words = [toTicks(2 ** 31 / 48), toStamp(2 ** 31 / 1000), toBeat(2 ** 31)];
  equal(words, [-(2 ** 31), -(2 ** 31), -(2 ** 31)]);
  is(toTicks(2 ** 32 / 48 + 1), 48);
});

test.run();
