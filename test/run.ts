/**
 * Runs the tests: `node dist/test/run.js [options] [name…]`. It runs every `*.test.js`, or those whose name contains an
 * argument (a whole name, as in `http.test.js`, means that file alone).
 *
 * Each file is a process of its own. The runner prints its output when it ends, and repeats all failures at the end. Two
 * files run at a time, and one with a browser beside them, since that one mostly waits; two of those run at a time once
 * nothing else is left.
 *
 * Many tests measure times that the machine itself can exceed while three files share it. So a file that failed runs once
 * more at the end, with nothing beside it, and that run decides. A file that needed it is listed as unsteady: it is a
 * fault of the test or a rare one of the server. If many files failed, the machine is not the cause, and none runs again.
 *
 *     --kind=unit          only files of this kind: unit, server, browser or deployment; may be repeated
 *     --without-browsers   only files that start no browser
 *     --lanes=2            how many files without a browser run at a time
 *     --once               runs no failed file again
 *     --list               prints the names only
 */
import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { endFiles, type FileRun, runFile, seedOf } from './support/file-run.ts';
import { runFailedAgain } from './support/second-run.ts';
import { KINDS, type TestFile, testFiles } from './support/test-files.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kind: { type: 'string', multiple: true, default: [...KINDS] },
    'without-browsers': { type: 'boolean', default: false },
    lanes: { type: 'string', default: '2' },
    once: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

const all = testFiles();
const chosen = all.filter(
  ({ name, browser, kind }) =>
    (positionals.length === 0 ||
      positionals.some((part) => (all.some((file) => file.name === part) ? name === part : name.includes(part)))) &&
    values.kind.includes(kind) &&
    !(values['without-browsers'] && browser),
);
const unknown = values.kind.filter((kind) => !(KINDS as readonly string[]).includes(kind));
if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: the kinds are ${KINDS.join(', ')}`);
if (chosen.length === 0) throw new Error(`no test file matches ${process.argv.slice(2).join(' ')}`);
if (values.list) {
  for (const { name } of chosen) console.log(name);
  process.exit(0);
}

process.on('exit', endFiles);
for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => process.exit(128 + constants.signals[name]));
}

const begun = performance.now();
const runs: FileRun[] = [];
const browsers = chosen.filter(({ browser }) => browser);
const others = chosen.filter(({ browser }) => !browser);
await Promise.all([
  lane(browsers),
  lane(others).then(() => lane(browsers)),
  ...Array.from({ length: Math.max(1, Number(values.lanes) | 0) - 1 }, () => lane(others)),
]);

const { final, unsteady } = values.once ? { final: runs, unsteady: [] } : await runFailedAgain(runs, runAlone);
const failed = final.filter(({ failures }) => failures.length > 0);
for (const run of unsteady) tell('failed beside others and passed alone', run);
for (const run of failed) tell('failed', run);
const sum = (count: (run: FileRun) => number): number => final.reduce((total, run) => total + count(run), 0);
const seconds = Math.round((performance.now() - begun) / 1000);
console.log(`\n${runs.length} files in ${seconds} s`);
console.log(
  `${sum((run) => run.passed)} passed, ${sum((run) => run.failures.length)} failed, ${sum((run) => run.skipped)} skipped` +
    (unsteady.length > 0 ? `, ${unsteady.length} files passed only alone` : ''),
);
process.exit(failed.length > 0 ? 1 : 0);

/** Runs what is left of these, one after another. */
async function lane(queue: TestFile[]): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const run = await runFile(file.name, file.path);
    runs.push(run);
    print(run);
  }
}

async function runAlone(first: FileRun): Promise<FileRun> {
  const { name } = first;
  console.log(`\n${name} failed and runs again with nothing beside it`);
  const run = await runFile(name, chosen.find((file) => file.name === name)!.path, undefined, seedOf(first));
  print(run);
  return run;
}

function print({ name, seconds, output }: FileRun): void {
  console.log(`\n== ${name}, ${seconds.toFixed(1)} s ==\n${output.trim()}`);
}

/** Says what failed in a file, and how to have it again. @param how how it failed. */
function tell(how: string, run: FileRun): void {
  const { name, failures } = run;
  console.log(`\n${how}: ${name}`);
  for (const line of failures) console.log(`  ${line}`);
  const seed = seedOf(run);
  console.log(`  again: ${seed === undefined ? '' : `SEED=${seed} `}node dist/test/run.js ${name}`);
}
