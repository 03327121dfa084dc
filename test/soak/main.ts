/**
 * Soaks a server: `npm run soak -- --minutes 5`, or `-- --cycles 5000`. The exit code is 1 if there were violations.
 * `--instances 2` soaks a cluster, and needs nats-server. `--seed` repeats the actions of an earlier run, as far as timing allows.
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
    instances: { type: 'string', default: '1' },
  },
});
/** Time that a round takes after its churn, seconds: ICE consent of vanished clients. */
const SETTLING_S = 35;
const report = new Report();
const minutes = Number(values.minutes);
if (values.cycles !== undefined) {
  await cycle(Number(values.cycles), 5, report);
} else {
  report.tell(`seed ${values.seed}`);
  const rounds = values.rounds === undefined ? Math.max(3, Math.round(minutes / 8)) : Number(values.rounds);
  const seconds = Math.max(10, (minutes * 60) / rounds - SETTLING_S);
  const [clients, rate, instances] = [values.clients, values.rate, values.instances].map(Number) as [
    number,
    number,
    number,
  ];
  const options = { rounds, seconds, clients, rate, instances };
  await soak({ ...options, seed: Number(values.seed), vanish: true }, report);
}
const { length } = report.violations;
console.log(length === 0 ? 'nothing violated' : `${length} violated, of which the first: ${report.violations[0]}`);
process.exit(length === 0 ? 0 : 1);
