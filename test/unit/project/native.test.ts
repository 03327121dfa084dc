/** What is built into the native library is what SECURITY.md says and somebody has looked at. */
import { readFileSync } from 'node:fs';
import { equal, ok } from 'uvu/assert';
import { nativeVersions, versionsIn } from '../../../src/main/media/native.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('native');
const read = (file: string): string => readFileSync(new URL(`../../../../${file}`, import.meta.url), 'utf8');

/**
 * The version that was looked at last. Before you change it: does the new one have an OpenSSL that is maintained, does
 * Chromium connect over TURN by TCP with it (`browser-turn`), do the tests of `ghosts` pass? SECURITY.md says the rest.
 */
const LOOKED_AT = '0.33.4';
const INSIDE = { libdatachannel: '0.24.5', libsrtp2: '2.8.0', OpenSSL: '1.1.1w' };

test('the installed library is the one that was looked at, with what it had inside', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, { version: string }> };
  for (const name of ['node-datachannel', '@node-datachannel/linux-x64-gnu']) {
    equal(packages[`node_modules/${name}`]!.version, LOOKED_AT, `${name}: look at it first, see SECURITY.md`);
  }
  equal(nativeVersions(), INSIDE, 'look at it first, see SECURITY.md');
});

test('SECURITY.md names these versions', () => {
  const text = read('SECURITY.md');
  ok(text.includes(`looked at last, ${LOOKED_AT}, has:`));
  for (const [name, version] of Object.entries(INSIDE)) {
    ok(new RegExp(`^\\| ${name} \\| (\\*\\*)?${version.replaceAll('.', '\\.')}(\\*\\*)? \\|`, 'm').test(text), name);
  }
});

test('versions are found among other bytes, and “unknown” where there are none', () => {
  equal(versionsIn('\0libsrtp2 2.7.0\0\xffOpenSSL 3.0.17 1 Jul 2025\0'), { libsrtp2: '2.7.0', OpenSSL: '3.0.17' });
  equal(versionsIn('OpenSSL PKCS#1\0libsrtp2'), { libsrtp2: 'unknown', OpenSSL: 'unknown' });
});

test.run();
