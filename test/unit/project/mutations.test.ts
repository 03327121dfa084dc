/** The list of `npm run mutate` fits the source, so that it cannot rot unnoticed. */
import { readFileSync } from 'node:fs';
import { equal, ok } from 'uvu/assert';
import { MUTATIONS } from '../../mutate/list.ts';
import { applyTo } from '../../mutate/mutation.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('mutations');
const ROOT = new URL('../../../../', import.meta.url);

test('every mutation of the list changes exactly one place of the source', () => {
  const failures = MUTATIONS.flatMap((mutation) => {
    try {
      applyTo(readFileSync(new URL(mutation.file, ROOT), 'utf8'), mutation);
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
  equal(failures, []);
});

test('no two mutations of the list make the same mutant', () => {
  const texts = MUTATIONS.map(({ file, find, replace }) => JSON.stringify([file, find, replace]));
  equal(
    texts.filter((text, i) => texts.indexOf(text) !== i),
    [],
  );
});

test('those that may survive are few, and each says why in words', () => {
  const explained = MUTATIONS.flatMap(({ survives }) => survives ?? []);
  ok(explained.length <= 0.15 * MUTATIONS.length, `${explained.length} of ${MUTATIONS.length}`);
  for (const reason of explained) ok(reason.length > 20, reason);
});

test.run();
