/**
 * Runs the fuzz targets:
 *
 * ```
 * npm run fuzz -- [--minutes N] [--count N] [--target name,name] [--seed S] [--case K]
 * ```
 * Without `--minutes` and `--count` it runs for one minute in all. `--count` applies to each target, in the target's
 * unit. `--case` runs one case alone, which the line of a failure names. The exit code is 1 if anything was found.
 */
import { parseArgs } from 'node:util';
import { targets } from './all.ts';
import { type FuzzBudget, type FuzzReport, runTarget } from './target.ts';

const MINUTE_MS = 60_000;
const MIB = 1024 * 1024;
/** Growth of the resident memory from the first tenth of a run to its end from which it counts as a leak, bytes. */
const MAX_GROWTH = 128 * MIB;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    count: { type: 'string' },
    target: { type: 'string' },
    seed: { type: 'string' },
    case: { type: 'string' },
  },
});
const known = targets.map(({ name }) => name);
const wanted = values.target?.split(',') ?? known;
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) throw new Error(`no target ${unknown.join(', ')}; there are ${known.join(', ')}`);
const chosen = targets.filter(({ name }) => wanted.includes(name));
const seed = number('seed') ?? Math.floor(Math.random() * 2 ** 32);
const count = number('count');
const minutes = number('minutes') ?? (count === undefined ? 1 : undefined);
const only = number('case');

console.log(`seed ${seed}`);
const weights = chosen.reduce((sum, { weight }) => sum + weight, 0);
let failures = 0;
for (const target of chosen) {
  const time = minutes === undefined ? undefined : (minutes * MINUTE_MS * target.weight) / weights;
  const budget: FuzzBudget = {
    seed,
    ...(count === undefined ? {} : { count }),
    ...(time === undefined ? {} : { time }),
    ...(only === undefined ? {} : { only }),
  };
  try {
    tell(await runTarget(target, budget));
  } catch (error) {
    failures++;
    console.error(error);
  }
}
process.exit(failures === 0 ? 0 : 1);

function tell({ name, unit, cases, units, seconds, rss: [before, after], outcomes }: FuzzReport): void {
  const rate = Math.round(units / seconds).toLocaleString('en');
  const memory = `rss ${Math.round(before / MIB)} → ${Math.round(after / MIB)} MiB`;
  const line = `${units.toLocaleString('en')} ${unit} in ${cases} cases, ${seconds.toFixed(1)} s, ${rate}/s, ${memory}`;
  console.log(`${name}: ${line}\n  ${outcomes}`);
  if (after - before < MAX_GROWTH) return;
  failures++;
  console.error(`${name}: resident memory grew by ${Math.round((after - before) / MIB)} MiB`);
}

function number(name: 'minutes' | 'count' | 'seed' | 'case'): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} ${text} is not a number from 0 on`);
  return value;
}
