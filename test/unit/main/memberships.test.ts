/** The rules of membership, each with the real registry and everything else as the test has it. */
import { equal, is, ok, throws, unreachable } from 'uvu/assert';
import { Conversations } from '../../../src/main/conversations/conversations.ts';
import type { Placement } from '../../../src/main/conversations/registry-types.ts';
import { FULL_GRANT, type Grant } from '../../../src/main/conversations/rights.ts';
import { RequestError } from '../../../src/main/errors.ts';
import { type Done, LocalStore, type MembershipStore } from '../../../src/main/memberships/membership-store.ts';
import { Memberships } from '../../../src/main/memberships/memberships.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('memberships');

interface Limits {
  readonly users?: number;
  readonly conversations?: number;
  readonly participants?: number;
  readonly perSecond?: number;
}

function setUp(
  { users = 100, conversations = 100, participants = 100, perSecond = 1000 }: Limits = {},
  asks = false,
  shared: MembershipStore | null = null,
) {
  const registry = new Conversations<string>({ users, conversations, participants }, 300_000);
  /** What was placed, muted, counted and logged, in this order. */
  const done: string[] = [];
  /** Questions that nobody has answered yet, by conversation. */
  const questions = new Map<string, { allow: (grant?: Grant) => void; deny: () => void }>();
  const clock = { now: 0 };
  const told = ({ connections, conversation }: Placement<string>, kicked = false): void => {
    done.push(`place ${connections.join('+')} ${conversation?.id ?? 'nowhere'}${kicked ? ' kicked' : ''}`);
  };
  const allows = (_: string, conversation: string): Promise<Grant> =>
    new Promise((allow, reject) => {
      questions.set(conversation, {
        allow: (grant = FULL_GRANT) => allow(grant),
        deny: () => reject(new RequestError('not-permitted', 'no')),
      });
    });
  const config = {
    MAX_MEMBERSHIPS: users,
    MAX_CONVERSATIONS: conversations,
    MAX_PARTICIPANTS: participants,
    MAX_JOINS_PER_SECOND: perSecond,
  };
  const connections = {
    place: told,
    mute: (affected: readonly string[], muted: boolean) =>
      done.push(`${muted ? 'mute' : 'unmute'} ${affected.join('+')}`),
    letSpeak: (affected: readonly string[], speak: boolean) =>
      done.push(`${speak ? 'let' : 'stop'} ${affected.join('+')}`),
  };
  const memberships = new Memberships({
    config,
    registry,
    store: shared ?? new LocalStore({ config, registry, connections, now: () => clock.now }),
    permissions: asks ? { allows } : null,
    log: { info: (figures: object, message: string) => done.push(`${message} ${JSON.stringify(figures)}`) } as never,
    telemetry: { joined: (outcome) => done.push(`count ${outcome}`), left: () => done.push('count left') },
    now: () => clock.now,
  });
  const connect = (...userids: string[]): void => {
    for (const userid of userids) registry.connect(userid, `${userid}'s`);
  };
  /** What was done since the last call. */
  const took = (): string[] => done.splice(0);
  return { memberships, registry, questions, clock, connect, took };
}

const client = { clientid: 'tab', gone: () => false };

/** The kind of the refusal. */
function refused(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof RequestError) return error.kind;
    throw error;
  }
  return unreachable('it was not refused') as never;
}

const refusal = (done: Promise<void> | undefined): Promise<string> =>
  Promise.resolve(done).then(
    () => 'made',
    (error: RequestError) => error.kind,
  );

test('a join and a leave are counted, placed and logged, at once where nobody is asked', () => {
  const { memberships, connect, took } = setUp();
  connect('ann');
  is(memberships.join('ann', 'hall', client), undefined);
  equal(took(), ["place ann's hall", 'count joined', 'joined {"userid":"ann","clientid":"tab","conversation":"hall"}']);
  is(memberships.leave('ann', 'hall', client), undefined);
  equal(took(), ['count left', "place ann's nowhere", 'left {"userid":"ann","clientid":"tab","conversation":"hall"}']);
});

