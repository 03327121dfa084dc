/** The calculated traffic of a cluster, which the benchmark compares with real instances. */
import { equal, ok } from 'uvu/assert';
import { Model, type ModelOptions, type Traffic } from '../../../bench/cluster/model.ts';
import { Frame, Spurts } from '../../../bench/cluster/spurts.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('simulation');

const OPTIONS: ModelOptions = {
  ...{ instances: 3, listeners: 10, slots: 3, foremost: 5, microphones: 8 },
  ...{ seed: 7, talkMs: 3000, pauseMs: 2000, warmUpSeconds: 2, seconds: 20 },
};

function run(options: Partial<ModelOptions>): Traffic[] {
  return new Model({ ...OPTIONS, ...options }).run().flat();
}

const total = (traffic: readonly Traffic[], of: keyof Traffic): number =>
  traffic.reduce((sum, one) => sum + one[of], 0);

test('the same seed gives the same traffic, and another one does not', () => {
  equal(run({}), run({}));
  ok(JSON.stringify(run({})) !== JSON.stringify(run({ seed: 8 })));
});

test('what an instance passes on comes in at each of the others', () => {
  const traffic = run({});
  ok(total(traffic, 'out') > 0);
  equal(total(traffic, 'in'), 2 * total(traffic, 'out'));
});

test('an instance passes on its foremost and newcomers alone, however many talk', () => {
  const all = run({ pauseMs: 20, talkMs: 60_000, foremost: 8 });
  const foremost = run({ pauseMs: 20, talkMs: 60_000 });
  const perSecond = (traffic: readonly Traffic[]): number => total(traffic, 'out') / traffic.length;
  ok(perSecond(all) > 8 * 49, String(perSecond(all)));
  ok(perSecond(foremost) >= 5 * 49 && perSecond(foremost) < 5 * 55, String(perSecond(foremost)));
});

test('while nobody has to be left out, listeners hear the same voices as on one instance', () => {
  const traffic = run({ talkMs: 2000, pauseMs: 20_000 });
  ok(total(traffic, 'agreement') / traffic.length > 0.999);
});

test('talk-spurts and pauses last as long as asked, on average', () => {
  const spurts = new Spurts({ seed: 3, talkMs: 1000, pauseMs: 3000 });
  let talks = 0;
  const frames = 500_000;
  for (let i = 0; i < frames; i++) if (spurts.next() === Frame.Speech) talks++;
  ok(Math.abs(talks / frames - 0.25) < 0.02, String(talks / frames));
});

test.run();
