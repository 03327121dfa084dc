/** Connections that are being set up: whose turn it is to make room. */
import { equal, is, throws } from 'uvu/assert';
import { type Setup, Setups } from '../../../src/main/connections/setups.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('setups being counted');

interface Named extends Setup {
  readonly name: string;
  answeredAt: number;
  reachable: boolean;
}

function setUp(limits: Partial<Record<'MAX_WAITING' | 'MAX_SETUPS' | 'MAX_SETUPS_PER_USER', number>> = {}) {
  const time = { now: 100_000 };
  const setups = new Setups<Named>(
    { MAX_WAITING: 10, MAX_SETUPS: 10, MAX_SETUPS_PER_USER: 10, ...limits },
    () => time.now,
  );
  /** A client, as in `ann/phone`, that waits for its offer. */
  const waits = (name: string): Named => {
    const [userid, clientid] = name.split('/') as [string, string];
    const setup = { name, claim: { userid, clientid }, answeredAt: 0, reachable: false };
    setups.add(setup);
    return setup;
  };
  const connects = (name: string): Named => {
    const setup = waits(name);
    setups.connect(setup);
    return setup;
  };
  const surplus = (name: string): string | null => {
    const [userid, clientid] = name.split('/') as [string, string];
    return setups.surplus({ userid, clientid })?.name ?? null;
  };
  return { setups, time, waits, connects, surplus };
}

test('when the limit of waiting setups is reached, the oldest of all makes room for the next one', () => {
  const { setups, waits, connects, surplus } = setUp({ MAX_WAITING: 2 });
  connects('cid/a');
  const first = waits('ann/a');
  is(surplus('bob/a'), null);
  waits('bob/a');
  is(setups.waitingCount, 2);
  is(surplus('dot/a'), 'ann/a');
  setups.remove(first);
  is(surplus('dot/a'), null);
});

test("when a user's limit is reached, the user's longest waiting setup makes room", () => {
  const { setups, waits, connects, surplus } = setUp({ MAX_SETUPS_PER_USER: 3 });
  connects('ann/a');
  waits('ann/b');
  is(surplus('ann/d'), null);
  const third = waits('ann/c');
  is(surplus('ann/d'), 'ann/b');
  is(surplus('ann/c'), null, 'an attempt of the same client makes room by itself');
  is(surplus('bob/a'), null);
  setups.remove(third);
  is(surplus('ann/d'), null);
});

test('a setup whose offer waits for its turn makes room for nobody', () => {
  const { setups, waits, surplus } = setUp({ MAX_WAITING: 2, MAX_SETUPS_PER_USER: 2 });
  const ann = waits('ann/a');
  waits('bob/a');
  setups.offer(ann);
  is(setups.waitingCount, 1);
  is(surplus('cid/a'), null);
  waits('cid/a');
  is(surplus('dot/a'), 'bob/a');
  setups.offer(waits('ann/b'));
  throws(() => surplus('ann/c'), /2 connections of this user/);
  is(setups.room, true, 'it does not connect yet');
  setups.connect(ann);
  equal(
    setups.all().map(({ name }) => name),
    ['bob/a', 'cid/a', 'ann/b', 'ann/a'],
  );
  for (const setup of setups.all()) setups.remove(setup);
  equal(setups.all(), []);
});

test('a user is refused while all of their setups are connecting', () => {
  const { connects, surplus } = setUp({ MAX_SETUPS_PER_USER: 2 });
  connects('ann/a');
  connects('ann/b');
  throws(() => surplus('ann/c'), /2 connections of this user are being set up/);
  is(surplus('ann/b'), null);
});

test('no more setups connect than the limit allows, and one that ends makes room', () => {
  const { setups, waits, connects } = setUp({ MAX_SETUPS: 2 });
  const first = connects('ann/a');
  waits('bob/a');
  is(setups.room, true, 'who waits does not count');
  connects('cid/a');
  is(setups.room, false);
  setups.remove(first);
  is(setups.room, true);
  equal(
    setups.all().map(({ name }) => name),
    ['bob/a', 'cid/a'],
  );
});

test('the first setup without ICE two seconds after its answer is stuck, and one without an answer never is', () => {
  const { setups, time, connects } = setUp();
  const [unanswered, ...others] = [connects('ann/a'), connects('bob/a'), connects('cid/a')];
  for (const setup of others) setup.answeredAt = time.now;
  is(setups.stuck(), null);
  time.now += 1999;
  is(setups.stuck(), null);
  time.now += 1;
  is(setups.stuck()?.name, 'bob/a');
  others[0]!.reachable = true;
  is(setups.stuck()?.name, 'cid/a');
  is(unanswered!.answeredAt, 0);
});

test('the first setup with ICE but without DTLS is stuck after eight seconds, unless another has no ICE', () => {
  const { setups, time, connects } = setUp();
  const all = [connects('ann/a'), connects('bob/a'), connects('cid/a')];
  for (const setup of all.slice(0, 2)) Object.assign(setup, { answeredAt: time.now, reachable: true });
  time.now += 7999;
  is(setups.stuck(), null);
  time.now += 1;
  is(setups.stuck()?.name, 'ann/a');
  all[2]!.answeredAt = time.now - 2000;
  is(setups.stuck()?.name, 'cid/a');
});

test('no setup is stuck on a server whose clock has just begun to run', () => {
  const { setups, time, connects } = setUp();
  time.now = 5000;
  connects('ann/a');
  is(setups.stuck(), null);
});

test('nothing is kept of a user whose setups have all ended', () => {
  const { setups, waits, connects } = setUp();
  for (const setup of [waits('ann/a'), connects('ann/b'), waits('bob/a')]) setups.remove(setup);
  is((Reflect.get(setups, 'users') as Map<string, unknown>).size, 0);
});

test.run();
