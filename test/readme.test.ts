/** The README says what the code does, where that can be compared. */
import { readFileSync } from 'node:fs';
import { ok } from 'uvu/assert';
import { Close, Problem } from '../src/main/errors.ts';
import { scenarios } from './support/scenario.ts';

const test = scenarios('readme');
const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

test('every status has its row', () => {
  for (const { status, title } of Object.values(Problem)) {
    ok(README.includes(`| ${status} | ${title} |`), `${status} ${title}`);
  }
});

test('every close code has its row', () => {
  for (const { code, reason } of Object.values(Close)) {
    ok(README.includes(`| ${code} | ${reason} |`), `${code} ${reason}`);
  }
});

test('every npm script that it names exists', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const named = [...README.matchAll(/`npm run ([\w:]+)/g)].map((match) => match[1]!);
  ok(named.length > 0);
  for (const name of named) ok(name in scripts, name);
});

test.run();
