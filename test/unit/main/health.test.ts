import { equal, is, match } from 'uvu/assert';
import { HealthCheck } from '../../../src/main/operations/health.ts';
import { FakeTimers } from '../../support/fake-timers.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('health');

const beating = (age: number) => ({ beatAge: () => age });

function setUp(...workers: ReturnType<typeof beating>[]) {
  const time = new FakeTimers();
  return { check: new HealthCheck(workers, time), time };
}

test('workers that beat and an event loop that turns are healthy', () => {
  const { check, time } = setUp(beating(1000), beating(0));
  time.pass(15_000);
  equal(check.check(), { healthy: true, problems: [], workersBeatMs: [1000, 0], eventLoopStallMs: 0 });
  time.stall(3500);
  equal(check.check(), { healthy: true, problems: [], workersBeatMs: [1000, 0], eventLoopStallMs: 3000 });
});

test('a worker that does not move is a problem that names it', () => {
  const { check } = setUp(beating(10), beating(5001));
  const { healthy, problems } = check.check();
  is(healthy, false);
  is(problems.length, 1);
  match(problems[0]!, 'worker 1 has not moved for 5001 ms');
});

test('the age of a beat is taken by the clock that workers share', () => {
  const time = new FakeTimers();
  const check = new HealthCheck([{ beatAge: (now) => now - 400 }], time);
  time.pass(1000);
  equal(check.check().workersBeatMs, [600]);
});

test('an event loop that stands still for more than three seconds is a problem at once, and for ten seconds', () => {
  const { check, time } = setUp(beating(0));
  time.standStill(3500);
  is(check.check().healthy, true);
  time.standStill(1);
  is(check.check().healthy, false, 'at once');
  time.stall(0);
  for (let i = 0; i < 19; i++) {
    const { problems, eventLoopStallMs } = check.check();
    match(problems[0]!, 'the event loop stood still for 3001 ms');
    is(eventLoopStallMs, 3001);
    time.pass(500);
  }
  time.pass(500);
  equal(check.check().problems, []);
});

test('a check that was stopped looks no more', () => {
  const { check, time } = setUp();
  check.stop();
  time.pass(2000);
  is(check.check().eventLoopStallMs, 1500, 'since the turn that was due first');
});

test.run();
