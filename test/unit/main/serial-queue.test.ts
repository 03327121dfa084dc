import { equal, is, unreachable } from 'uvu/assert';
import { SerialQueue } from '../../../src/main/memberships/serial-queue.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('turns');

/** Something to wait for. */
function gate(): { promise: Promise<void>; open(): void; fail(): void } {
  const given = { open: (): void => undefined, fail: (): void => undefined };
  const promise = new Promise<void>((resolve, reject) => {
    given.open = resolve;
    given.fail = () => reject(new Error('refused'));
  });
  return { promise, ...given };
}

/** Lets everything that can happen now happen. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('changes of one key are made in the order in which they came, whichever is ready first', async () => {
  const turns = new SerialQueue(10);
  const made: string[] = [];
  const [slow, fast] = [gate(), gate()];
  const all = [
    turns.take('ann', slow.promise, () => made.push('slow')),
    turns.take('ann', null, () => made.push('between')),
    turns.take('ann', fast.promise, () => made.push('fast')),
  ];
  fast.open();
  await settle();
  equal(made, []);
  slow.open();
  await Promise.all(all);
  equal(made, ['slow', 'between', 'fast']);
});

test('different keys do not wait for each other', async () => {
  const turns = new SerialQueue(10);
  const made: string[] = [];
  const never = turns.take('ann', gate().promise, () => made.push('ann'));
  await turns.take('bob', null, () => made.push('bob'));
  equal(made, ['bob']);
  is(turns.size, 1);
  void never;
});

test('one that fails is not made, says why, and does not stop the next', async () => {
  const turns = new SerialQueue(10);
  const made: string[] = [];
  const refused = gate();
  const first = turns.take('ann', refused.promise, () => made.push('refused')).then(() => unreachable(), String);
  const second = turns
    .take('ann', null, () => {
      throw new Error('thrown');
    })
    .then(() => unreachable(), String);
  const third = turns.take('ann', null, () => made.push('third'));
  refused.fail();
  equal(await Promise.all([first, second]), ['Error: refused', 'Error: thrown']);
  await third;
  equal(made, ['third']);
});

test('one that fails before its turn waits for it all the same, and is nobody’s unhandled rejection', async () => {
  const turns = new SerialQueue(10);
  const slow = gate();
  const first = turns.take('ann', slow.promise, () => undefined);
  const refused = gate();
  const second = turns.take('ann', refused.promise, () => undefined).then(() => unreachable(), String);
  refused.fail();
  await settle();
  slow.open();
  await first;
  is(await second, 'Error: refused');
});

test('nothing is left of a key once its last change is over, and the room is counted', async () => {
  const turns = new SerialQueue(2);
  const slow = gate();
  const all = [turns.take('ann', slow.promise, () => undefined), turns.take('ann', null, () => undefined)];
  is(turns.waiting('ann'), 2);
  is(turns.hasRoom('ann'), false);
  is(turns.hasRoom('bob'), true);
  slow.open();
  await Promise.all(all);
  is(turns.waiting('ann'), 0);
  is(turns.hasRoom('ann'), true);
  is(turns.size, 0);
});

test.run();
