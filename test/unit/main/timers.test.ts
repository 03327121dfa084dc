import { is, ok } from 'uvu/assert';
import { nextMultiple, timers } from '../../../src/main/timers.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('timers');

test('the next multiple of an interval is after now, however near one is', () => {
  is(nextMultiple(0, 250), 250);
  is(nextMultiple(249.999, 250), 250);
  is(nextMultiple(250, 250), 500);
  is(nextMultiple(1e9 + 0.5, 500), 1e9 + 500);
});

test('timers of different intervals come together, at multiples, each once', async () => {
  const turns: { interval: number; at: number }[] = [];
  const until = Math.ceil(timers.now() / 200) * 200 + 400;
  await new Promise<void>((resolve) => {
    const ends = [20, 40, 100].map((interval) =>
      timers.every(interval, () => {
        const at = timers.now();
        turns.push({ interval, at });
        if (interval !== 100 || at < until - 5) return;
        for (const end of ends) end();
        resolve();
      }),
    );
    // Cancelled timers and timers that wait keep no process alive; this one does, until the end of the test.
    setTimeout(() => undefined, 2000);
  });
  for (const interval of [20, 40, 100]) {
    // A turn may be late, or a fraction of a millisecond early, but has one multiple of its own.
    const multiples = turns
      .filter((turn) => turn.interval === interval)
      .map(({ at }) => Math.floor((at + 1) / interval));
    is(new Set(multiples).size, multiples.length, `${interval} ms: none comes twice for one multiple`);
    ok(multiples.length >= 2 && multiples.length <= 600 / interval + 1, `${interval} ms: ${multiples.length} times`);
  }
});

test('a cancelled timer never comes, not even from its own turn', async () => {
  let turns = 0;
  await new Promise<void>((resolve) => {
    const end = timers.every(10, () => {
      turns++;
      end();
    });
    setTimeout(resolve, 100);
  });
  is(turns, 1);
});

test.run();
