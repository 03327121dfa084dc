/**
 * Changes the source in one small place at a time, and sees whether the unit tests notice:
 *
 * ```
 * npm run mutate -- [--file=text] [--near] [--explained] [--jobs=2] [--list] [number…]
 * ```
 * Without arguments it tries the whole list in `list.ts`; `--file` takes those in files whose path contains a text, and
 * a number takes one mutation. `--list` prints them, with their numbers, instead.
 *
 * Each mutant is compiled into a copy of the build; the working tree stays as it is. The unit tests that import the
 * changed module run, nearest first, until one fails twice: a single failure may be the machine's. Other tests cannot
 * notice the change. A test also fails if it takes several times as long as without the change. With `--near` only the
 * nearest tests run, which is enough while one writes them.
 *
 * A mutant that no test notices has survived. The list gives a reason for some: the change makes no difference, or only
 * slower tests can see it. These count as survivors and are not tried, except by number or with `--explained`. The command
 * ends with 1 if the tests notice less than {@link LEAST_KILLED} of the whole list, if a mutant survives without a reason
 * or is noticed despite one, or if a mutation does not fit the source.
 *
 * The whole list takes about a quarter of an hour on two idle cores.
 */
import { constants } from 'node:os';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { MUTATIONS } from './list.ts';
import { describe, type Mutation } from './mutation.ts';
import { endFiles, runUnit, type UnitFile, type UnitRun, unitFiles } from './suite.ts';
import { moduleOf, mutantOf, Workspace } from './workspace.ts';

/** Share of the mutants that the unit tests have to notice. */
const LEAST_KILLED = 0.85;
/** How long an unchanged file may take, and a changed one: so many times as long, and so much longer. Seconds. */
const UNCHANGED_SECONDS = 180;
const TIMES_AS_LONG = 5;
const LONGER = 10;

interface Verdict {
  readonly mutation: Mutation;
  /** What noticed it; null if it survived. */
  readonly killedBy: string | null;
  readonly seconds: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    file: { type: 'string', default: '' },
    jobs: { type: 'string', default: '2' },
    list: { type: 'boolean', default: false },
    near: { type: 'boolean', default: false },
    explained: { type: 'boolean', default: false },
  },
});
const numbers = positionals.map(Number);
const chosen = MUTATIONS.filter(
  ({ file, number }) => file.includes(values.file) && (numbers.length === 0 || numbers.includes(number)),
);
if (chosen.length === 0) throw new Error(`no mutation is meant by ${process.argv.slice(2).join(' ')}`);
const mutants = new Map(chosen.map((mutation) => [mutation, mutantOf(mutation)]));
const place = (mutation: Mutation): string => `#${mutation.number} ${mutation.file}:${mutants.get(mutation)!.line}`;
if (values.list) {
  for (const mutation of chosen) console.log(`${place(mutation)} ${describe(mutation)}`);
  process.exit(0);
}

const jobs = Math.max(1, Number(values.jobs) | 0);
const unchanged = new Workspace();
const workspaces = Array.from({ length: jobs }, () => new Workspace());
process.on('exit', () => {
  endFiles();
  for (const workspace of [unchanged, ...workspaces]) workspace.remove();
});
for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => process.exit(128 + constants.signals[name]));
}

const tried = chosen.filter(({ survives }) => survives === null || values.explained || numbers.length > 0);
const tests = unitFiles();
/** What each file takes without a change, seconds, from its first use on. */
const usual = new Map<UnitFile, Promise<number>>();
const queue = [...tried];
const verdicts: Verdict[] = [];
for (const mutation of chosen) if (!tried.includes(mutation)) verdicts.push({ mutation, killedBy: null, seconds: 0 });
await Promise.all(
  workspaces.map(async (workspace) => {
    for (let mutation = queue.shift(); mutation !== undefined; mutation = queue.shift()) {
      const verdict = await judge(mutation, workspace);
      verdicts.push(verdict);
      tell(verdict);
    }
  }),
);
process.exit(summary() ? 0 : 1);

