/** The copy of all records: what the bucket tells it, breaks, and a bucket that was lost. */
import { equal, is, ok } from 'uvu/assert';
import { noReadCounts } from '../../../src/main/cluster/messages/read.ts';
import {
  blankRecord,
  isBlank,
  readRecord,
  recordKey,
  type UserRecord,
  writeRecord,
} from '../../../src/main/cluster/messages/record.ts';
import { Mirror } from '../../../src/main/cluster/mirror.ts';
import { UsersByInstance } from '../../../src/main/cluster/users-by-instance.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('mirror of user records');

const A = 'aaaaaaaaaaaa';
const B = 'bbbbbbbbbbbb';

function inRoom(userid: string, conversation: string | null = 'hall'): UserRecord {
  return { ...blankRecord(userid), conversation };
}

function setUp(limit = 100) {
  const told: string[] = [];
  const counts = noReadCounts();
  const clock = { now: 0 };
  const changed = (userid: string, record: UserRecord | null): void => {
    told.push(`${userid} ${record === null ? 'gone' : record.conversation}`);
  };
  const mirror = new Mirror({ changed, counts, limit, now: () => clock.now });
  const put = (revision: number, record: UserRecord): void =>
    mirror.take(recordKey(record.userid), revision, writeRecord(record));
  const mark = (revision: number, userid: string): void => mirror.take(recordKey(userid), revision, null);
  /** What was told since the last call. */
  const took = (): string[] => told.splice(0);
  return { mirror, counts, clock, put, mark, took };
}

const never = new AbortController().signal;

