import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { is, ok } from 'uvu/assert';
import { scenarios } from './support/scenario.ts';

const test = scenarios('allocation');
const SCRIPT = fileURLToPath(new URL('./support/allocation.js', import.meta.url));

/** Collections of the young generation, which has one megabyte, while a million packets pass. */
function collections(environment: Record<string, string>): number {
  const output = execFileSync(
    process.execPath,
    ['--trace-gc', '--max-semi-space-size=1', '--min-semi-space-size=1', SCRIPT],
    {
      env: { ...process.env, ...environment },
      encoding: 'utf8',
    },
  );
  const measured = /MARK begin\n([\s\S]*)MARK end (\d+)/.exec(output);
  ok(Number(measured?.[2]) > 1_000_000, 'a million packets passed');
  return measured![1]!.split('\n').filter((line) => /Scavenge|Mark-Compact/.test(line)).length;
}

test('a million packets through the worker allocate nothing', () => {
  is(collections({}), 0);
}, 60);

test('one small object a packet would show', () => {
  ok(collections({ ALLOCATE: '1' }) > 10);
}, 60);

test.run();
