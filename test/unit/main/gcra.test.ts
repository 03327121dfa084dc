/** The mechanism behind every rate, and the bounds that it gives the throttle. */
import { equal, is, ok } from 'uvu/assert';
import { Gcra } from '../../../src/main/limits/gcra.ts';
import { Throttle, Throttled, ThrottleLimits } from '../../../src/main/limits/throttle.ts';
import { TokenBucket } from '../../../src/main/limits/token-bucket.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('gcra');

/** Takes as many as there are at a time. */
function drain(take: () => boolean): number {
  let taken = 0;
  while (taken < 10_000 && take()) taken++;
  return taken;
}

test('what costs one unit comes at one a unit, after as many as the tolerance and one more', () => {
  const gcra = new Gcra(3);
  is(
    drain(() => gcra.take(10, 1)),
    4,
  );
  is(gcra.take(10.5, 1), false);
  ok(gcra.take(11, 1));
  is(gcra.take(11, 1), false);
  is(
    drain(() => gcra.take(1e9, 1)),
    4,
    'a pause gives no more than the burst',
  );
});

test('what was refused costs nothing, and what was admitted costs what is charged', () => {
  const gcra = new Gcra(0);
  ok(gcra.take(0, 10));
  for (let now = 1; now < 10; now++) is(gcra.take(now, 100), false);
  ok(gcra.admits(10));
  ok(gcra.admits(10), 'asking costs nothing');
  gcra.charge(10, 5);
  is(gcra.admits(14.9), false);
  ok(gcra.admits(15));
});

test('something may cost more than the burst, and what follows waits for it', () => {
  const bucket = new TokenBucket(4, 2);
  ok(bucket.take(0, 20));
  is(bucket.take(8499), false);
  ok(bucket.take(8500), 'after 16 tokens of debt and one more');
});

test('a bucket holds its burst at rates whose tokens take no whole milliseconds', () => {
  for (const perSecond of [3, 7, 9, 11, 13, 30, 60, 900]) {
    for (const now of [0, 12_345_678.9]) {
      const bucket = new TokenBucket(2 * perSecond, perSecond);
      is(
        drain(() => bucket.take(now)),
        2 * perSecond,
        `${perSecond} a second`,
      );
    }
  }
});

test('a throttle refuses in the long run alike, wherever the clock of its stamps turns over', () => {
  const runs = [0, 2 ** 31 - 2e6, -2e6].map((start) => {
    const throttle = new Throttle(new ThrottleLimits(200, 640));
    const verdicts: number[] = [];
    for (let i = 0; i < 20_000; i++) verdicts.push(throttle.take(100, (start + i * 200) | 0));
    return verdicts.map((verdict) => verdict === Throttled.No);
  });
  equal(runs[1], runs[0]);
  equal(runs[2], runs[0]);
});

test.run();
