/** The guides for people who choose and people in trouble name what there is. */
import { readFileSync } from 'node:fs';
import { equal, ok } from 'uvu/assert';
import { Close } from '../../../src/main/errors.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('guides');
const read = (name: string): string => readFileSync(new URL(`../../../../${name}`, import.meta.url), 'utf8');
const GUIDE = read('docs/troubleshooting.md');

test('each error, close code, metric and variable that the symptoms name exists', () => {
  const { VoiceErrorCode: codes = '' } = /type VoiceErrorCode =(?<VoiceErrorCode>[^;]*);/.exec(
    read('client/src/errors.ts'),
  )!.groups!;
  const types =
    read('client/src/types.ts') +
    read('client/src/view.ts') +
    read('client/src/errors.ts') +
    read('client/src/quality.ts') +
    read('docs/protocol.md');
  const metrics = read('docs/operations.md');
  const variables = read('docs/configuration.md');
  const known = (word: string): boolean => {
    if (word.startsWith('sfu_')) return metrics.includes(`| \`${word}\` |`);
    if (/^[A-Z_]+$/.test(word)) return variables.includes(`\`${word}\``) || word === 'RED';
    return (
      codes.includes(`'${word}'`) ||
      new RegExp(`\\b${word.split('.')[0]}\\b`).test(types) ||
      metrics.includes(`\`${word}\``)
    );
  };
  const cells = GUIDE.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| ---'));
  const words = cells.flatMap((line) => [...line.matchAll(/`(\w[\w.-]*)`/g)].map((match) => match[1]!));
  ok(words.length > 30, `${words.length}`);
  equal(
    [...new Set(words)].filter((word) => !known(word)),
    [],
  );
  for (const [, code] of GUIDE.matchAll(/close code (\d{4})/g)) {
    ok(
      Object.values(Close).some((one) => one.code === Number(code)),
      code,
    );
  }
});

test.run();
