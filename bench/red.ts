/**
 * Measures what redundant audio gives and costs when packets are lost: `npm run bench:red`. It runs real Chromium and
 * the real server, and the kernel drops packets in a network namespace. See bench/README.md.
 *
 *   npm run bench:red -- --losses 0,5,10,20 --seconds 20 --rounds 2 --side listener
 */
import { parseArgs } from 'node:util';
import { type Cell, type Heard, measureRed, type Side } from './red/run.ts';
import { enterNamespace, inNamespace } from './room/namespace.ts';

const { values } = parseArgs({
  options: {
    losses: { type: 'string', default: '0,5,10,20' },
    seconds: { type: 'string', default: '20' },
    rounds: { type: 'string', default: '1' },
    side: { type: 'string', default: 'publisher' },
  },
});
if (!inNamespace()) enterNamespace('bench:red');

const side: Side = values.side === 'listener' ? 'listener' : 'publisher';
const losses = values.losses.split(',').map(Number);
console.log('RED | loss % | up kbit/s | server ms/s | with RED: concealed %, lost %, delay ms, kbit/s | without RED');
for (let round = 0; round < Number(values.rounds); round++) {
  for (const red of ['off', 'uplink', 'both'] as const) {
    for (const cell of await measureRed(red, losses, Number(values.seconds), side)) console.log(row(cell));
  }
}
process.exit(0);

function row({ red, loss, up, cpu, knows, knowsNot }: Cell): string {
  const own = [red, String(loss), up.toFixed(0), cpu.toFixed(0)];
  return [...own, listener(knows), listener(knowsNot)].join(' | ');
}

function listener({ concealed, lost, delay, down }: Heard): string {
  return `${concealed.toFixed(2)} ${lost.toFixed(1)} ${delay.toFixed(0)} ${down.toFixed(0)}`;
}
