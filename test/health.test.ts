import { equal, is, match, ok } from 'uvu/assert';
import { HealthCheck } from '../src/main/operations/health.ts';
import { scenarios } from './support/scenario.ts';

const test = scenarios('health');

const beating = (age: number) => ({ beatAge: () => age });

test('workers that beat and an event loop that turns are healthy', async () => {
  const check = new HealthCheck([beating(1000), beating(0)]);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  const { healthy, problems, workersBeatMs, eventLoopStallMs } = check.check();
  equal([healthy, problems, workersBeatMs], [true, [], [1000, 0]]);
  ok(eventLoopStallMs < 2000, `${eventLoopStallMs}`);
  check.stop();
});

test('a worker that does not move is a problem that names it', () => {
  const check = new HealthCheck([beating(10), beating(5001)]);
  const { healthy, problems } = check.check();
  is(healthy, false);
  is(problems.length, 1);
  match(problems[0]!, 'worker 1 has not moved for 5001 ms');
  check.stop();
});

test('an event loop that stood still is a problem, also once it turns again', async () => {
  const check = new HealthCheck([beating(0)]);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3700);
  is(check.check().healthy, false, 'at once');
  await new Promise((resolve) => setTimeout(resolve, 600));
  const { healthy, problems, eventLoopStallMs } = check.check();
  is(healthy, false, 'once it turns');
  match(problems[0]!, 'the event loop stood still for');
  ok(eventLoopStallMs >= 3000);
  check.stop();
});

test.run();
