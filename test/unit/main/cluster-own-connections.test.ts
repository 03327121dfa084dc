/** An instance's part of the records, and how the janitor keeps them clean: with records that a test makes. */
import { equal, is, ok } from 'uvu/assert';
import { HerdQueue } from '../../../src/main/cluster/herd-queue.ts';
import { Janitor } from '../../../src/main/cluster/janitor.ts';
import { blankRecord, type RecordedConnection, type UserRecord } from '../../../src/main/cluster/messages/record.ts';
import { OwnConnections } from '../../../src/main/cluster/own-connections.ts';
import type { Edit, Records } from '../../../src/main/cluster/records.ts';
import type { StoredConnection } from '../../../src/main/cluster/user-store.ts';
import { FULL_RIGHTS } from '../../../src/main/conversations/rights.ts';
import { clusterUnavailable } from '../../../src/main/errors.ts';
import { FakeTimers } from '../../support/fake-timers.ts';
import { recordLog } from '../../support/log-record.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('own connections in user records');

const HERE = 'aaaaaaaaaaaa';
const THERE = 'bbbbbbbbbbbb';
const DEAD = 'dddddddddddd';

const there = (clientid: string, instance = THERE): RecordedConnection => ({ clientid, instance, connection: 7 });

/** Lets everything that can happen now happen. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp(limit = 8) {
  let record: UserRecord = blankRecord('ann');
  const here: StoredConnection[] = [];
  const ended: string[] = [];
  const edits: string[] = [];
  const state = { available: true, now: 0 };
  const records = {
    get available(): boolean {
      return state.available;
    },
    async change(_: string, edit: Edit): Promise<UserRecord> {
      if (!state.available) throw clusterUnavailable('away');
      const after = edit(record);
      edits.push(after === record ? 'same' : 'changed');
      if (after !== record) apply(after);
      return after;
    },
  };
  const own = new OwnConnections<StoredConnection>({
    records,
    instances: { self: { id: 'a', incarnation: HERE, version: '', host: '', pid: 1 }, isAlive: (who) => who !== DEAD },
    limit,
    log: recordLog().log,
    of: () => here,
    now: () => state.now,
    end: (connection, reason) => {
      ended.push(`${connection.claim.clientid} ${reason}`);
      here.splice(here.indexOf(connection), 1);
      own.write('ann');
    },
  });
  const apply = (next: UserRecord): void => {
    record = next;
    own.compare('ann', [...here], next);
  };
  const connect = async (id: number, clientid: string): Promise<StoredConnection> => {
    const connection = { id, claim: { userid: 'ann', clientid }, establishedAt: state.now };
    here.push(connection);
    own.add(connection, record);
    await settle();
    return connection;
  };
  const recorded = (): string[] =>
    record.connections.map(({ clientid, instance, connection }) => `${clientid} ${instance[0]} ${connection}`);
  const waits = (): unknown[] => record.connections.map(({ waited }) => waited);
  return { own, here, ended, edits, state, apply, connect, recorded, waits };
}

test('connections are recorded, and removed when they are not there any more', async () => {
  const { here, own, connect, recorded, edits, ended } = setUp();
  await connect(1, 'tab');
  await connect(2, 'phone');
  equal(recorded(), ['tab a 1', 'phone a 2']);
  here.shift();
  own.write('ann');
  await settle();
  equal(recorded(), ['phone a 2']);
  edits.length = 0;
  own.write('ann');
  await settle();
  equal([edits, ended], [['same'], []]);
});

test('a newcomer takes the entry of its client over, and a known one gives it up', async () => {
  const { connect, recorded, apply, ended } = setUp();
  apply({ ...blankRecord('ann'), connections: [there('tab'), there('pad')] });
  await connect(1, 'tab');
  equal(recorded(), ['pad b 7', 'tab a 1']);
  apply({ ...blankRecord('ann'), connections: [there('tab'), there('pad')] });
  await settle();
  equal(ended, ['tab replaced']);
  equal(recorded(), ['tab b 7', 'pad b 7']);
});

test('entries that were removed although the connection lives are written again, and strange ones removed', async () => {
  const { connect, recorded, apply, ended } = setUp();
  await connect(1, 'tab');
  apply({ ...blankRecord('ann'), connections: [there('pad'), there('other', HERE)] });
  await settle();
  equal(recorded(), ['pad b 7', 'tab a 1']);
  apply({ ...blankRecord('ann'), connections: [there('tab', HERE)] });
  await settle();
  equal(recorded(), ['tab a 1']);
  apply(blankRecord('ann'));
  await settle();
  equal(recorded(), ['tab a 1']);
  apply({ ...blankRecord('ann'), connections: [{ ...there('tab', HERE), connection: 1 }, there('other', HERE)] });
  await settle();
  equal(recorded(), ['tab a 1']);
  equal(ended, []);
});

test('clients beyond the limit end, known ones and those of dead instances do not count', async () => {
  const { own, connect, recorded, apply, ended } = setUp(2);
  apply({ ...blankRecord('ann'), connections: [there('x', DEAD), there('pad')] });
  await connect(1, 'tab');
  await connect(2, 'phone');
  equal(ended, ['phone full']);
  equal(recorded(), ['x d 7', 'pad b 7', 'tab a 1']);
  apply({
    ...blankRecord('ann'),
    connections: [there('pad'), there('pod'), there('tab', HERE)].map((one) => ({ ...one, connection: 1 })),
  });
  own.write('ann');
  await settle();
  equal(ended, ['phone full'], 'who is in already stays');
});

test('what cannot be written waits until it can', async () => {
  const { own, connect, recorded, state, apply, ended } = setUp();
  state.available = false;
  await connect(1, 'tab');
  apply({ ...blankRecord('ann'), connections: [there('tab')] });
  equal(ended, [], 'it may be the newer one');
  apply(blankRecord('ann'));
  equal([recorded(), own.unwritten], [[], 1]);
  state.available = true;
  await own.close(5000);
  equal([recorded(), own.unwritten], [['tab a 1'], 0]);
});

/** Ann's tab connects here while NATS is away, and here or there is what its record has when NATS is back. */
async function reconnected(entry: RecordedConnection, seconds: number, earlier = blankRecord('ann')) {
  const set = setUp();
  set.apply(earlier);
  set.state.available = false;
  await set.connect(1, 'tab');
  set.state.now += seconds * 1000;
  set.apply({ ...blankRecord('ann'), connections: [entry] });
  await settle();
  set.state.available = true;
  await set.own.close(5000);
  return [set.ended, set.recorded()];
}

