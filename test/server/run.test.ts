/** The test runner: what counts as a failure. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { equal, match } from 'uvu/assert';
import { type FileRun, runFile } from '../support/file-run.ts';
import { scenarios } from '../support/scenario.ts';
import { until } from '../support/waiting.ts';

const test = scenarios('runner');
const HEAD = `import { scenarios } from '${new URL('../support/scenario.js', import.meta.url)}'; const test = scenarios('it');`;

async function run(text: string, slack?: number): Promise<FileRun> {
  const folder = mkdtempSync(join(tmpdir(), 'runner-'));
  try {
    writeFileSync(join(folder, 'a.test.mjs'), text);
    return await runFile('a.test.js', join(folder, 'a.test.mjs'), slack);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('it counts passed, failed and skipped scenarios', async () => {
  const { passed, skipped, failures, output } = await run(`${HEAD}
    test('one', () => {});
    test('two', () => { console.log('said'); throw new Error('why\\nmore'); });
    test('three', async () => {});
    test.skip('four', 'no tool');
    test.run();`);
  equal({ passed, skipped, failures }, { passed: 2, skipped: 1, failures: ['it: two: Error: why'] });
  match(output, 'said');
  match(output, 'more');
});

for (const [what, text, line] of [
  ['throws when it is loaded', `throw new Error('x')`, 'a.test.js ended with 1 while loading'],
  ['has no scenario', '', 'a.test.js has no scenario'],
  ['ends early', `${HEAD} test('x', () => process.exit(0)); test.run();`, 'a.test.js ended with 1 in "x"'],
  ['forgets to run', `${HEAD} test('x', () => {});`, 'a.test.js has no scenario'],
  [
    'crashes',
    `${HEAD} test('x', () => process.kill(process.pid, 'SIGSEGV')); test.run();`,
    'a.test.js was ended by SIGSEGV in "x"',
  ],
  [
    'crashes at its end',
    `${HEAD} test('x', () => {}); process.on('exit', () => process.abort()); test.run();`,
    'a.test.js was ended by SIGABRT after its end',
  ],
  ['loops while loading', 'for (;;);', 'a.test.js hung while loading'],
] as const) {
  test(`a file that ${what} has failed`, async () => {
    const { failures } = await run(text, what.startsWith('loops') ? 1 : undefined);
    equal(failures, [line]);
  });
}

/** Returns whether the process runs. A zombie does not; in a container nobody may collect it. */
function runs(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('processes that a file leaves behind end with it', async () => {
  const { output, failures } = await run(`import { spawn } from 'node:child_process'; ${HEAD}
    test('x', () => console.log('pid', spawn('sleep', ['1000'], { stdio: 'inherit' }).pid));
    test.run();`);
  equal(failures, []);
  const pid = Number(/pid (\d+)/.exec(output)![1]);
  await until('the process has ended', () => !runs(pid));
});

test.run();
