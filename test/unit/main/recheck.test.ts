/** Permissions that are asked for again: when, for whom, how many at a time, and what follows. */
import { equal, is, ok } from 'uvu/assert';
import { FULL_GRANT, type Grant } from '../../../src/main/conversations/rights.ts';
import { RequestError } from '../../../src/main/errors.ts';
import { Recheck, startRecheck } from '../../../src/main/memberships/recheck.ts';
import { FakeTimers } from '../../support/fake-timers.ts';
import { prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('recheck');
const INTERVAL = 60_000;

interface Question {
  readonly userid: string;
  readonly at: number;
  answer(grant: Grant | null): void;
  fail(error: Error): void;
}

function setUp(random?: () => number) {
  const timers = new FakeTimers();
  const here = new Map<string, string | null>();
  const asked: Question[] = [];
  const made: string[] = [];
  const errors: string[] = [];
  const recheck = new Recheck({
    interval: INTERVAL,
    connected: () => [...here.keys(), ...here.keys()].map((userid) => ({ claim: { userid } })),
    registry: {
      isConnected: (userid) => here.has(userid),
      find: (userid) => ({ conversation: here.get(userid) ?? null }),
    },
    permissions: {
      askAgain: (userid) => new Promise((answer, fail) => asked.push({ userid, at: timers.now(), answer, fail })),
    },
    memberships: {
      recheck: (userid, conversation, grant) => void made.push(`${userid} ${conversation} ${grant?.speak ?? 'out'}`),
    },
    timers,
    log: { error: (_: object, message: string) => errors.push(message) } as never,
    ...(random === undefined ? {} : { random }),
  });
  return { recheck, timers, here, asked, made, errors, end: recheck.start() };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('each user in a conversation is asked about once an interval, give or take a tenth', async () => {
  const random = prng(seed('recheck'));
  const { timers, here, asked, recheck } = setUp(() => random() / 2 ** 32);
  for (let i = 0; i < 200; i++) here.set(`user ${i}`, 'hall');
  here.set('nowhere', null);
  for (let i = 0; i < 40 * 60 * 4; i++) {
    timers.pass(250);
    for (const { answer } of asked.slice(-20)) answer(FULL_GRANT);
    if (i % 2 === 0) await settle();
  }
  const times = new Map<string, number[]>();
  for (const { userid, at } of asked) times.set(userid, [...(times.get(userid) ?? []), at]);
  is(times.size, 200);
  for (const all of times.values()) {
    for (const [i, at] of all.entries()) {
      const pause = at - (all[i - 1] ?? 0);
      ok(pause >= 0.9 * INTERVAL && pause <= 1.1 * INTERVAL + 8000, String(pause));
    }
  }
  is(recheck.size, 201);
  here.clear();
  timers.pass(3 * INTERVAL);
  is(recheck.size, 0, 'who has gone is forgotten');
});

test('few questions are under way at a time, and none is asked twice meanwhile', async () => {
  const { timers, here, asked, recheck } = setUp(() => 0.5);
  for (let i = 0; i < 100; i++) here.set(`user ${i}`, 'hall');
  timers.pass(10 * INTERVAL);
  equal([asked.length, recheck.size], [16, 100]);
  for (const { answer } of asked.slice(0, 10)) answer(FULL_GRANT);
  await settle();
  timers.pass(250);
  is(asked.length, 26);
  is(new Set(asked.map(({ userid }) => userid)).size, 26, 'in turn');
});

test('an answer is taken over, and without one everything stays as it is', async () => {
  const { timers, here, asked, made, errors } = setUp();
  for (const userid of ['ann', 'bob', 'cid', 'dan']) here.set(userid, 'hall');
  timers.pass(1.2 * INTERVAL);
  const of = (userid: string): Question => asked.find((one) => one.userid === userid)!;
  of('ann').answer({ ...FULL_GRANT, speak: false });
  of('bob').answer(null);
  of('cid').fail(new RequestError('permissions-unavailable', 'down'));
  of('dan').fail(new Error('a bug'));
  await settle();
  equal(made.sort(), ['ann hall false', 'bob hall out']);
  is(errors.length, 1);
});

test('without an interval or a permission service nothing happens', () => {
  const parts = { connected: () => [], registry: null!, memberships: null!, timers: null!, log: null! };
  startRecheck({ PERMISSIONS_RECHECK_MS: 0 }, { askAgain: async () => null }, parts)();
  startRecheck({ PERMISSIONS_RECHECK_MS: 9 }, null, parts)();
});

test.run();
