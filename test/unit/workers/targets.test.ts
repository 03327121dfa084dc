/** The list of slots that carry a source. */
import { equal, is } from 'uvu/assert';
import { Targets } from '../../../src/workers/targets.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('targets');

function rows({ rows, count }: Targets): number[] {
  return [...rows.subarray(0, count)].sort((a, b) => a - b);
}

test('rows are there from being added to being removed, however many', () => {
  const targets = new Targets();
  for (let row = 0; row < 40; row++) targets.add(row);
  for (let row = 0; row < 40; row += 2) targets.remove(row);
  equal(
    rows(targets),
    Array.from({ length: 20 }, (_, i) => 2 * i + 1),
  );
  targets.clear();
  is(targets.count, 0);
});

test('removing a row that is not there, or not any longer, changes nothing', () => {
  const targets = new Targets();
  targets.remove(7);
  for (const row of [16, 32]) targets.add(row);
  targets.remove(32);
  targets.remove(32);
  equal(rows(targets), [16]);
  targets.clear();
  targets.remove(16);
  is(targets.count, 0);
});

test.run();
