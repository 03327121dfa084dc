/** A few seconds of `npm run soak`. */
import { equal, ok } from 'uvu/assert';
import { Report } from '../soak/report.ts';
import { soak } from '../soak/soak.ts';
import { seed } from '../support/prng.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('soak');

test('churn disturbs no other client, and leaves nothing behind', async () => {
  const report = new Report(true);
  const options = { rounds: 1, seconds: 6, clients: 10, rate: 12, instances: 1, vanish: false };
  await soak({ ...options, seed: seed('soak') }, report);
  equal(report.violations, []);
  ok(report.counts.get('closed 1000 ')! > 5, report.summary('closed '));
}, 90);

test.run();
