/** What `npm ci` needs, on every platform. */
import { readFileSync } from 'node:fs';
import { equal, match } from 'uvu/assert';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('package');

interface Entry {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../../${name}`, import.meta.url), 'utf8'));
const { packages } = read('package-lock.json') as { packages: Readonly<Record<string, Entry>> };

test('the lock file has the optional packages of every platform: npm ci refuses it otherwise', () => {
  const missing: string[] = [];
  for (const [path, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const name of Object.keys(optionalDependencies)) {
      const nested = `${path}/node_modules/${name}`;
      if (!(`node_modules/${name}` in packages) && !(nested in packages)) missing.push(name);
    }
  }
  equal(missing, []);
});

test('every direct dependency has one exact version, and the lock file has that', () => {
  const { dependencies = {}, devDependencies = {}, optionalDependencies = {} } = read('package.json') as Entry;
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
    match(version, /^\d+\.\d+\.\d+$/, name);
    equal(packages[`node_modules/${name}`]?.version, version, name);
  }
});

test.run();
