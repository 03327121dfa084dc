import { equal } from 'uvu/assert';
import { OncePerText } from '../../../src/main/cluster/once-per-text.ts';
import { FakeTimers } from '../../support/fake-timers.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('once per text');

function setUp() {
  const [time, reports] = [new FakeTimers(), [] as [string, number][]];
  return { time, reports, errors: new OncePerText((text, count) => void reports.push([text, count]), time) };
}

test('an error is reported at once, and then every ten seconds while it comes', () => {
  const { time, reports, errors } = setUp();
  for (let i = 0; i < 5; i++) errors.note('a');
  errors.note('b');
  equal(reports.splice(0), [
    ['a', 1],
    ['b', 1],
  ]);
  time.pass(10_000);
  equal(reports.splice(0), [['a', 4]]);
  errors.note('a');
  equal(reports.splice(0), []);
  time.pass(10_000);
  equal(reports.splice(0), [['a', 1]]);
  time.pass(10_000);
  errors.note('a');
  equal(reports.splice(0), [['a', 1]]);
});

test('of very many errors only some are told apart, until there is room again', () => {
  const { time, reports, errors } = setUp();
  for (let i = 0; i < 100; i++) errors.note(`${i}`);
  equal(reports.splice(0).length, 32);
  time.pass(10_000);
  errors.note('99');
  equal(reports.splice(0), [['99', 1]]);
});

test('nothing is reported after the end', () => {
  const { time, reports, errors } = setUp();
  errors.note('a');
  errors.note('a');
  errors.close();
  time.pass(60_000);
  equal(reports, [['a', 1]]);
});

test.run();
