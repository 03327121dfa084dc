/**
 * The storm benchmark: many clients connect at the same moment beside two people who talk, and then all of them join.
 * See bench/README.md.
 *
 *   npm run bench:storm -- --clients 2000
 */
import { parseArgs } from 'node:util';
import { printStorms } from './storm/report.ts';
import { runStorm, type StormResult } from './storm/run.ts';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '2000' },
    slots: { type: 'string', default: '3' },
    room: { type: 'string', default: '50' },
    inflight: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '1' },
    'no-events': { type: 'boolean', default: false },
    'no-joins': { type: 'boolean', default: false },
    env: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run bench:storm -- [options]
  --clients N     clients that connect at once (2000)
  --slots N       slots of each (3)
  --room N        people in each conversation that they join afterwards (50)
  --inflight N    joins that are under way at a time (128)
  --rounds N      run all of it this many times (1)
  --no-events     the clients have no channel for events
  --no-joins      leave out the joins
  --env K=V       set a variable of the server; may be given several times
  --json          print the results as JSON on the last line`);
  process.exit(0);
}

const whole = (name: 'clients' | 'slots' | 'room' | 'inflight' | 'rounds'): number => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is ${values[name]}, not a number above 0`);
  return value;
};
const setup = {
  clients: whole('clients'),
  slots: whole('slots'),
  room: whole('room'),
  inFlight: whole('inflight'),
  events: !values['no-events'],
  joins: !values['no-joins'],
  env: Object.fromEntries(values.env.map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string])),
};
const results: StormResult[] = [];
for (let round = 0; round < whole('rounds'); round++) results.push(await runStorm(setup));
printStorms(setup, results);
if (values.json) console.log(JSON.stringify({ setup, results }));
process.exit(0);
