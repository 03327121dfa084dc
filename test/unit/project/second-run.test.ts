import { equal, is } from 'uvu/assert';
import type { FileRun } from '../../support/file-run.ts';
import { scenarios } from '../../support/scenario.ts';
import { runFailedAgain } from '../../support/second-run.ts';

const test = scenarios('second run');

function fileRun(name: string, failures: readonly string[] = []): FileRun {
  return { name, failures, passed: 1, skipped: 0, output: '', seconds: 1 };
}

test('each failed file runs once more, one after another, and its second run decides', async () => {
  const runs = [fileRun('a'), fileRun('b', ['late']), fileRun('c', ['wrong']), fileRun('d')];
  const ran: string[] = [];
  let running = 0;
  const { final, unsteady } = await runFailedAgain(runs, async ({ name }) => {
    is(running++, 0);
    await Promise.resolve();
    running--;
    ran.push(name);
    return fileRun(name, name === 'c' ? ['wrong again'] : []);
  });
  equal(ran, ['b', 'c']);
  equal(
    final.map(({ name, failures }) => [name, ...failures]),
    [['a'], ['b'], ['c', 'wrong again'], ['d']],
  );
  equal(
    unsteady.map(({ name, failures }) => [name, ...failures]),
    [['b', 'late']],
  );
});

test('nothing runs again if many files failed, or if a file ran alone already', async () => {
  const many = Array.from({ length: 7 }, (_, i) => fileRun(`${i}`, ['wrong']));
  for (const runs of [many, [fileRun('a', ['wrong'])]]) {
    const verdict = await runFailedAgain(runs, () => Promise.reject(new Error('it ran')));
    equal(verdict, { final: runs, unsteady: [] });
  }
});

test.run();
