/** The right to speak: by permission and by operators, in the registry and on the connections of a user. */
import { equal, is } from 'uvu/assert';
import { noReadCounts } from '../../../src/main/cluster/messages/read.ts';
import {
  blankRecord,
  isBlank,
  recordKey,
  type UserRecord,
  writeRecord,
} from '../../../src/main/cluster/messages/record.ts';
import { Mirror } from '../../../src/main/cluster/mirror.ts';
import { Conversations, type Placement } from '../../../src/main/conversations/conversations.ts';
import {
  areLasting,
  FULL_GRANT,
  FULL_RIGHTS,
  MAX_METADATA_LENGTH,
  MAX_NAME_LENGTH,
  MAX_WORDS,
  maySpeak,
  withGrant,
  withWord,
} from '../../../src/main/conversations/rights.ts';
import { grantOf } from '../../../src/main/memberships/permission-answer.ts';
import { ConnectionsFixture } from '../../support/connections-fixture.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('rights');
const PATIENCE = 1000;
const LISTENS = { ...FULL_GRANT, speak: false };

const registry = (): Conversations<string> =>
  new Conversations<string>({ users: 10, conversations: 10, participants: 10 }, PATIENCE);
const speaks = (placement: unknown): boolean => (placement as Placement<string>).maySpeak;

test('an operator’s word counts more than the permission, in its conversation alone', () => {
  const listener = withGrant(FULL_RIGHTS, LISTENS);
  equal([maySpeak(FULL_RIGHTS, 'hall'), maySpeak(listener, 'hall'), maySpeak(listener, null)], [true, false, true]);
  const allowed = withWord(listener, 'hall', true);
  equal([maySpeak(allowed, 'hall'), maySpeak(allowed, 'yard')], [true, false]);
  is(maySpeak(withWord(allowed, 'hall', false), 'hall'), false, 'the last word counts');
  equal([areLasting(listener), areLasting(allowed)], [false, true]);
});

test('what changes nothing is the same object, so that no record is written', () => {
  is(withGrant(FULL_RIGHTS, FULL_GRANT), FULL_RIGHTS);
  is(withGrant(FULL_RIGHTS, null), FULL_RIGHTS);
  const listener = withGrant(FULL_RIGHTS, LISTENS);
  is(withGrant(listener, { ...LISTENS }), listener);
  is(withGrant(listener, null, true), listener, 'a join without a permission of somebody who is there');
  equal(withGrant(listener, null), FULL_RIGHTS);
  const word = withWord(listener, 'hall', true);
  is(withWord(word, 'hall', true), word);
});

test('the words of operators are bounded, and the oldest are forgotten', () => {
  let rights = FULL_RIGHTS;
  for (let i = 0; i < 3 * MAX_WORDS; i++) rights = withWord(rights, `room ${i % (2 * MAX_WORDS)}`, i % 2 === 0);
  is(rights.words.length, MAX_WORDS);
  is(rights.words.at(-1)?.conversation, `room ${MAX_WORDS - 1}`);
  is(new Set(rights.words.map(({ conversation }) => conversation)).size, MAX_WORDS);
});

test('a permission holds for its conversation, and an operator’s word outlasts leaving and disconnecting', () => {
  const all = registry();
  all.connect('ann', 'tab');
  is(speaks(all.join('ann', 'hall', 0, LISTENS)), false);
  is(all.connect('ann', 'phone')?.maySpeak, false, 'another device of the same user');
  is(speaks(all.join('ann', 'hall', 0)), false, 'a join that asks for no permission changes none');
  is(all.members('hall')[0]?.maySpeak, false);
  is(speaks(all.join('ann', 'yard', 0)), true);
  is(all.letSpeak('ann', 'hall', false), null, 'she is not there');
  equal(all.letSpeak('ann', 'yard', false), ['tab', 'phone']);
  is(speaks(all.join('ann', 'yard', 0, FULL_GRANT)), false);
  is(speaks(all.leave('ann', 'yard')), true);
  for (const connection of ['tab', 'phone']) all.disconnect('ann', connection, 0);
  is(all.userCount, 1);
  is(speaks(all.join('ann', 'yard', 0, FULL_GRANT)), false);
  all.leave('ann', 'yard');
  is(all.forget(PATIENCE), 1);
  is(all.userCount, 0);
});

test('nobody can be heard for a moment where they may not speak, whether they move there or away', async () => {
  const life = new ConnectionsFixture();
  const { connection } = await life.connect('ann');
  const join = (conversation: string, speak: boolean): void => {
    const placement = life.registry.join('ann', conversation, 0, { ...FULL_GRANT, speak });
    life.connections.place(placement as never);
  };
  join('hall', true);
  life.shard.slow = true;
  join('stage', false);
  equal([connection.muted, life.shard.told.slice(1)], [true, ['mute 0', 'leave 0']], 'muted before it leaves');
  life.shard.letGo();
  life.shard.told.length = 0;
  join('hall', true);
  equal([connection.muted, life.shard.told], [false, ['leave 0']], 'not unmuted before it has left');
  life.shard.letGo();
  equal(life.told.slice(1), [
    'ann/tab is in hall',
    'ann/tab may not speak',
    'ann/tab is in stage',
    'ann/tab is in hall',
    'ann/tab may speak',
  ]);
  join('hall', false);
  equal([connection.muted, life.shard.told.at(-1)], [true, 'mute 0'], 'the same conversation, another permission');
});

