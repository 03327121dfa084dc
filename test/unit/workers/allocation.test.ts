import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { is, ok } from 'uvu/assert';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('allocation');
const SCRIPT = fileURLToPath(new URL('../../support/allocation.js', import.meta.url));

/**
 * Collections of the young generation, which has one megabyte, while a million packets pass: the fewest of some rounds.
 *
 * A tick, every 20 ms and not every packet, makes an iterator or two, which Node 26 does not optimize away: half a megabyte a
 * round, so that every other round has a collection. One small object a packet makes thirty in each.
 */
function collections(environment: Record<string, string>): number {
  const output = execFileSync(
    process.execPath,
    ['--trace-gc', '--max-semi-space-size=1', '--min-semi-space-size=1', SCRIPT],
    {
      env: { ...process.env, ...environment },
      encoding: 'utf8',
    },
  );
  const rounds = [...output.matchAll(/MARK begin\n([\s\S]*?)MARK end (\d+)/g)].map(([, traced = '', packets]) => {
    ok(Number(packets) > 1_000_000, 'a million packets passed');
    return traced.split('\n').filter((line) => /Scavenge|Mark-Compact/.test(line)).length;
  });
  console.log(`collections: ${rounds}`);
  is(rounds.length, 4);
  return Math.min(...rounds);
}

test('a million packets through the worker allocate nothing', () => {
  is(collections({}), 0);
}, 60);

test('one small object a packet would show', () => {
  ok(collections({ ALLOCATE: '1' }) > 10);
}, 60);

test.run();
