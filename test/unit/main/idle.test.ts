/** CPU time that is to spare: of the cores and the quota that the process may use. */
import { availableParallelism, cpus } from 'node:os';
import { is, ok } from 'uvu/assert';
import { IdleCpu, idleOfCores } from '../../../src/main/media/idle.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('idle');

test('idle is what is left of the quota, never more than the cores have, and nothing while throttled', () => {
  const state = { idle: 0, used: 0 as number | null, throttled: 0 };
  const quota = { cores: 2, used: () => state.used, throttled: () => state.throttled };
  const idle = new IdleCpu(0, quota, () => state.idle);
  const after = (now: number, change: Partial<typeof state>): number => {
    Object.assign(state, change);
    return idle.look(now);
  };
  is(after(1000, { idle: 60_000, used: 500 }), 1.5, '60 cores of the machine are idle');
  is(after(2000, { idle: 60_250, used: 1000 }), 0.25);
  is(after(3000, { idle: 120_250, used: 1500, throttled: 1 }), 0);
  is(after(4000, { idle: 180_250, used: 5000 }), 0, 'used in bursts');
  is(after(5000, { idle: 240_250, used: null }), 2);
  is(after(5000, {}), 0, 'no time has passed');
  const free = new IdleCpu(0, null, () => state.idle);
  state.idle += 3000;
  is(free.look(1000), 3);
});

test('only cores that the process may use count as idle', () => {
  const files: Record<string, string> = {
    '/proc/self/status': 'Name:\tx\nCpus_allowed_list:\t0,2-3\n',
    '/proc/stat':
      'cpu  1 1 1 999 1\ncpu0 1 1 1 100 5 0\ncpu1 1 1 1 700 5 0\ncpu2 1 1 1 200 5 0\ncpu3 1 1 1 300 5 0\nintr 1\n',
  };
  is(idleOfCores((path) => files[path] ?? null)(), 6000);
  const here = idleOfCores()();
  const all = cpus().reduce((sum, { times }) => sum + times.idle, 0);
  if (availableParallelism() === cpus().length) ok(Math.abs(here - all) < 5000, `${here} and ${all} ms`);
});

test.run();
