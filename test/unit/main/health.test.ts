import { equal, is, match, ok } from 'uvu/assert';
import { HealthCheck } from '../../../src/main/operations/health.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('health');

const beating = (age: number) => ({ beatAge: () => age });

/** A check whose event loop turns when the test says so. Nothing waits in it, so its own timer has no turn. */
function setUp(...workers: ReturnType<typeof beating>[]) {
  let now = 0;
  const check = new HealthCheck(workers, () => now);
  /** The event loop turns after so many milliseconds. */
  const turn = (milliseconds: number): void => {
    now += milliseconds;
    check.look();
  };
  const pass = (milliseconds: number): void => {
    now += milliseconds;
  };
  return { check, turn, pass };
}

test('workers that beat and an event loop that turns are healthy', () => {
  const { check, turn } = setUp(beating(1000), beating(0));
  for (let i = 0; i < 30; i++) turn(500);
  equal(check.check(), { healthy: true, problems: [], workersBeatMs: [1000, 0], eventLoopStallMs: 0 });
  turn(3500);
  equal(check.check(), { healthy: true, problems: [], workersBeatMs: [1000, 0], eventLoopStallMs: 3000 });
  check.stop();
});

test('a worker that does not move is a problem that names it', () => {
  const { check } = setUp(beating(10), beating(5001));
  const { healthy, problems } = check.check();
  is(healthy, false);
  is(problems.length, 1);
  match(problems[0]!, 'worker 1 has not moved for 5001 ms');
  check.stop();
});

test('an event loop that stands still for more than three seconds is a problem at once, and for ten seconds', () => {
  const { check, turn, pass } = setUp(beating(0));
  pass(3500);
  is(check.check().healthy, true);
  pass(1);
  is(check.check().healthy, false, 'at once');
  turn(0);
  for (let i = 0; i < 19; i++) {
    const { problems, eventLoopStallMs } = check.check();
    match(problems[0]!, 'the event loop stood still for 3001 ms');
    is(eventLoopStallMs, 3001);
    turn(500);
  }
  turn(500);
  equal(check.check().problems, []);
  check.stop();
});

test('its own timer sees the event loop turn, and stand still', async () => {
  const check = new HealthCheck([beating(0)]);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3700);
  // Its timer is due before this one, however late both are.
  await new Promise((resolve) => setTimeout(resolve, 600));
  ok(check.check().eventLoopStallMs >= 3000);
  check.stop();
});

test.run();