test('a new connection of somebody who may not speak is muted from the start, and told so', async () => {
  const life = new ConnectionsFixture();
  life.registry.join('ann', 'stage', 0, LISTENS);
  const { connection } = await life.connect('ann');
  is(connection.muted, true);
  equal(life.told, ['ann/tab may not speak', 'ann/tab is in stage']);
});

test('a hand is lowered where its user may speak, and where they are no longer', async () => {
  const life = new ConnectionsFixture();
  const { connection } = await life.connect('ann');
  const place = (conversation: string): void =>
    life.connections.place(life.registry.join('ann', conversation, 0, LISTENS) as never);
  place('hall');
  connection.hand = true;
  place('hall');
  is(connection.hand, true, 'the same conversation');
  place('yard');
  is(connection.hand, false);
  connection.hand = true;
  life.connections.letSpeak(life.registry.letSpeak('ann', 'yard', true)!, true);
  equal([connection.hand, connection.muted], [false, false]);
});

test('JSON that grants something is told from JSON that cannot be read', () => {
  equal(grantOf('{"speak":false,"later":[]}'), { grant: LISTENS, bad: [] });
  const ann = { speak: false, name: 'Ann 😀', metadata: { seat: 7, __proto__: null } };
  const metadata = '{"seat":7}';
  equal(grantOf(JSON.stringify(ann)), { grant: { ...ann, metadata }, bad: [] });
  for (const body of ['', ' \n', '{}', '{"speak":true,"name":null,"metadata":null}']) {
    equal(grantOf(body), { grant: FULL_GRANT, bad: [] }, body);
  }
  for (const body of [null, '{', 'null', '[]', '7', '"no"']) {
    equal(grantOf(body), { grant: FULL_GRANT, bad: null }, String(body));
  }
  const bad: readonly [string, unknown][] = [
    ['speak', 0],
    ['speak', null],
    ['name', ''],
    ['name', 7],
    ['name', 'x'.repeat(MAX_NAME_LENGTH + 1)],
    ['metadata', []],
    ['metadata', 'x'],
    ['metadata', { x: 'x'.repeat(MAX_METADATA_LENGTH) }],
  ];
  for (const [member, value] of bad) {
    const { grant, bad: named } = grantOf(JSON.stringify({ ...ann, [member]: value }));
    equal(named, [member]);
    equal(grant, { ...ann, metadata, [member]: FULL_GRANT[member as 'speak'] }, 'the others count all the same');
  }
});

test('a record with an operator’s word is kept, and an instance of an older version takes away none', () => {
  const told: (UserRecord | null)[] = [];
  const counts = noReadCounts();
  const mirror = new Mirror({ changed: (_, record) => told.push(record), counts, limit: 9, now: () => 0 });
  const put = (revision: number, record: object): void =>
    mirror.take(recordKey('ann'), revision, writeRecord(record as UserRecord));
  const rights = withWord(withGrant(FULL_RIGHTS, LISTENS), 'hall', false);
  is(isBlank({ ...blankRecord('ann'), rights }), false);
  is(isBlank({ ...blankRecord('ann'), rights: withGrant(FULL_RIGHTS, LISTENS) }), true);
  put(1, { ...blankRecord('ann'), conversation: 'hall', rights });
  put(2, { ...blankRecord('ann'), conversation: 'yard' });
  equal([told.at(-1)?.conversation, told.at(-1)?.rights], ['yard', rights]);
  put(3, { ...blankRecord('ann'), conversation: 'hall', rights: FULL_RIGHTS });
  equal(told.at(-1)?.rights, FULL_RIGHTS);
  put(4, {
    ...blankRecord('ann'),
    conversation: 'hall',
    rights: { ...rights, words: new Array(MAX_WORDS + 1).fill(rights.words[0]) },
  });
  equal([told.at(-1), counts.malformed], [null, 1], 'hostile');
  put(5, { ...blankRecord('ann'), rights: { grant: { speak: false }, words: [] } });
  equal(told.at(-1)?.rights?.grant, LISTENS, 'of a version that knows no names');
  for (const metadata of ['{', '7', 'null', '{ "x": 1 }', '{"x":1},"y":2', '"x"']) {
    put(counts.malformed + 5, { ...blankRecord('ann'), rights: { ...rights, grant: { ...LISTENS, metadata } } });
    is(told.at(-1), null, metadata);
  }
  is(counts.malformed, 7);
});

test.run();
