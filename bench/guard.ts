/**
 * The guard of the hot path: `npm run bench:guard` fails if a case costs more than its budget, as a ratio to the
 * calibration loop. Both are measured in turn, and the lowest of many short measurements counts, because other programs
 * on the machine can only add time.
 *
 * `GUARD_SLOWDOWN=3` does the work of each case three times, to see the guard fail. Arguments choose cases by parts of
 * their names.
 */
import { performance } from 'node:perf_hooks';
import { BUDGETS, BUDGETS_SET } from './budgets.ts';
import { CALIBRATION_STEPS, calibrate } from './calibration.ts';
import { guardedCases } from './cases/all.ts';
import type { Case } from './cases/case.ts';

/** Measurements of each case in one attempt. A case above its budget gets further attempts before it fails. */
const ROUNDS = 60;
const ATTEMPTS = 4;
/** Approximate length of one measurement, milliseconds: shorter than a scheduler's slice. */
const SLICE_MS = 2;

/** Returns how many steps of the calibration loop one operation of a case takes. */
export function measureRatio(one: Case): number {
  const caseRuns = runsFor(() => one.run());
  const calibrationRuns = runsFor(calibrate);
  let [least, leastCalibration] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < ROUNDS; round++) {
    leastCalibration = Math.min(leastCalibration, time(calibrate, calibrationRuns) / CALIBRATION_STEPS);
    least = Math.min(least, time(() => one.run(), caseRuns) / one.operations);
  }
  return least / leastCalibration;
}

/** Warms up. @returns how many runs fill a slice. */
function runsFor(run: () => unknown): number {
  for (let i = 0; i < 200; i++) run();
  return Math.max(1, Math.round(SLICE_MS / time(run, 20)));
}

/** Returns the milliseconds per run. */
function time(run: () => unknown, runs: number): number {
  const begun = performance.now();
  for (let i = 0; i < runs; i++) run();
  return (performance.now() - begun) / runs;
}

/** Measures a case. @returns the lowest ratio of a few attempts, and whether it is within the budget. */
function guard(one: Case): { ratio: number; budget: number; held: boolean } {
  const budget = BUDGETS[one.name];
  if (budget === undefined) throw new Error(`"${one.name}" has no budget in bench/budgets.ts`);
  let ratio = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS && ratio > budget; attempt++) {
    ratio = Math.min(ratio, measureRatio(one));
  }
  return { ratio, budget, held: ratio <= budget };
}

const slowdown = Number(process.env['GUARD_SLOWDOWN'] ?? 1);
const slowed = (one: Case): Case => ({
  ...one,
  run() {
    for (let i = 0; i < slowdown; i++) one.run();
  },
});
const wanted = process.argv.slice(2);
let failed = 0;
console.log(`Steps of the calibration loop per operation; budgets of ${BUDGETS_SET}`);
for (const one of guardedCases()) {
  if (wanted.length > 0 && !wanted.some((part) => one.name.includes(part))) continue;
  const { ratio, budget, held } = guard(slowed(one));
  if (!held) failed++;
  console.log(
    `${held ? 'ok  ' : 'OVER'} ${one.name.padEnd(42)} ${ratio.toFixed(2).padStart(8)} of ${budget.toFixed(2)}`,
  );
}
if (failed > 0)
  console.log(`${failed} parts of the packet path cost more than their budgets: profile them with npm run bench`);
process.exit(failed > 0 ? 1 : 0);