test('who had to wait gives way to what its client has made elsewhere meanwhile', async () => {
  const before = { ...blankRecord('ann'), connections: [there('tab')] };
  const [given, taken] = ['tab replaced', 'tab b 7'];
  const cases: [ReturnType<typeof reconnected>, readonly string[][], string?][] = [
    [reconnected(there('tab'), 3), [[given], [taken]]],
    [reconnected({ ...there('tab'), waited: 2900 }, 3), [[given], [taken]]],
    [reconnected({ ...there('tab'), waited: 3100 }, 3), [[], ['tab a 1']], 'which waited for longer'],
    [reconnected(there('tab'), 1.9), [[], ['tab a 1']], 'it waited for a moment only'],
    [reconnected(there('tab', DEAD), 3), [[], ['tab a 1']], 'there is nobody'],
    [reconnected(there('tab'), 3, before), [[], ['tab a 1']], 'it was there before'],
    [reconnected({ ...there('tab'), connection: 8 }, 3, before), [[given], ['tab b 8']]],
    [reconnected(there('pad'), 3), [[], ['pad b 7', 'tab a 1']], 'another client'],
  ];
  for (const [found, wanted, why] of cases) equal(await found, wanted, why);
});

test('how long a connection had to wait is recorded', async () => {
  const { own, connect, state, waits } = setUp();
  await connect(1, 'tab');
  state.available = false;
  await connect(2, 'phone');
  state.now += 2000;
  state.available = true;
  await own.close(5000);
  equal(waits(), [undefined, 2000]);
});

