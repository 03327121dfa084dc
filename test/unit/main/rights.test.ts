/** The right to speak: by permission and by operators, in the registry and on the connections of a user. */
import { equal, is, match, ok } from 'uvu/assert';
import { noReadCounts } from '../../../src/main/cluster/messages/read.ts';
import {
  blankRecord,
  isBlank,
  recordKey,
  type UserRecord,
  writeRecord,
} from '../../../src/main/cluster/messages/record.ts';
import { Mirror } from '../../../src/main/cluster/mirror.ts';
import { Conversations } from '../../../src/main/conversations/conversations.ts';
import type { Placement } from '../../../src/main/conversations/registry-types.ts';
import {
  afterwards,
  areLasting,
  bannedFor,
  FULL_GRANT,
  FULL_RIGHTS,
  MAX_BANS,
  MAX_METADATA_LENGTH,
  MAX_NAME_LENGTH,
  MAX_WORDS,
  maySpeak,
  withBan,
  withGrant,
  withWord,
} from '../../../src/main/conversations/rights.ts';
import type { RequestError } from '../../../src/main/errors.ts';
import { LocalStore } from '../../../src/main/memberships/membership-store.ts';
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

test('a ban holds for its time in its conversation, and those that end first give way to more', () => {
  let rights = withBan(FULL_RIGHTS, 'hall', 3000, 1000);
  equal([bannedFor(rights, 'hall', 1000), bannedFor(rights, 'hall', 3000), bannedFor(rights, 'yard', 0)], [2000, 0, 0]);
  rights = withBan(rights, 'hall', 2000, 1000);
  equal(rights.bans, [{ conversation: 'hall', until: 2000 }], 'the last word counts');
  is(withBan(rights, 'yard', null, 1000), rights);
  equal(withBan(rights, 'hall', null, 1000).bans, []);
  equal(withBan(rights, 'yard', null, 2000).bans, [], 'one that has ended goes with the next change');
  for (let i = 0; i < 2 * MAX_BANS; i++) rights = withBan(rights, `room ${i}`, 10_000 + (i % 7), 1000);
  is(rights.bans.length, MAX_BANS);
  ok(
    rights.bans.every(({ until }) => until >= 10_003),
    'the longest ones stay',
  );
  const more = withBan(rights, 'the shortest', 1500, 1000);
  equal([more.bans.length, bannedFor(more, 'the shortest', 1000)], [MAX_BANS, 500], 'a new one holds, however short');
  equal([areLasting(rights), afterwards(rights, 10_007)], [true, null]);
  equal(afterwards({ ...rights, grant: LISTENS, words: [{ conversation: 'hall', speak: false }] }, 10_005)?.words, []);
});

test('a ban outlasts the membership, is forgotten once it has ended, and needs room like any user', () => {
  const all = new Conversations<string>({ users: 1, conversations: 10, participants: 10 }, PATIENCE);
  all.join('ann', 'hall', 0);
  is(all.ban('bob', 'hall', 5000, 0, 0), false, 'full');
  is(all.ban('ann', 'hall', 5000, 0, 0), true);
  all.mute('ann', 'hall', true);
  is(all.forget(PATIENCE, 4999), 1, 'the membership');
  equal([all.userCount, all.find('ann')], [1, { ...all.find('ann')!, conversation: null, mutedByOperator: false }]);
  is(bannedFor(all.find('ann')!.rights!, 'hall', 4999), 1);
  is(all.forget(2 * PATIENCE - 1, 9000), 0, 'it is looked at again after as long a time');
  is(all.forget(2 * PATIENCE, 5000), 1);
  is(all.userCount, 0);
  all.ban('bob', 'hall', 5000, 0, 0);
  all.ban('bob', 'hall', null, 0, 0);
  is(all.userCount, 0, 'a ban that was ended leaves nothing');
});

test('whoever is banned is taken out, and a join says for how long it is in vain', () => {
  const all = registry();
  const clock = { date: 1_000_000 };
  const placed: string[] = [];
  const store = new LocalStore({
    config: { MAX_MEMBERSHIPS: 10, MAX_CONVERSATIONS: 10, MAX_PARTICIPANTS: 10 },
    registry: all,
    connections: {
      place: ({ conversation }, kicked = false) =>
        placed.push(`${conversation?.id ?? 'none'}${kicked ? ' kicked' : ''}`),
      mute: () => undefined,
      letSpeak: (connections, speak) => placed.push(`${connections.join()} ${speak ? 'may' : 'may not'} speak`),
    },
    now: () => 0,
    date: () => clock.date,
  });
  const refusal = (act: () => void): RequestError | null => {
    try {
      act();
    } catch (error) {
      return error as RequestError;
    }
    return null;
  };
  const join = (): RequestError | null => refusal(() => store.join('ann', 'hall', null));
  is(join(), null);
  store.ban('ann', 'hall', 90);
  equal(placed, ['hall', 'none kicked']);
  clock.date += 30_500;
  const { kind, headers, message } = join()!;
  equal([kind, headers['Retry-After']], ['banned', '60']);
  match(message, 'another 60 s');
  is(
    refusal(() => store.join('ann', 'yard', null)),
    null,
    'elsewhere they may go',
  );
  is(refusal(() => store.ban('ann', 'yard', null))?.kind, 'not-found');
  store.ban('ann', 'hall', null);
  is(join(), null);
  all.connect('ann', 'tab');
  placed.length = 0;
  store.letSpeak('ann', 'hall', false);
  store.grant('ann', 'hall', FULL_GRANT);
  store.grant('ann', 'yard', LISTENS);
  equal(placed, ['tab may not speak', 'tab may not speak'], 'an operator’s word counts more');
  is(refusal(() => store.letSpeak('ann', 'yard', true))?.kind, 'not-found');
  store.ban('bob', 'hall', 90);
  is(refusal(() => store.join('bob', 'hall', null))?.kind, 'banned', 'somebody who has left already, or never came');
  clock.date += 90_000;
  is(
    refusal(() => store.join('bob', 'hall', null)),
    null,
  );
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
  is(all.forget(PATIENCE, 0), 1);
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
  equal(told.at(-1)?.rights, { grant: LISTENS, words: [], bans: [] }, 'of a version that knows neither names nor bans');
  for (const metadata of ['{', '7', 'null', '{ "x": 1 }', '{"x":1},"y":2', '"x"']) {
    put(counts.malformed + 5, { ...blankRecord('ann'), rights: { ...rights, grant: { ...LISTENS, metadata } } });
    is(told.at(-1), null, metadata);
  }
  is(counts.malformed, 7);
});

test.run();
