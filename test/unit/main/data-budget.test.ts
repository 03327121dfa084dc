/** What a client may say on data channels that nobody reads. */
import { is, ok } from 'uvu/assert';
import { DataBudget } from '../../../src/main/limits/data-budget.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('data budget');

/** Sends the same message until it is refused. @returns how many were taken. */
function drain(budget: DataBudget, message: string | Uint8Array, now = 0): number {
  let taken = 0;
  while (taken < 10_000 && budget.takeMessage(message, now)) taken++;
  return taken;
}

test('a client may send messages for two seconds at once, and then at the rate', () => {
  const budget = new DataBudget({ MAX_MESSAGES_PER_SECOND: 10, MAX_MESSAGE_KBPS: 1000 });
  is(drain(budget, 'x'), 20);
  is(drain(budget, 'x', 500), 5);
});

test('a client may send two seconds of bytes at once in few messages, and pays for a message that exceeds them', () => {
  const budget = new DataBudget({ MAX_MESSAGES_PER_SECOND: 1000, MAX_MESSAGE_KBPS: 8 });
  is(drain(budget, new Uint8Array(500)), 4, 'a kilobit is 125 bytes');
  is(drain(budget, new Uint8Array(500), 500), 1);
  is(drain(budget, new Uint8Array(4000), 600), 1, 'one that costs more than there is left is taken');
  is(drain(budget, 'x', 4450), 0, 'and paid for');
  ok(drain(budget, 'x', 4550) > 0);
});

test('text counts by its bytes in UTF-8', () => {
  const budget = new DataBudget({ MAX_MESSAGES_PER_SECOND: 1000, MAX_MESSAGE_KBPS: 8 });
  ok(budget.takeMessage('\u4e00'.repeat(600), 0));
  is(drain(budget, 'x'), 200);
});

test.run();
