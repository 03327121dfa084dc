/** What the registry tells of memberships, which webhooks are made of. */
import { equal } from 'uvu/assert';
import { Conversations } from '../../../src/main/conversations/conversations.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('membership observer');
const PATIENCE = 10_000;

/** Makes a registry, and returns what it tells, in few words: `[N]` is the number of users of a conversation then. */
function observed(): { all: Conversations<string>; take(): string[] } {
  const all = new Conversations<string>({ users: 9, conversations: 9, participants: 9 }, PATIENCE);
  let told: string[] = [];
  const where = (one: { id: string; users: number } | null): string => (one === null ? '-' : `${one.id}[${one.users}]`);
  all.observer = {
    moved: (userid, from, to, why) =>
      void told.push(`${userid}: ${where(from)} to ${where(to)}${to === null ? `, ${why}` : ''}`),
    silenced: (userid, conversation, silenced) => void told.push(`${userid} in ${conversation}: ${silenced}`),
  };
  const take = (): string[] => {
    const taken = told;
    told = [];
    return taken;
  };
  return { all, take };
}

test('joins, moves, leaves and kicks are told once, with how many are there then', () => {
  const { all, take } = observed();
  all.join('ann', 'a', 0);
  all.join('ann', 'a', 0);
  all.join('bob', 'a', 0);
  all.join('ann', 'b', 0);
  all.leave('ann', 'a');
  all.leave('bob', 'a');
  all.leave('ann', 'b', 'kicked');
  equal(take(), [
    'ann: - to a[1]',
    'bob: - to a[2]',
    'ann: a[1] to b[1]',
    'bob: a[0] to -, left',
    'ann: b[0] to -, kicked',
  ]);
});

test('a join that is refused is not told', () => {
  const all = new Conversations<string>({ users: 1, conversations: 9, participants: 9 }, PATIENCE);
  all.join('ann', 'a', 0);
  all.observer = { moved: () => equal('told', ''), silenced: () => equal('told', '') };
  equal(all.join('bob', 'a', 0), 'users');
});

test('somebody who is forgotten has expired', () => {
  const { all, take } = observed();
  all.join('ann', 'a', 0);
  take();
  all.forget(PATIENCE - 1, 0);
  equal(take(), []);
  all.forget(PATIENCE, 0);
  equal(take(), ['ann: a[0] to -, expired']);
});

test('a mute is told where it changes something', () => {
  const { all, take } = observed();
  all.join('ann', 'a', 0);
  take();
  all.mute('ann', 'b', true);
  all.mute('ann', 'a', false);
  equal(take(), []);
  for (const muted of [true, true, false]) all.mute('ann', 'a', muted);
  equal(take(), ['ann in a: true', 'ann in a: false']);
});

test('what a cluster tells is told as what it changed', () => {
  const { all, take } = observed();
  const state = { conversation: 'a', mutedByOperator: false, elsewhere: 1 };
  all.apply('ann', state, 0);
  all.apply('ann', { ...state, elsewhere: 0 }, 0);
  all.apply('ann', { ...state, conversation: 'b', mutedByOperator: true }, 0);
  all.apply('ann', { ...state, conversation: null, mutedByOperator: true, kicked: true }, 0);
  equal(take(), ['ann: - to a[1]', 'ann: a[0] to b[1]', 'ann in b: true', 'ann: b[0] to -, kicked']);
  all.apply('bob', { ...state, elsewhere: 0 }, 0);
  all.apply('cid', state, 0);
  take();
  all.apply('cid', null, 2 * PATIENCE);
  all.apply('bob', null, PATIENCE - 1500);
  equal(take(), ['cid: a[1] to -, left', 'bob: a[0] to -, left']);
  all.apply('bob', { ...state, elsewhere: 0 }, 0);
  all.apply('bob', null, PATIENCE - 500);
  equal(take(), ['bob: - to a[1]', 'bob: a[0] to -, expired']);
});

test.run();
