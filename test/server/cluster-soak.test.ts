/** A few seconds of `npm run soak -- --instances 2`. */
import { equal, ok } from 'uvu/assert';
import { Report } from '../soak/report.ts';
import { soak } from '../soak/soak.ts';
import { withNats } from '../support/nats.ts';
import { seed } from '../support/prng.ts';
import { scenarios } from '../support/scenario.ts';

const test = scenarios('cluster soak');

withNats(
  test,
  'churn over two instances disturbs no other client, and leaves neither a record nor a subscription behind',
  async () => {
    const report = new Report(true);
    const options = { rounds: 1, seconds: 10, clients: 12, rate: 12, instances: 2, vanish: false };
    await soak({ ...options, seed: seed('cluster soak') }, report);
    equal(report.violations, []);
    ok(report.counts.get('closed 1000 ')! > 5, report.summary('closed '));
  },
  90,
);

test.run();