test('a join without room changes nothing and says what is full', () => {
  const { memberships, registry, took } = setUp({ users: 2, conversations: 1, participants: 1 });
  memberships.join('ann', 'hall', client);
  took();
  is(
    refused(() => memberships.join('bob', 'hall', client)),
    'conversation-full',
  );
  is(
    refused(() => memberships.join('bob', 'attic', client)),
    'full',
  );
  equal(took(), ['count conversation-full', 'count full']);
  is(registry.userCount, 1);
  throws(() => memberships.join('bob', 'attic', client), /All 1 conversations/);
});

test('a user has twice the rate at once and the rate in the long run, joins and leaves together', () => {
  const { memberships, clock, took } = setUp({ perSecond: 2 });
  for (let i = 0; i < 2; i++) {
    memberships.join('ann', 'hall', client);
    memberships.leave('ann', 'hall', client);
  }
  took();
  is(
    refused(() => memberships.join('ann', 'hall', client)),
    'too-many-joins',
  );
  is(
    refused(() => memberships.leave('ann', 'hall', client)),
    'too-many-joins',
  );
  equal(took(), [], 'nothing of what was refused is counted or made');
  memberships.join('bob', 'hall', client);
  clock.now = 500;
  memberships.join('ann', 'hall', client);
  throws(() => memberships.leave('ann', 'hall', client), /2 times a second, and 4 times at once/);
});

test('a join beyond the rate is not asked about', async () => {
  const { memberships, questions } = setUp({ perSecond: 1 }, true);
  for (const id of ['a', 'b']) void memberships.join('ann', id, client);
  is(
    refused(() => memberships.join('ann', 'c', client)),
    'too-many-joins',
  );
  equal([...questions.keys()], ['a', 'b']);
});

test('a join waits for its permission and for the earlier changes of its user, and is not made without', async () => {
  const { memberships, questions, took } = setUp({}, true);
  const first = memberships.join('ann', 'a', client);
  const second = memberships.join('ann', 'b', client);
  const leave = memberships.leave('ann', 'b', client);
  const denied = refusal(memberships.join('ann', 'c', client));
  questions.get('b')!.allow();
  questions.get('c')!.deny();
  const other = memberships.join('bob', 'x', client);
  questions.get('x')!.allow();
  await other;
  equal(
    took().filter((line) => line.startsWith('place')),
    ['place  x'],
    'others do not wait',
  );
  questions.get('a')!.allow();
  await Promise.all([first, second, leave]);
  is(await denied, 'not-permitted');
  equal(
    took().filter((line) => line.startsWith('place')),
    ['place  a', 'place  b', 'place  nowhere'],
  );
  is(memberships.leave('ann', 'a', client), undefined, 'with nothing before it a leave is made at once');
});

test('a join whose client is gone by the time of the permission is not made', async () => {
  const { memberships, questions, took } = setUp({}, true);
  const joined = memberships.join('ann', 'a', { clientid: 'tab', gone: () => true });
  questions.get('a')!.allow();
  await joined;
  equal(took(), []);
});

test('sixteen changes of a user may wait, and what comes beyond is neither made nor asked about', async () => {
  const { memberships, questions } = setUp({}, true);
  const waiting = Array.from({ length: 16 }, (_, i) => memberships.join('ann', `${i}`, client));
  is(
    refused(() => memberships.join('ann', 'more', client)),
    'permissions-unavailable',
  );
  is(
    refused(() => memberships.leave('ann', '1', client)),
    'permissions-unavailable',
  );
  is(questions.size, 16);
  for (const { allow } of questions.values()) allow();
  await Promise.all(waiting);
  const more = memberships.join('ann', 'more', client);
  questions.get('more')!.allow();
  await more;
});

test('an operator kicks and mutes whoever is there, and is told who is not', () => {
  const { memberships, registry, connect, took } = setUp();
  connect('ann');
  memberships.join('ann', 'hall', client);
  took();
  for (const act of ['kick', 'mute', 'unmute'] as const) {
    const kind = refused(() =>
      act === 'kick'
        ? memberships.kick('ann', 'attic', 'operator')
        : memberships.mute('ann', 'attic', act === 'mute', 'operator'),
    );
    is(kind, 'not-found');
  }
  equal(took(), []);
  memberships.mute('ann', 'hall', true, 'operator');
  equal(took(), ["mute ann's", 'muted by an operator {"userid":"ann","conversation":"hall"}']);
  memberships.mute('ann', 'hall', false, 'operator');
  equal(took(), ["unmute ann's", 'unmuted by an operator {"userid":"ann","conversation":"hall"}']);
  memberships.kick('ann', 'hall', 'operator');
  equal(took(), ["place ann's nowhere kicked", 'kicked by an operator {"userid":"ann","conversation":"hall"}']);
  is(registry.isIn('ann', 'hall'), false);
});