/** Whether a promise is settled by now. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => {
      done = true;
    },
    () => {
      done = true;
    },
  );
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

test('records are put, changed and deleted in the order of the bucket', () => {
  const { mirror, put, mark, took, clock } = setUp();
  put(1, inRoom('ann'));
  put(2, inRoom('ben'));
  put(3, inRoom('ann', 'attic'));
  equal(took(), ['ann hall', 'ben hall', 'ann attic']);
  is(mirror.get('ann')?.conversation, 'attic');
  equal(mirror.look('ann'), { record: inRoom('ann', 'attic'), revision: 3, lost: false });
  equal(mirror.look('cid'), { record: blankRecord('cid'), revision: 0, lost: false });
  clock.now = 7;
  mark(4, 'ann');
  mark(5, 'cid');
  equal(took(), ['ann gone']);
  equal(
    [...mirror.markers.values()],
    [
      { revision: 4, at: 7 },
      { revision: 5, at: 7 },
    ],
  );
  put(6, inRoom('ann'));
  is(mirror.markers.size, 1);
  equal([mirror.size, mirror.revision, [...mirror.all()].length], [2, 6, 2]);
});

test('what did not change while nothing was heard is not told again, and what is not there any more is gone', () => {
  const { mirror, put, mark, took, clock } = setUp();
  put(1, inRoom('ann'));
  put(2, inRoom('ben'));
  put(3, inRoom('cid'));
  mark(4, 'dan');
  mark(5, 'eve');
  took();
  clock.now = 9;
  mirror.beginReading(false);
  put(1, inRoom('ann'));
  mark(4, 'dan');
  put(7, inRoom('cid', 'attic'));
  equal(took(), ['cid attic']);
  mirror.endReading(8);
  equal(took(), ['ben gone']);
  equal([...mirror.markers.values()], [{ revision: 4, at: 0 }], 'as old as it is');
  is(mirror.revision, 8);
});

test('the records of a lost bucket count on until they are restored or deleted', () => {
  const { mirror, put, mark, took } = setUp();
  for (const [i, user] of ['ann', 'ben', 'cid'].entries()) put(100 + i, inRoom(user));
  mark(104, 'dan');
  took();
  mirror.beginReading(true);
  put(1, inRoom('ann', 'attic'));
  mirror.endReading(1);
  equal(took(), ['ann attic']);
  equal([mirror.revision, mirror.markers.size], [1, 0]);
  equal(
    [...mirror.lost()].map(({ userid }) => userid),
    ['ben', 'cid'],
  );
  equal(mirror.look('ben'), { record: inRoom('ben'), revision: 0, lost: true });
  put(2, inRoom('ben'));
  mark(3, 'cid');
  equal(took(), ['ben hall', 'cid gone']);
  equal([...mirror.lost()], []);
});

test('what was malformed in a lost bucket is gone, because nobody can restore it', () => {
  const { mirror, put, took } = setUp();
  put(100, inRoom('ann'));
  mirror.take(recordKey('ben'), 101, Buffer.from('{'));
  is(mirror.size, 2);
  took();
  mirror.beginReading(true);
  mirror.endReading(0);
  is(mirror.size, 1);
  equal(
    [...mirror.lost()].map(({ userid }) => userid),
    ['ann'],
  );
  equal(took(), []);
});

test('a record that vanishes while its marker would still be there is lost, not deleted', () => {
  const { mirror, put, mark, took } = setUp();
  for (const [i, user] of ['ann', 'ben', 'cid'].entries()) put(1 + i, inRoom(user));
  took();
  mirror.beginReading(false);
  put(1, inRoom('ann'));
  mark(4, 'ben');
  is(mirror.endReading(4, true), 1);
  equal(took(), ['ben gone']);
  equal(mirror.look('cid'), { record: inRoom('cid'), revision: 0, lost: true });
  mirror.beginReading(false);
  is(mirror.endReading(4, true), 1, 'ann');
  is([...mirror.lost()].length, 2);
});

test('a reading of a new bucket that breaks loses nothing', () => {
  const { mirror, put, took } = setUp();
  put(100, inRoom('ann'));
  put(101, inRoom('ben'));
  mirror.beginReading(true);
  put(1, inRoom('ann'));
  mirror.beginReading(false);
  put(1, inRoom('ann'));
  mirror.endReading(1);
  equal(
    [...mirror.lost()].map(({ userid }) => userid),
    ['ben'],
  );
  ok(!took().includes('ben gone'));
});

test('who waits for a revision goes on once it is here, and no later than the deadline', async () => {
  const { mirror, put, mark } = setUp();
  put(1, inRoom('ann'));
  ok(await settled(mirror.reaches('ann', 1, never)));
  const [reaches, leaves] = [mirror.reaches('ann', 3, never), mirror.leaves('ann', 1, never)];
  put(2, inRoom('ben'));
  is(await settled(Promise.race([reaches, leaves])), false);
  put(3, inRoom('ann', 'attic'));
  ok(await settled(Promise.all([reaches, leaves])));
  const gone = mirror.leaves('ann', 3, never);
  mark(4, 'ann');
  ok(await settled(gone));
  const read = mirror.reaches('cid', 9, never);
  mirror.beginReading(false);
  mirror.endReading(9);
  ok(await settled(read), 'nothing that a reading could tell is missing');
  const controller = new AbortController();
  const late = mirror.reaches('ann', 99, controller.signal).catch((error: Error) => error.message);
  controller.abort(new Error('late'));
  is(await late, 'late');
  is(await mirror.reaches('ann', 99, controller.signal).catch((error: Error) => error.message), 'late');
  put(99, inRoom('ann'));
});

test('a malformed record counts as none, until a good one comes', () => {
  const { mirror, counts, put, mark, took } = setUp();
  put(1, inRoom('ann'));
  mirror.take(recordKey('ann'), 2, new TextEncoder().encode('{"v":1}'));
  mirror.take(recordKey('ben'), 3, new Uint8Array(0));
  mirror.take(recordKey('ann'), 3, new TextEncoder().encode('{"v":1}'));
  equal(took(), ['ann hall', 'ann gone']);
  is(counts.malformed, 3);
  equal([mirror.get('ann'), [...mirror.all()]], [undefined, []]);
  is(mirror.look('ann').revision, 3, 'a change has to replace it');
  put(4, inRoom('ann', 'attic'));
  put(5, inRoom('ben'));
  equal(took(), ['ann attic', 'ben hall']);
  mirror.take(recordKey('ben'), 6, new Uint8Array(0));
  mark(7, 'ben');
  equal(took(), ['ben gone']);
});

test('more records than allowed are ignored, and those that are known still change', () => {
  const { mirror, put, mark, took } = setUp(1);
  put(1, inRoom('ann'));
  put(2, inRoom('ben'));
  put(3, inRoom('ann', 'attic'));
  equal([mirror.overflow, mirror.size], [1, 1]);
  equal(took(), ['ann hall', 'ann attic']);
  is(mirror.hasRoomAgain, false);
  mark(4, 'ann');
  is(mirror.hasRoomAgain, true);
  mirror.beginReading(false);
  put(2, inRoom('ben'));
  mirror.endReading(4);
  equal([mirror.overflow, mirror.hasRoomAgain], [0, false]);
  equal(took(), ['ann gone', 'ben hall']);
});

test('no two users have the same key, and each key is one that NATS takes', () => {
  const users = [
    'ann',
    'Ann',
    'ann.',
    'a b',
    '*',
    '>',
    'ü',
    '\ud800',
    '\ud801',
    '\ufffd',
    'x'.repeat(256),
    'é'.repeat(256),
  ];
  const keys = users.map(recordKey);
  is(new Set(keys).size, users.length);
  for (const key of keys) ok(/^[-=\w]{1,200}$/.test(key), key);
  ok(keys.filter((key) => key.startsWith('=')).length === 4, 'long ones and broken ones are hashed');
  const counts = noReadCounts();
  for (const [i, user] of users.entries()) {
    equal(readRecord(keys[i]!, writeRecord(inRoom(user)), counts)?.userid, user);
  }
  is(readRecord(recordKey('ann'), writeRecord(inRoom('ben')), counts), null);
  is(counts.malformed, 1);
});

test('a record is blank if it says nothing of its user', () => {
  ok(isBlank({ ...blankRecord('ann'), kicked: true }));
  is(isBlank(inRoom('ann')), false);
  is(isBlank({ ...blankRecord('ann'), mutedByOperator: true }), false);
  is(isBlank({ ...blankRecord('ann'), connections: [{ clientid: 'tab', instance: A, connection: 1 }] }), false);
});

test('users are found by the instances that their records name', () => {
  const users = new UsersByInstance();
  const on = (...instances: string[]): UserRecord => ({
    ...blankRecord('ann'),
    connections: instances.map((instance, i) => ({ clientid: `tab ${i}`, instance, connection: i })),
  });
  users.set('ann', on(A, B, A));
  users.set('ben', on(B));
  equal([[...users.of(A)], [...users.of(B)]], [['ann'], ['ann', 'ben']]);
  users.set('ann', on(B));
  equal(users.instances(), [B]);
  users.set('ann', on());
  users.set('ben', null);
  equal([users.instances(), users.of(B).size], [[], 0]);
});

test.run();
