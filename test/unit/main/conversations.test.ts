import { equal, is, ok } from 'uvu/assert';
import { Conversations } from '../../../src/main/conversations/conversations.ts';
import type { Conversation } from '../../../src/main/conversations/occupied.ts';
import type { Full, Placement } from '../../../src/main/conversations/registry-types.ts';
import { UserNumbers } from '../../../src/main/conversations/user-numbers.ts';
import { prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('conversations');

const PATIENCE = 1000;
const MANY = 100;

/** A registry whose connections are plain names. */
function registry(users = MANY, conversations = MANY, participants = MANY): Conversations<string> {
  return new Conversations<string>({ users, conversations, participants }, PATIENCE);
}

/** Lets somebody join for whom there must be room. */
function enter(all: Conversations<string>, userid: string, id: string): Conversation {
  const placement = all.join(userid, id, 0);
  ok(typeof placement === 'object' && placement.conversation !== null, String(placement));
  return placement.conversation;
}

/** What a change led to, with the conversation as its id. */
function seen(placement: Placement<string> | Full): { connections: string[]; conversation: string | null } | Full {
  if (typeof placement === 'string') return placement;
  return { connections: [...placement.connections], conversation: placement.conversation?.id ?? null };
}

function isEmpty(conversations: Conversations<string>): void {
  is(conversations.userCount, 0, 'users');
  is(conversations.conversationCount, 0, 'conversations');
}

test('who joins before connecting is there once connected', () => {
  const all = registry();
  equal(seen(all.join('ann', 'kitchen', 0)), { connections: [], conversation: 'kitchen' });
  is(all.connect('ann', 'a1')?.conversation?.id, 'kitchen');
});

test('who connects before joining is in no conversation until then', () => {
  const all = registry();
  is(all.connect('ann', 'a1')?.conversation, null);
  equal(seen(all.join('ann', 'kitchen', 0)), { connections: ['a1'], conversation: 'kitchen' });
});

test("joining moves all clients of the user at once, and nobody else's", () => {
  const all = registry();
  for (const client of ['a1', 'a2', 'a3']) all.connect('ann', client);
  all.connect('ben', 'b1');
  all.join('ann', 'kitchen', 0);
  all.join('ben', 'kitchen', 0);
  equal(seen(all.join('ann', 'garden', 0)), { connections: ['a1', 'a2', 'a3'], conversation: 'garden' });
  is(all.connect('ben', 'b2')?.conversation?.id, 'kitchen');
  is(all.conversationCount, 2);
});

test('joining the same conversation again changes nothing', () => {
  const all = registry();
  all.connect('ann', 'a1');
  const first = enter(all, 'ann', 'kitchen');
  is(enter(all, 'ann', 'kitchen'), first);
  all.leave('ann', 'kitchen');
  is(all.conversationCount, 0);
});

test('a user is in one conversation at most: the one moved out of is gone when nobody else is in it', () => {
  const all = registry();
  all.join('ann', 'kitchen', 0);
  all.join('ann', 'garden', 0);
  is(all.conversationCount, 1);
  equal(seen(all.leave('ann', 'kitchen')), { connections: [], conversation: null });
  is(all.conversationCount, 1, 'leaving the one before is nothing');
});

test('members of one conversation share its number, and a number is never used again', () => {
  const all = registry();
  const kitchen = enter(all, 'ann', 'kitchen');
  is(enter(all, 'ben', 'kitchen').key, kitchen.key);
  const garden = enter(all, 'cat', 'garden');
  is.not(garden.key, kitchen.key);
  all.leave('ann', 'kitchen');
  all.leave('ben', 'kitchen');
  const again = enter(all, 'ann', 'kitchen');
  ok(again.key !== kitchen.key && again.key !== garden.key);
});

test("clients of one user share the user's number, and other users have others", () => {
  const all = registry();
  const ann = all.connect('ann', 'a1')!.user;
  is(all.connect('ann', 'a2')!.user, ann);
  is.not(all.connect('ben', 'b1')!.user, ann);
});

test('leaving is idempotent, and all clients are told', () => {
  const all = registry();
  all.connect('ann', 'a1');
  all.connect('ann', 'a2');
  all.join('ann', 'kitchen', 0);
  equal(seen(all.leave('ann', 'kitchen')), { connections: ['a1', 'a2'], conversation: null });
  equal(seen(all.leave('ann', 'kitchen')), { connections: [], conversation: null });
  is(all.userCount, 1, 'still connected');
  is(all.connect('ann', 'a3')?.conversation, null);
});

test('leaving another conversation, or as an unknown user, is nothing', () => {
  const all = registry();
  all.connect('ann', 'a1');
  all.join('ann', 'kitchen', 0);
  equal(seen(all.leave('ann', 'garden')), { connections: [], conversation: null });
  equal(seen(all.leave('nobody', 'kitchen')), { connections: [], conversation: null });
  is(all.connect('ann', 'a2')?.conversation?.id, 'kitchen');
  is(all.userCount, 1);
});

test("a membership outlasts its user's last connection by the patience and not longer", () => {
  const all = registry();
  all.connect('ann', 'a1');
  all.join('ann', 'kitchen', 0);
  all.disconnect('ann', 'a1', 5000);
  is(all.forget(5000 + PATIENCE - 1, 0), 0);
  is(all.connect('ann', 'a2')?.conversation?.id, 'kitchen');
  all.disconnect('ann', 'a2', 7000);
  is(all.forget(7000 + PATIENCE, 0), 1);
  isEmpty(all);
  is(all.connect('ann', 'a3')?.conversation, null);
});

test('a membership of somebody who never connects is forgotten too, counted from the last join', () => {
  const all = registry();
  all.join('ann', 'kitchen', 0);
  all.join('ann', 'kitchen', 500);
  is(all.forget(PATIENCE, 0), 0);
  is(all.forget(500 + PATIENCE, 0), 1);
  isEmpty(all);
});

test('nobody who is connected is ever forgotten', () => {
  const all = registry();
  all.connect('ann', 'a1');
  all.connect('ann', 'a2');
  all.join('ann', 'kitchen', 0);
  all.disconnect('ann', 'a1', 10);
  is(all.forget(1e9, 0), 0);
  is(all.userCount, 1);
});

test('a user without a conversation is gone with the last connection', () => {
  const all = registry();
  all.connect('ann', 'a1');
  all.connect('ann', 'a2');
  all.disconnect('ann', 'a1', 0);
  is(all.userCount, 1);
  all.disconnect('ann', 'a2', 0);
  isEmpty(all);
});

test('disconnecting what is not connected is nothing', () => {
  const all = registry();
  all.disconnect('nobody', 'x', 0);
  all.join('ann', 'kitchen', 0);
  all.disconnect('ann', 'x', 900);
  is(all.forget(PATIENCE, 0), 1, 'and prolongs no membership');
  isEmpty(all);
});

test('a full conversation takes nobody more, whoever they are, until somebody leaves; those in it may join again', () => {
  const all = registry(MANY, MANY, 2);
  all.connect('cat', 'c1');
  for (const user of ['ann', 'ben']) enter(all, user, 'kitchen');
  const { key } = enter(all, 'cat', 'garden');
  is(all.join('cat', 'kitchen', 0), 'participants');
  is(all.join('dan', 'kitchen', 0), 'participants');
  is(all.connect('cat', 'c2')?.conversation?.key, key, 'who is refused stays where they are');
  is(all.userCount, 3, 'who is refused is nobody known');
  equal(seen(all.join('ben', 'kitchen', 0)), { connections: [], conversation: 'kitchen' });
  all.leave('ann', 'kitchen');
  equal(seen(all.join('cat', 'kitchen', 0)), { connections: ['c1', 'c2'], conversation: 'kitchen' });
  is(all.join('ann', 'kitchen', 0), 'participants');
});

test('with all conversations in use none begins, but people join those there are, and who is alone may begin another', () => {
  const all = registry(MANY, 2);
  enter(all, 'ann', 'kitchen');
  enter(all, 'ben', 'garden');
  is(all.join('cat', 'cellar', 0), 'conversations');
  is(all.userCount, 2);
  enter(all, 'cat', 'garden');
  is(all.join('cat', 'cellar', 0), 'conversations', 'ben is left in the garden');
  enter(all, 'ann', 'cellar');
  is(all.conversationCount, 2);
  is(all.join('dan', 'kitchen', 0), 'conversations');
  all.leave('ann', 'cellar');
  enter(all, 'dan', 'kitchen');
});

test('a full registry takes no further user, but the known ones still connect and move', () => {
  const all = registry(2);
  all.join('ann', 'kitchen', 0);
  all.connect('ben', 'b1');
  is(all.join('cat', 'kitchen', 0), 'users');
  is(all.connect('cat', 'c1'), null);
  is(all.connect('ann', 'a1')?.conversation?.id, 'kitchen');
  equal(seen(all.join('ben', 'garden', 0)), { connections: ['b1'], conversation: 'garden' });
  is(all.userCount, 2);
  all.leave('ann', 'kitchen');
  all.disconnect('ann', 'a1', 0);
  equal(seen(all.join('cat', 'kitchen', 0)), { connections: [], conversation: 'kitchen' });
});

test('ids are compared as they are: no trimming, no case, no meaning', () => {
  const all = registry();
  const ids = ['a', 'A', ' a', 'a ', '', '__proto__', 'constructor', 'toString', 'é', 'e\u0301'];
  for (const id of ids) all.join(`user of ${id}`, id, 0);
  is(all.conversationCount, ids.length);
  for (const id of ids) all.join(id, 'one', 0);
  is(all.userCount, 2 * ids.length);
});

/** The registry written naively: one list of connections, one of memberships. */
class Model {
  connections: { user: string; connection: string }[] = [];
  memberships: { user: string; id: string; until: number }[] = [];

  connectionsOf(user: string): string[] {
    return this.connections.filter((one) => one.user === user).map(({ connection }) => connection);
  }

  conversationOf(user: string): string | null {
    return this.memberships.find((one) => one.user === user)?.id ?? null;
  }

  whatIsFull(user: string, id: string, conversations: number, participants: number): Full | null {
    const others = this.memberships.filter((one) => one.user !== user);
    const there = others.filter((one) => one.id === id).length;
    if (this.conversationOf(user) === id) return null;
    if (there > 0) return there < participants ? null : 'participants';
    return new Set(others.map((one) => one.id)).size < conversations ? null : 'conversations';
  }

  users(): Set<string> {
    return new Set([...this.connections, ...this.memberships].map(({ user }) => user));
  }

  prolong(user: string, now: number): void {
    for (const one of this.memberships) if (one.user === user) one.until = now + PATIENCE;
  }

  drop(user: string): void {
    this.memberships = this.memberships.filter((one) => one.user !== user);
  }

  forget(now: number): number {
    const before = this.memberships.length;
    this.memberships = this.memberships.filter(({ user, until }) => this.connectionsOf(user).length > 0 || until > now);
    return before - this.memberships.length;
  }
}

test('random operations do what a naive model does, and leave nothing behind', () => {
  const random = prng(seed('random memberships'));
  const pick = (most: number): number => random() % most;
  for (let round = 0; round < 20; round++) {
    const maxUsers = 1 + pick(8);
    const [maxConversations, maxParticipants] = [1 + pick(5), 1 + pick(8)];
    const all = registry(maxUsers, maxConversations, maxParticipants);
    const model = new Model();
    let now = 0;
    let connections = 0;
    for (let step = 0; step < 1000; step++) {
      now += pick(PATIENCE / 4);
      const user = `user ${pick(10)}`;
      const id = `room ${pick(5)}`;
      const room = model.users().has(user) || model.users().size < maxUsers;
      switch (pick(5)) {
        case 0: {
          const connection = `connection ${++connections}`;
          const member = all.connect(user, connection);
          is(member !== null, room);
          if (member === null) break;
          model.connections.push({ user, connection });
          is(member.conversation?.id ?? null, model.conversationOf(user));
          break;
        }
        case 1: {
          const open = model.connectionsOf(user);
          const connection = open[pick(open.length + 1)] ?? 'unknown';
          all.disconnect(user, connection, now);
          if (open.includes(connection)) model.prolong(user, now);
          model.connections = model.connections.filter((one) => one.connection !== connection);
          break;
        }
        case 2: {
          const placement = seen(all.join(user, id, now));
          const full = model.whatIsFull(user, id, maxConversations, maxParticipants) ?? (room ? null : 'users');
          if (full !== null) {
            is(placement, full);
            break;
          }
          equal(placement, { connections: model.connectionsOf(user), conversation: id });
          model.drop(user);
          model.memberships.push({ user, id, until: now + PATIENCE });
          break;
        }
        case 3: {
          const there = model.conversationOf(user) === id;
          equal(seen(all.leave(user, id)), { connections: there ? model.connectionsOf(user) : [], conversation: null });
          if (there) model.drop(user);
          break;
        }
        default:
          is(all.forget(now, 0), model.forget(now));
      }
      is(all.userCount, model.users().size);
      is(all.conversationCount, new Set(model.memberships.map((one) => one.id)).size);
    }
    for (const { user, connection } of model.connections) all.disconnect(user, connection, now);
    all.forget(now + PATIENCE, 0);
    isEmpty(all);
  }
});

test('a mute of an operator outlasts leaving and coming back, until the user would be forgotten', () => {
  const all = registry();
  all.join('eve', 'hall', 0);
  all.connect('eve', 'e1');
  equal(all.mute('eve', 'hall', true), ['e1']);
  all.disconnect('eve', 'e1', 1000);
  all.leave('eve', 'hall');
  is(all.forget(1000 + PATIENCE - 1, 0), 0);
  is(all.connect('eve', 'e2')?.mutedByOperator, true);
  all.disconnect('eve', 'e2', 2000);
  is(all.forget(2000 + PATIENCE, 0), 1);
  is(all.connect('eve', 'e3')?.mutedByOperator, false);
  all.disconnect('eve', 'e3', 3000);
  isEmpty(all);
});

test('conversations are listed in the order in which they began, a page at a time', () => {
  const all = registry();
  for (const [i, id] of ['kitchen', 'garden', 'cellar'].entries()) enter(all, `user${i}`, id);
  enter(all, 'ann', 'garden');
  const page = (after: number, limit: number): unknown[] =>
    all.list(after, limit).map(({ id, key, users }) => [id, key, users]);
  equal(page(0, 2), [
    ['kitchen', 1, 1],
    ['garden', 2, 2],
  ]);
  equal(page(2, 2), [['cellar', 3, 1]]);
  equal(page(3, 2), []);
});

test('the members of a conversation are its users alone, connected or not', () => {
  const all = registry();
  for (const [userid, id] of [
    ['ann', 'kitchen'],
    ['ben', 'garden'],
    ['cid', 'kitchen'],
  ] as const) {
    enter(all, userid, id);
  }
  all.connect('cid', 'c1');
  equal(
    all.members('kitchen').map(({ userid, connections }) => [userid, connections]),
    [
      ['ann', []],
      ['cid', ['c1']],
    ],
  );
  equal(all.members('attic'), []);
});

const inHall = { conversation: 'hall', mutedByOperator: false, elsewhere: 0 };

test('a record of the cluster moves and mutes the connections that are here', () => {
  const all = registry();
  all.connect('ann', 'a1');
  const { connections, conversation, muteChanged } = all.apply('ann', { ...inHall, mutedByOperator: true }, 0);
  equal([connections, conversation?.id, muteChanged], [['a1'], 'hall', true]);
  const again = all.apply('ann', { ...inHall, mutedByOperator: true }, 0);
  equal([again.muteChanged, again.moved], [false, false]);
  is(all.connect('ann', 'a2')?.mutedByOperator, true);
  equal([...all.connectionsOf('ann')], ['a1', 'a2']);
  const gone = all.apply('ann', null, 0);
  equal([gone.connections, gone.conversation, gone.muteChanged, gone.moved], [['a1', 'a2'], null, true, true]);
  for (const connection of ['a1', 'a2']) all.disconnect('ann', connection, 0);
  isEmpty(all);
});

test('a record of somebody who was never here and is gone again leaves nothing', () => {
  const all = registry();
  equal(all.apply('ann', null, 0).connections, []);
  all.apply('ann', { ...inHall, elsewhere: 1 }, 0);
  is(all.members('hall')[0]?.elsewhere, 1);
  all.apply('ann', { ...inHall, conversation: null, elsewhere: 1 }, 0);
  is(all.userCount, 1, 'known for as long as there is a record');
  all.apply('ann', null, 0);
  isEmpty(all);
});

test('who is connected elsewhere never expires, and who has a record is never forgotten', () => {
  const all = registry();
  all.apply('ann', { ...inHall, elsewhere: 1 }, 0);
  all.apply('ben', inHall, 0);
  all.join('cid', 'hall', 1);
  equal([...all.expired(PATIENCE - 1)], []);
  equal([...all.expired(PATIENCE + 1)], ['ben', 'cid']);
  const expired = (userid: string, now: number): boolean => all.hasExpired(userid, now);
  equal([expired('ben', PATIENCE - 1), expired('ben', PATIENCE), expired('ann', 9 * PATIENCE)], [false, true, false]);
  is(all.forget(PATIENCE + 1, 0), 1, 'cid has no record');
  equal([...all.expired(PATIENCE + 1)], ['ben']);
  all.apply('ann', inHall, 2 * PATIENCE);
  all.apply('ben', { ...inHall, elsewhere: 1 }, 2 * PATIENCE);
  equal([...all.expired(3 * PATIENCE)], ['ann'], 'since the last connection elsewhere ended');
});

test('the last connection here starts no time while there is one elsewhere', () => {
  const all = registry();
  all.apply('ann', { ...inHall, elsewhere: 1 }, 0);
  all.connect('ann', 'a1');
  all.disconnect('ann', 'a1', 0);
  equal([...all.expired(10 * PATIENCE)], []);
  all.connect('ann', 'a1');
  all.apply('ann', inHall, 0);
  equal([...all.expired(10 * PATIENCE)], [], 'nor one elsewhere while there is one here');
  all.disconnect('ann', 'a1', 0);
  equal([...all.expired(PATIENCE)], ['ann']);
});

test('records hold whatever the limits, and say where they exceed them', () => {
  const all = registry(1, 1, 1);
  is(all.apply('ann', inHall, 0).overfull, false);
  is(all.whatKeepsOut('ben', 'hall'), 'participants');
  is(all.whatKeepsOut('ben', 'attic'), 'conversations');
  is(all.whatKeepsOut('ann', 'attic'), null, 'their own ends with the move');
  is(all.apply('ben', inHall, 0).overfull, true);
  is(all.apply('ben', { ...inHall, elsewhere: 1 }, 0).overfull, false, 'only the move counts');
  is(registry(1).whatKeepsOut('ann', 'hall'), null);
  is(all.apply('cid', { ...inHall, conversation: 'attic' }, 0).overfull, false);
  is(all.userCount, 3);
});

test("a user's number is the same for the registry and for a source, for as long as either knows the user", () => {
  const numbers = new UserNumbers();
  const all = new Conversations<string>({ users: MANY, conversations: MANY, participants: MANY }, PATIENCE, numbers);
  const number = numbers.take('ann');
  is(all.connect('ann', 'a1')?.user, number);
  numbers.give('ann');
  is(numbers.take('ann'), number);
  all.disconnect('ann', 'a1', 0);
  is(numbers.take('ann'), number);
  numbers.give('ann');
  numbers.give('ann');
  is(numbers.size, 0);
  numbers.give('ann');
  ok(numbers.take('ann') > number, 'no number is used twice');
});

test.run();
