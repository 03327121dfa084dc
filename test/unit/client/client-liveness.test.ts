/** When a client doubts that its server still exists. */
import { mock } from 'node:test';
import { equal } from 'uvu/assert';
import { watchLiveness } from '../../../client/src/liveness.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('client liveness');
const POLL_MS = 500;

/** Watches a connection that gets bytes at these times, and 0.5 s after each probe if it is answered. @returns probes. */
async function probes(until: number, arrives: (at: number) => boolean, answered = true): Promise<number[]> {
  mock.timers.enable({ apis: ['setInterval'] });
  const at: number[] = [];
  let now = 0;
  let bytesReceived = 0;
  const pc = { getStats: async () => new Map([['pair', { type: 'candidate-pair', bytesReceived }]]) };
  const end = watchLiveness({ pc }, () => void at.push(now));
  for (now = POLL_MS; now <= until; now += POLL_MS) {
    if (arrives(now) || (answered && at.at(-1) === now - POLL_MS)) bytesReceived += 100;
    mock.timers.tick(POLL_MS);
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }
  end();
  mock.timers.reset();
  return at;
}

test('nothing is doubted while media or reports arrive, or before anything has', async () => {
  equal(await probes(60_000, () => true), []);
  equal(await probes(60_000, (at) => at % 2000 === 0), []);
  equal(await probes(60_000, () => false), []);
});

test('after 2.5 s of silence it is, once, until more arrives', async () => {
  equal(await probes(60_000, (at) => at <= 10_000, false), [12_500]);
  equal(await probes(60_000, (at) => at <= 10_000 || (at >= 20_000 && at <= 21_000), false), [12_500, 23_500]);
});

test('where everybody is silent it is doubted less and less often, and at once again after they spoke', async () => {
  const silent = await probes(70_000, (at) => at <= 10_000);
  equal(silent, [12_500, 18_000, 28_500, 39_000, 49_500, 60_000]);
  equal(
    await probes(70_000, (at) => at <= 10_000 || at === 35_000),
    [12_500, 18_000, 28_500, 37_500, 43_000, 53_500, 64_000],
  );
});

test.run();