test('a herd goes sixteen at a time, each once, and what fails is tried again after a pause', async () => {
  const timers = new FakeTimers();
  const doors = new Map<string, { open: () => void; fail: () => void }>();
  let most = 0;
  const herd = new HerdQueue({
    timers,
    ready: () => true,
    act: (userid) =>
      new Promise((resolve, reject) => {
        ok(!doors.has(userid), 'not twice at a time');
        doors.set(userid, { open: resolve, fail: () => reject(new Error('not now')) });
        most = Math.max(most, doors.size);
      }),
  });
  const settleDoor = async (how: 'open' | 'fail', userid: string): Promise<void> => {
    const door = doors.get(userid)!;
    doors.delete(userid);
    door[how]();
    await settle();
  };
  herd.add('ann');
  herd.add('ann');
  is(doors.size, 1);
  await settleDoor('open', 'ann');
  ok(doors.has('ann'), 'once more, because it was added meanwhile');
  await settleDoor('open', 'ann');
  for (let i = 0; i < 40; i++) herd.add(`user ${i}`);
  herd.add('user 0');
  equal([doors.size, herd.size], [16, 41]);
  await settleDoor('open', 'user 0');
  is(doors.has('user 0'), false, 'the others first');
  await settleDoor('fail', 'user 1');
  await settleDoor('open', 'user 2');
  is(doors.size, 14, 'a failure stops all');
  timers.pass(1500);
  is(doors.size, 16);
  const tried: string[] = [];
  while (doors.size > 0) {
    tried.push([...doors.keys()][0]!);
    await settleDoor('open', tried.at(-1)!);
  }
  ok(tried.includes('user 1'), 'tried again');
  equal([herd.size, most], [0, 16]);
});

test('a herd that closes does what it can in the time it has, and nothing afterwards', async () => {
  const timers = new FakeTimers();
  const done: string[] = [];
  let ready = true;
  const herd = new HerdQueue({ timers, ready: () => ready, act: async (userid) => void done.push(userid) });
  herd.add('ann');
  await herd.close(1000);
  equal(done, ['ann']);
  ready = false;
  const other = new HerdQueue({ timers, ready: () => ready, act: async (userid) => void done.push(userid) });
  other.add('ben');
  const closed = other.close(1000);
  timers.pass(1000);
  await closed;
  ready = true;
  timers.pass(10_000);
  other.add('cid');
  await settle();
  equal([done, other.size], [['ann'], 1]);
});

/** A janitor whose records note what it does. */
function janitorial() {
  const timers = new FakeTimers();
  const did: string[] = [];
  const state = { leads: true, settled: true, available: true, left: new Set<string>() };
  const all = new Map<string, UserRecord>();
  const lost: UserRecord[] = [];
  const expired = new Set<string>();
  const back = new Set<string>();
  /** Users whose records are what was made of them. */
  const keeps = new Set<string>();
  const dead = new Set<string>();
  const markers = new Map<string, { revision: number; at: number }>();
  const records = {
    get available(): boolean {
      return state.available;
    },
    markers,
    lost: () => lost,
    get: (userid: string) => all.get(userid),
    async change(userid: string, edit: Edit): Promise<UserRecord> {
      const before = all.get(userid) ?? blankRecord(userid);
      const after = edit(before);
      if (keeps.has(userid)) all.set(userid, after);
      did.push(
        `${userid} ${after === before ? 'same' : after.connections.map(({ instance }) => instance[0]).join('')}`,
      );
      return after;
    },
    async restore(userid: string): Promise<void> {
      did.push(`restore ${userid}`);
    },
    async purge(key: string): Promise<void> {
      did.push(`purge ${key}`);
      markers.delete(key);
    },
  };
  const janitor = new Janitor({
    records: records as unknown as Records,
    instances: {
      self: { id: 'a', incarnation: HERE, version: '', host: '', pid: 1 },
      isAlive: (who) => who !== DEAD,
      hasLeft: (who) => state.left.has(who),
      get settled() {
        return state.settled;
      },
      get leads() {
        return state.leads;
      },
    },
    registry: {
      expired: () => expired,
      hasExpired: (userid) => expired.has(userid) && !back.has(userid),
      waitAgain: (userid) => void expired.delete(userid),
    },
    users: { dead: () => [[DEAD, dead]] },
    timers,
    now: () => timers.now(),
  });
  const round = async (): Promise<string[]> => {
    janitor.look();
    await settle();
    return did.splice(0);
  };
  return { janitor, timers, state, all, lost, expired, back, keeps, dead, markers, round };
}