test("an operator's join and leave know no rate, no permission, no waiting and no drain, but have to find room", () => {
  const { memberships, registry, took } = setUp({ conversations: 2, perSecond: 1 }, true);
  void memberships.join('ann', 'asked', client);
  memberships.beginDrain();
  for (let i = 0; i < 9; i++) {
    is(memberships.join('ann', 'hall', 'operator'), undefined);
    ok(registry.isIn('ann', 'hall'));
    is(memberships.leave('ann', 'hall', 'operator'), undefined);
    ok(!registry.isIn('ann', 'hall'));
  }
  ok(took().includes('joined {"userid":"ann","by":"operator","conversation":"hall"}'));
  memberships.join('ann', 'hall', 'operator');
  memberships.join('bob', 'attic', 'operator');
  is(
    refused(() => memberships.join('cat', 'cellar', 'operator')),
    'full',
  );
});

test('while it drains, users without a connection here belong to the next instance and are not changed here', () => {
  const { memberships, registry, connect, took } = setUp();
  connect('ann');
  memberships.join('bob', 'hall', client);
  is(memberships.draining, false);
  memberships.checkConnect({ userid: 'bob', clientid: 'c' });
  memberships.beginDrain();
  is(memberships.draining, true);
  took();
  for (const change of ['join', 'leave'] as const) {
    is(
      refused(() => memberships[change]('bob', 'hall', client)),
      'draining',
    );
  }
  is(
    refused(() => memberships.checkConnect({ userid: 'bob', clientid: 'c' })),
    'draining',
  );
  equal(took(), []);
  ok(registry.isIn('bob', 'hall'));
  memberships.join('ann', 'hall', client);
  memberships.join('ann', 'attic', client);
  memberships.leave('ann', 'attic', client);
  equal(
    took().filter((line) => line.startsWith('place')),
    ["place ann's hall", "place ann's attic", "place ann's nowhere"],
    'who is connected here moves here',
  );
});

test('a user who wants another connection is changed here and on the next instance', () => {
  const { memberships, registry, connect } = setUp({ participants: 2 });
  connect('ann', 'bob', 'cat');
  for (const userid of ['ann', 'bob']) memberships.join(userid, 'hall', client);
  memberships.join('cat', 'attic', client);
  memberships.beginDrain();
  is(
    refused(() => memberships.join('ann', 'hall', client)),
    'draining',
    'she joins where she is',
  );
  is(
    refused(() => memberships.checkConnect({ userid: 'bob', clientid: 'c' })),
    'draining',
    'he connects',
  );
  for (const userid of ['ann', 'bob']) {
    is(
      refused(() => memberships.join(userid, 'cellar', client)),
      'draining',
    );
    ok(registry.isIn(userid, 'cellar'), userid);
    is(
      refused(() => memberships.leave(userid, 'cellar', client)),
      'draining',
    );
    ok(!registry.isIn(userid, 'cellar'), userid);
  }
  memberships.join('cat', 'cellar', client);
  ok(registry.isIn('cat', 'cellar'), 'who asks for nothing of the kind stays');
  is(
    refused(() => memberships.join('ann', 'cellar', client)),
    'draining',
  );
  is(
    refused(() => memberships.join('bob', 'cellar', client)),
    'draining',
    'whether there is room is for the next instance to say',
  );
  registry.disconnect('ann', "ann's", 0);
  is(
    refused(() => memberships.join('ann', 'attic', client)),
    'draining',
  );
  ok(!registry.isIn('ann', 'attic'), 'with the last connection here nothing is left to change');
});

/** Lets everything that can happen now happen. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A store whose changes wait until the test lets them be made. */
class SlowStore implements MembershipStore {
  readonly shared = true;
  whole = true;
  readonly asked: string[] = [];
  private readonly waiting: { resolve: (value: undefined) => void; reject: (error: Error) => void }[] = [];

