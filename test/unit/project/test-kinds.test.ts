/** What kind a test is can be seen from its folder; this holds the folders to it. */
import { equal } from 'uvu/assert';
import { scenarios } from '../../support/scenario.ts';
import { modulesOf, testFiles } from '../../support/test-files.ts';

const test = scenarios('test kinds');
/** Its process only measures the packet path. */
const MEASURES = new Set(['allocation.test.js']);
const PROCESS = /from ['"]node:child_process['"]/;

test('a unit test starts no process', () => {
  const files = testFiles().filter(({ kind, name }) => kind === 'unit' && !MEASURES.has(name));
  const starts = files.filter(({ path }) => [...modulesOf(path).values()].some((text) => PROCESS.test(text)));
  equal(
    starts.map(({ name }) => name),
    [],
  );
});

test('only browser and deployment tests start a browser', () => {
  const files = testFiles().filter(({ kind, browser }) => browser && kind !== 'browser' && kind !== 'deployment');
  equal(
    files.map(({ name }) => name),
    [],
  );
});

test('no two test files have one name', () => {
  const names = testFiles().map(({ name }) => name);
  equal(
    names.filter((name, i) => names.indexOf(name) !== i),
    [],
  );
});

test.run();
