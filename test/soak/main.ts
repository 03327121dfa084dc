/**
 * Soaks a server: `npm run soak -- --minutes 5`, or `-- --cycles 5000`. Ends with 1 if anything was violated. With
 * `--seed` the same things are done again, as far as the clock lets them.
 */
import { parseArgs } from 'node:util';
import { cycle } from './cycles.ts';
import { Report } from './report.ts';
import { soak } from './soak.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    rounds: { type: 'string' },
    clients: { type: 'string', default: '20' },
    rate: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    cycles: { type: 'string' },
  },
});
/** What a round takes after its churn, seconds: ICE consent of those who vanished. */
const SETTLING_S = 35;
const report = new Report();
const minutes = Number(values.minutes);
if (values.cycles !== undefined) {
  await cycle(Number(values.cycles), 5, report);
} else {
  report.tell(`seed ${values.seed}`);
  const rounds = values.rounds === undefined ? Math.max(3, Math.round(minutes / 8)) : Number(values.rounds);
  const seconds = Math.max(10, (minutes * 60) / rounds - SETTLING_S);
  const options = { rounds, seconds, clients: Number(values.clients), rate: Number(values.rate) };
  await soak({ ...options, seed: Number(values.seed), vanish: true }, report);
}
const { length } = report.violations;
console.log(length === 0 ? 'nothing violated' : `${length} violated, of which the first: ${report.violations[0]}`);
process.exit(length === 0 ? 0 : 1);