test('the lowest instance removes dead connections, and users whose time is over', async () => {
  const { all, expired, dead, state, round } = janitorial();
  all.set('ann', { ...blankRecord('ann'), conversation: 'hall', connections: [there('x', DEAD), there('y')] });
  all.set('ben', { ...blankRecord('ben'), conversation: 'hall', connections: [there('x', DEAD)] });
  all.set('cid', { ...blankRecord('cid'), conversation: 'hall', connections: [there('y')] });
  dead.add('ann');
  for (const userid of ['ben', 'cid']) expired.add(userid);
  for (const off of ['leads', 'settled', 'available'] as const) {
    state[off] = false;
    equal(await round(), [], off);
    state[off] = true;
  }
  equal(await round(), ['ann b', 'ben ', 'cid same']);
});

test('of a user who is forgotten a ban stays until it has ended, and nobody writes it twice', async () => {
  const { all, expired, keeps, round } = janitorial();
  const rights = { ...FULL_RIGHTS, words: [{ conversation: 'hall', speak: false }] };
  const ban = { conversation: 'hall', until: Date.now() + 60_000 };
  const ended = { conversation: 'yard', until: Date.now() - 1 };
  all.set('ann', { ...blankRecord('ann'), conversation: 'hall', rights: { ...rights, bans: [ended, ban] } });
  all.set('ben', { ...blankRecord('ben'), rights: { ...FULL_RIGHTS, bans: [ban] } });
  all.set('cid', { ...blankRecord('cid'), rights: { ...rights, bans: [ended] } });
  for (const userid of ['ann', 'ben', 'cid']) {
    expired.add(userid);
    keeps.add(userid);
  }
  equal(await round(), ['ann ', 'ben same', 'cid ']);
  equal(all.get('ann'), { ...blankRecord('ann'), rights: { ...FULL_RIGHTS, bans: [ban] } });
  equal(all.get('cid'), blankRecord('cid'));
  equal([...expired], ['cid'], 'who is banned is looked at again later');
});

test('dead connections of somebody who has no other stay until the user is forgotten, unless they said goodbye', async () => {
  const { all, expired, dead, state, round } = janitorial();
  all.set('ann', { ...blankRecord('ann'), connections: [there('x', DEAD)] });
  all.set('ben', { ...blankRecord('ben'), connections: [there('x', DEAD), there('y')] });
  for (const userid of ['ann', 'ben', 'nobody']) dead.add(userid);
  equal(await round(), ['ben b']);
  all.set('ben', { ...blankRecord('ben'), connections: [there('y')] });
  equal(await round(), []);
  state.left.add(DEAD);
  equal(await round(), ['ann ']);
  state.left.clear();
  expired.add('ann');
  equal(await round(), ['ann ']);
});

test('who has come back when the change is made is not forgotten', async () => {
  const { all, expired, back, round } = janitorial();
  all.set('ann', { ...blankRecord('ann'), conversation: 'hall' });
  expired.add('ann');
  back.add('ann');
  equal(await round(), ['ann same']);
  back.clear();
  all.set('ann', { ...blankRecord('ann'), conversation: 'hall', connections: [there('y')] });
  equal(await round(), ['ann same']);
});

test('each instance restores its own users, and the lowest one those of nobody', async () => {
  const { lost, state, round } = janitorial();
  lost.push(
    { ...blankRecord('mine'), connections: [there('x', HERE), there('y')] },
    { ...blankRecord('theirs'), connections: [there('x')] },
    { ...blankRecord("nobody's"), connections: [there('x', DEAD)] },
  );
  equal(await round(), ['restore mine', "restore nobody's"]);
  state.leads = false;
  equal(await round(), ['restore mine']);
});

test('delete markers are purged once all have seen them, and forgotten by those who do not purge', async () => {
  const { markers, timers, state, round } = janitorial();
  markers.set('old', { revision: 1, at: 0 });
  timers.pass(9000);
  markers.set('new', { revision: 2, at: 9000 });
  equal(await round(), []);
  timers.pass(1000);
  equal(await round(), ['purge old']);
  equal([...markers.keys()], ['new']);
  state.leads = false;
  timers.pass(58_000);
  equal(await round(), []);
  is(markers.size, 1);
  timers.pass(1000);
  equal(await round(), []);
  is(markers.size, 0);
});

test.run();
