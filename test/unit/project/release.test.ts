/** What a release is made of agrees: numbers, changelog and upgrade notes. */
import { readFileSync } from 'node:fs';
import { equal, ok } from 'uvu/assert';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('release');
const read = (name: string): string => readFileSync(new URL(`../../../../${name}`, import.meta.url), 'utf8');
const versionIn = (name: string): string => JSON.parse(read(name)).version;

test('the packages and the changelog have one version, the upgrade notes a section for it', () => {
  const version = versionIn('package.json');
  const lock = JSON.parse(read('package-lock.json'));
  equal([versionIn('client/package.json'), lock.version, lock.packages[''].version], [version, version, version]);
  const released = [...read('CHANGELOG.md').matchAll(/^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$/gm)].map(
    ([, it]) => it,
  );
  equal(released[0], version);
  const [major, minor] = version.split('.');
  ok(read('docs/upgrading.md').includes(`to ${major}.${minor}\n`));
});

test('the changelog has the kinds of changes of its form alone', () => {
  const kinds = [...read('CHANGELOG.md').matchAll(/^### (.*)$/gm)].map(([, kind]) => kind!);
  const known = ['Incompatible', 'Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'];
  equal(
    kinds.filter((kind) => !known.includes(kind)),
    [],
  );
});

test.run();