  join = (userid: string, conversation: string): Done => this.ask(`join ${userid} ${conversation}`);
  leave = (userid: string, conversation: string): Done => this.ask(`leave ${userid} ${conversation}`);
  kick = (userid: string, conversation: string): Done => this.ask(`kick ${userid} ${conversation}`);
  grant = (userid: string, conversation: string): Done => this.ask(`grant ${userid} ${conversation}`);
  ban = (userid: string, conversation: string): Done => this.ask(`ban ${userid} ${conversation}`);
  mute = (userid: string, conversation: string, muted: boolean): Done =>
    this.ask(`${muted ? 'mute' : 'unmute'} ${userid} ${conversation}`);
  letSpeak = (userid: string, conversation: string, speak: boolean): Done =>
    this.ask(`${speak ? 'let' : 'stop'} ${userid} ${conversation}`);

  /** Makes the oldest change, or refuses it. */
  settle(error: Error | null = null): void {
    const oldest = this.waiting.shift()!;
    if (error === null) oldest.resolve(undefined);
    else oldest.reject(error);
  }

  private ask(what: string): Promise<undefined> {
    this.asked.push(what);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }
}

test('what a slow store makes is counted and logged once it is made, and what it refuses is not', async () => {
  const store = new SlowStore();
  const { memberships, took } = setUp({}, false, store);
  const [join, kick, unmute] = [
    memberships.join('ann', 'hall', client),
    memberships.kick('ann', 'hall', 'operator'),
    memberships.mute('ann', 'hall', false, 'operator'),
  ];
  equal(took(), []);
  store.settle();
  is(await refusal(join), 'made');
  equal(took(), ['count joined', 'joined {"userid":"ann","clientid":"tab","conversation":"hall"}']);
  store.settle();
  is(await refusal(kick), 'made');
  equal(took(), ['kicked by an operator {"userid":"ann","conversation":"hall"}']);
  store.settle(new RequestError('cluster-unavailable', 'away'));
  is(await refusal(unmute), 'cluster-unavailable');
  for (const kind of ['conversation-full', 'full', 'cluster-unavailable'] as const) {
    const again = memberships.join('ben', 'hall', client);
    store.settle(new RequestError(kind, 'refused'));
    is(await refusal(again), kind);
  }
  equal(took(), ['count conversation-full', 'count full'], 'the other one is counted as a refused request');
});

test('a leave that comes while a permitted join is being made waits for it', async () => {
  const store = new SlowStore();
  const { memberships, questions } = setUp({}, true, store);
  const join = memberships.join('ann', 'hall', client);
  questions.get('hall')!.allow();
  await settled();
  const leave = memberships.leave('ann', 'hall', client);
  await settled();
  equal(store.asked, ['join ann hall']);
  store.settle();
  is(await refusal(join), 'made');
  await settled();
  equal(store.asked, ['join ann hall', 'leave ann hall']);
  store.settle();
  is(await refusal(leave), 'made');
});

test('an instance that has lost the others refuses a client once, and lets it in when nobody else did', () => {
  const store = new SlowStore();
  const { memberships } = setUp({}, false, store);
  const [ann, other] = [
    { userid: 'ann', clientid: 'c' },
    { userid: 'ann', clientid: 'd' },
  ];
  memberships.checkConnect(ann);
  store.whole = false;
  is(
    refused(() => memberships.checkConnect(ann)),
    'cluster-unavailable',
  );
  is(
    refused(() => memberships.checkConnect(other)),
    'cluster-unavailable',
  );
  memberships.checkConnect(ann);
  is(
    refused(() => memberships.checkConnect(ann)),
    'cluster-unavailable',
    'the next time it is a new request',
  );
  store.whole = true;
  memberships.checkConnect(ann);
});

test('an instance of a cluster that drains refuses connections alone', async () => {
  const store = new SlowStore();
  const { memberships } = setUp({}, false, store);
  memberships.beginDrain();
  is(
    refused(() => memberships.checkConnect({ userid: 'ann', clientid: 'c' })),
    'draining',
  );
  const changes = [memberships.join('ann', 'hall', client), memberships.leave('ann', 'hall', client)];
  equal(store.asked, ['join ann hall', 'leave ann hall']);
  for (const change of changes) {
    store.settle();
    is(await refusal(change), 'made');
  }
});

test.run();