/** Runs a file as it is. @returns how long it takes, seconds. @throws Error if it fails. */
async function measure(file: UnitFile): Promise<number> {
  const { failure, seconds } = await runUnit(unchanged.dist, file, UNCHANGED_SECONDS);
  if (failure !== null) throw new Error(`${file.name} fails without any change: ${failure}`);
  return seconds;
}

/** The tests that reach a module: its own, which has its name, then the others, nearest first. */
function testsOf({ file }: Mutation): UnitFile[] {
  const module = moduleOf(file);
  const own = basename(module).replace(/js$/, 'test.js');
  const distance = ({ name, reached }: UnitFile): number => {
    const links = reached.get(module);
    return links === undefined ? Number.POSITIVE_INFINITY : name === own ? 0 : links;
  };
  const nearest = Math.min(...tests.map(distance));
  const most = values.near ? nearest : Number.MAX_SAFE_INTEGER;
  return tests.filter((test) => distance(test) <= most).sort((a, b) => distance(a) - distance(b));
}

function judge(mutation: Mutation, workspace: Workspace): Promise<Verdict> {
  const files = testsOf(mutation);
  return workspace.with(mutants.get(mutation)!, async () => {
    const begun = performance.now();
    let killedBy: string | null = null;
    for (const file of files) {
      const { failure } = await runTwice(workspace.dist, file);
      if (failure === null) continue;
      killedBy = `${file.name}: ${failure}`;
      break;
    }
    return { mutation, killedBy, seconds: (performance.now() - begun) / 1000 };
  });
}

/** Runs a file, and again if it fails, with twice the time if that was why. */
async function runTwice(dist: string, file: UnitFile): Promise<UnitRun> {
  const seconds = usual.get(file) ?? measure(file);
  usual.set(file, seconds);
  const deadline = LONGER + TIMES_AS_LONG * (await seconds);
  const run = await runUnit(dist, file, deadline);
  return run.failure === null ? run : runUnit(dist, file, run.late ? 2 * deadline : deadline);
}

function tell({ mutation, killedBy, seconds }: Verdict): void {
  const verdict = killedBy === null ? 'SURVIVED' : 'killed';
  console.log(`${verdict.padEnd(8)} ${seconds.toFixed(1).padStart(6)} s ${place(mutation)} ${describe(mutation)}`);
  if (killedBy !== null) console.log(`         by ${killedBy}`);
  if (mutation.survives !== null) console.log(`         reason to survive: ${mutation.survives}`);
}

/** Prints the figures. @returns whether all is well. */
function summary(): boolean {
  const folders = new Map<string, Verdict[]>();
  for (const verdict of verdicts) {
    const folder = verdict.mutation.file.replace(/\/[^/]+$/, '');
    folders.set(folder, [...(folders.get(folder) ?? []), verdict]);
  }
  console.log('');
  const row = (name: string, of: readonly Verdict[]): void => {
    const killed = of.filter(({ killedBy }) => killedBy !== null).length;
    console.log(`${name.padEnd(24)} ${of.length} mutants, ${killed} killed, ${of.length - killed} survived`);
  };
  for (const [folder, of] of [...folders].sort(([a], [b]) => a.localeCompare(b))) row(folder, of);
  row('all', verdicts);
  const survived = verdicts.filter(({ killedBy }) => killedBy === null);
  const wrong = verdicts.filter(({ mutation, killedBy }) => (killedBy === null) === (mutation.survives === null));
  for (const { mutation, killedBy } of wrong) {
    const what = killedBy === null ? 'survived without a reason' : 'noticed, though the list has a reason for it';
    console.log(`${what}: ${place(mutation)} ${describe(mutation)}`);
  }
  const share = 1 - survived.length / verdicts.length;
  const few = verdicts.length === MUTATIONS.length && share < LEAST_KILLED;
  console.log(`${(100 * share).toFixed(1)} % killed${few ? `, which is less than ${100 * LEAST_KILLED} %` : ''}`);
  return wrong.length === 0 && !few;
}
