/**
 * The benchmark of webhooks: people move from conversation to conversation beside two who talk, without webhooks and
 * with them. See bench/README.md.
 *
 *   npm run bench:webhooks -- --rate 1000
 */
import { parseArgs } from 'node:util';
import { printMoves, runMoves } from './webhooks/run.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
    users: { type: 'string', default: '400' },
    rooms: { type: 'string', default: '40' },
    rounds: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run bench:webhooks -- [options]
  --rate N      moves a second, each of them an event (1000)
  --seconds N   for so long, each time (10)
  --users N     people who move (400)
  --rooms N     conversations that they move between (40)
  --rounds N    run all of it this many times (1)`);
  process.exit(0);
}

const whole = (name: 'rate' | 'seconds' | 'users' | 'rooms' | 'rounds'): number => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is ${values[name]}, not a number above 0`);
  return value;
};
const setup = { rate: whole('rate'), seconds: whole('seconds'), users: whole('users'), rooms: whole('rooms') };
for (let round = 0; round < whole('rounds'); round++) {
  const without = await runMoves(setup, false);
  printMoves(setup, without, await runMoves(setup, true));
}
process.exit(0);
