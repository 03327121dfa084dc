/** User records in a real NATS, seen and changed by several instances in one process. */
import { jetstreamManager } from '@nats-io/jetstream';
import { equal, is, ok } from 'uvu/assert';
import { BucketFeed } from '../../src/main/cluster/bucket-feed.ts';
import { noReadCounts } from '../../src/main/cluster/messages/read.ts';
import { blankRecord, recordKey, type UserRecord, writeRecord } from '../../src/main/cluster/messages/record.ts';
import { Mirror } from '../../src/main/cluster/mirror.ts';
import { timers } from '../../src/main/timers.ts';
import { recordLog } from '../support/log-record.ts';
import { NatsServer, withEachNats } from '../support/nats.ts';
import { openLink } from '../support/nats-link.ts';
import { Member, type MemberOptions, outcome, Roll } from '../support/records-fixture.ts';
import { scenarios } from '../support/scenario.ts';
import { pause, until } from '../support/waiting.ts';

const test = scenarios('user records');

/** The stream of the members' bucket, and what the subjects of its keys begin with. */
const STREAM = `KV_${Member.CLUSTER}_users`;
const PREFIX = `$KV.${Member.CLUSTER}_users.`;

interface Cluster {
  readonly nats: NatsServer;
  readonly roll: Roll;
  readonly members: Member[];
  /** Starts one more. */
  start(options?: MemberOptions, incarnation?: string): Promise<Member>;
}

/** Adds a scenario with members on a NATS of its own. */
function withMembers(
  name: string,
  count: number,
  body: (cluster: Cluster, ...members: Member[]) => Promise<void>,
  options: MemberOptions = {},
  seconds?: number,
): void {
  withEachNats(
    test,
    name,
    async (program) => {
      const nats = await NatsServer.start({ program });
      const roll = new Roll();
      const members: Member[] = [];
      const start = async (own: MemberOptions = options, incarnation?: string): Promise<Member> => {
        const member = await Member.start(nats.url, roll, own, incarnation);
        members.push(member);
        return member;
      };
      try {
        // The first one leads.
        for (let i = 0; i < count; i++) await start(options, `${i}`.repeat(12));
        await body({ nats, roll, members, start }, ...members);
      } finally {
        await Promise.all(members.map((member) => member.close()));
        await nats.stop();
      }
    },
    seconds,
  );
}

withMembers(
  'a join on one instance is known on all, and what was acknowledged is applied here',
  3,
  async ({ members }, a) => {
    await a!.store.join('ann', 'hall');
    is(a!.conversation('ann'), 'hall');
    is(a!.registry.isIn('ann', 'hall'), true);
    for (const member of members) await until('everybody knows', () => member.registry.isIn('ann', 'hall'));
    await a!.store.leave('ann', 'hall');
    is(a!.records.get('ann'), undefined);
    for (const member of members) await until('everybody knows', () => member.registry.userCount === 0);
  },
);

withMembers('connections are where the record says, whichever instance changed it', 2, async (_, a, b) => {
  a!.connect('ann', 'phone');
  b!.connect('ann', 'laptop');
  await until('both are recorded', () => a!.recorded('ann').length === 2 && b!.recorded('ann').length === 2);
  await a!.store.join('ann', 'hall');
  await until('the laptop is told', () => b!.told.includes('laptop in hall'));
  equal(a!.told, ['phone in hall']);
  await b!.store.mute('ann', 'hall', true);
  await until('the phone is told', () => a!.told.includes('phone muted'));
  await a!.store.kick('ann', 'hall');
  await until('the laptop is told', () => b!.told.at(-1) === 'laptop in none kicked');
  is(await outcome(b!.store.kick('ann', 'hall')), 'not-found');
  is(await outcome(b!.store.mute('ann', 'hall', false)), 'not-found');
});

/** Resolves once all members have the same record of a user, which is in this conversation. */
async function allAgree(members: readonly Member[], userid: string, conversation: string | null): Promise<void> {
  await until(`${userid} is in ${conversation} everywhere`, () =>
    members.every(({ records, registry }) => {
      const here = conversation === null || registry.isIn(userid, conversation);
      return here && (records.get(userid)?.conversation ?? null) === conversation;
    }),
  );
}

withMembers(
  'the order of joins is the same everywhere, however many instances make them at once',
  3,
  async ({ members }) => {
    const joins: Promise<string>[] = [];
    for (let i = 0; i < 45; i++) joins.push(outcome(members[i % 3]!.store.join('ann', `room ${i}`)));
    const outcomes = await Promise.all(joins);
    equal(new Set(outcomes), new Set(['made']));
    await until('all agree', () => new Set(members.map((member) => member.conversation('ann'))).size === 1);
    await allAgree(members, 'ann', members[0]!.conversation('ann')!);
    is(
      members.reduce((sum, { registry }) => sum + registry.conversationCount, 0),
      3,
    );
    console.log(`conflicts of 45 joins on three instances: ${members.map(({ records }) => records.conflicts)}`);
  },
);

withMembers('requests one after the other count in this order, each on another instance', 3, async ({ members }) => {
  for (let i = 0; i < 60; i++) {
    const [first, second, third] = [0, 1, 2].map((n) => members[(i + n) % 3]!.store);
    await first!.join('ann', 'hall');
    if (i % 2 === 0) {
      await second!.join('ann', 'attic');
      // The first instance may still believe that she is in the hall.
      await first!.join('ann', 'hall');
      await third!.leave('ann', 'attic');
    }
    await second!.leave('ann', 'hall');
    is(await outcome(third!.kick('ann', 'hall')), 'not-found', `round ${i}`);
  }
  await allAgree(members, 'ann', null);
});

withMembers('changes of different things that meet are all made', 3, async ({ members }, a, b, c) => {
  await a!.store.join('ann', 'hall');
  await allAgree(members, 'ann', 'hall');
  const connections = members.flatMap((member, i) => [0, 1].map((n) => member.connect('ann', `client ${i} ${n}`)));
  await Promise.all([a!.store.mute('ann', 'hall', true), b!.store.join('ann', 'hall'), c!.store.join('ben', 'attic')]);
  await b!.store.join('ann', 'attic');
  await until('all is recorded', () => members.every((member) => member.recorded('ann').length === 6));
  await allAgree(members, 'ann', 'attic');
  for (const { records } of members) is(records.get('ann')?.mutedByOperator, true);
  equal(new Set(c!.store.elsewhere('ann')), new Set(['client 0 0', 'client 0 1', 'client 1 0', 'client 1 1']));
  for (let round = 0; round < 20; round++) {
    const [x, y, z] = [0, 1, 2].map((n) => members[(round + n) % 3]!);
    const muted = round % 2 === 0;
    const conversation = `room ${round}`;
    await x!.store.join('ann', conversation);
    await until('all know it', () => members.every(({ registry }) => registry.isIn('ann', conversation)));
    const connection = x!.connect('ann', `more ${round}`);
    const [mute] = await Promise.all([
      outcome(y!.store.mute('ann', conversation, muted)),
      z!.store.join('ann', `${conversation} too`),
    ]);
    await until('the connection is recorded', () => members.every((member) => member.recorded('ann').length === 7));
    await allAgree(members, 'ann', `${conversation} too`);
    // It was not there any more if the join was made first.
    if (mute === 'made') is(x!.records.get('ann')?.mutedByOperator, muted, `round ${round}`);
    else is(mute, 'not-found');
    x!.disconnect(connection);
    await until('it is not recorded', () => members.every((member) => member.recorded('ann').length === 6));
  }
  members.forEach((member, i) => {
    for (const connection of connections.slice(2 * i, 2 * i + 2)) member.disconnect(connection);
  });
  await until('none is recorded', () => members.every((member) => member.recorded('ann').length === 0));
});

withMembers('a membership is known everywhere within 100 ms', 3, async ({ members }, a) => {
  const times: number[] = [];
  const waiting = new Map<string, () => void>();
  for (const member of members.slice(1)) {
    member.records.watch((userid) => waiting.get(`${member.incarnation} ${userid}`)?.());
  }
  for (let i = 0; i < 300; i++) {
    const begun = performance.now();
    const seen = members.slice(1).map(
      ({ incarnation }) =>
        new Promise<void>((resolve) => {
          waiting.set(`${incarnation} user ${i}`, () => {
            times.push(performance.now() - begun);
            resolve();
          });
        }),
    );
    await Promise.all([a!.store.join(`user ${i}`, `room ${i % 7}`), ...seen]);
    waiting.clear();
  }
  times.sort((x, y) => x - y);
  const [p50, p99] = [times[times.length >> 1]!, times[Math.floor(times.length * 0.99)]!];
  console.log(`from a join to all instances: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
  ok(p99 < 100, `p99 is ${p99} ms`);
});

withMembers(
  'no conversation gets more users than it may have, however many join at once on several instances',
  3,
  async ({ members }) => {
    const joins = Array.from({ length: 24 }, (_, i) => outcome(members[i % 3]!.store.join(`user ${i}`, 'hall')));
    const outcomes = await Promise.all(joins);
    is(outcomes.filter((made) => made === 'made').length, 5);
    is(outcomes.filter((made) => made === 'conversation-full').length, 19);
    await until('five everywhere', () => members.every(({ registry }) => registry.members('hall').length === 5));
    for (const { registry } of members) is(registry.userCount, 5);
  },
  { participants: 5 },
);

withMembers(
  'who finds a full conversation stays where they were',
  2,
  async ({ members }, a, b) => {
    await a!.store.join('ann', 'attic');
    await allAgree(members, 'ann', 'attic');
    const outcomes = await Promise.all([outcome(a!.store.join('ann', 'hall')), outcome(b!.store.join('ben', 'hall'))]);
    is(outcomes.filter((made) => made === 'made').length, 1);
    await allAgree(members, 'ann', outcomes[0] === 'made' ? 'hall' : 'attic');
  },
  { participants: 1 },
);

withMembers("a client's newer connection replaces the one on another instance", 2, async (_, a, b) => {
  a!.connect('ann', 'tab');
  await until('it is recorded', () => b!.recorded('ann').length === 1);
  b!.connect('ann', 'tab');
  await until('the older one ends', () => a!.told.includes('tab ended replaced'));
  await until('the newer one is recorded', () => a!.recorded('ann').join() === 'tab there');
  is(b!.told.length, 0);
  a!.connect('ann', 'tab');
  await until('and back', () => b!.told.includes('tab ended replaced'));
  equal(a!.told, ['tab ended replaced']);
});

withMembers(
  'a user has as many clients as allowed on all instances together',
  2,
  async ({ members }, a, b) => {
    for (const [i, member] of [a!, b!, a!, b!, a!, b!].entries()) member.connect('ann', `client ${i}`);
    const ended = (): string[] => members.flatMap(({ told }) => told);
    await until('two are too many', () => ended().length === 2);
    ok(ended().every((line) => line.endsWith('ended full')));
    await until('four stay', () => members.every((member) => member.recorded('ann').length === 4));
    is(a!.store.elsewhere('ann').length + b!.store.elsewhere('ann').length, 4);
  },
  { perUser: 4 },
);

withMembers(
  'while NATS is away changes are refused in time, and what is here goes on',
  2,
  async ({ nats, members }, a, b) => {
    const ann = a!.connect('ann');
    await a!.store.join('ann', 'hall');
    await allAgree(members, 'ann', 'hall');
    await nats.kill();
    const begun = performance.now();
    equal(
      await Promise.all([
        outcome(a!.store.join('ben', 'hall')),
        outcome(a!.store.leave('ann', 'hall')),
        outcome(b!.store.kick('ann', 'hall')),
        outcome(b!.store.mute('ann', 'hall', true)),
      ]),
      new Array(4).fill('cluster-unavailable'),
    );
    ok(performance.now() - begun < 2300, `it took ${performance.now() - begun} ms`);
    is(a!.registry.isIn('ann', 'hall'), true);
    a!.disconnect(ann);
    a!.connect('ann', 'phone');
    a!.connect('dan', 'pad');
    await nats.restart();
    await until('what happened meanwhile is recorded', () => b!.recorded('ann').join() === 'phone there');
    await until('dan is recorded', () => b!.recorded('dan').join() === 'pad there');
    await until('changes are made again', async () => (await outcome(b!.store.join('ben', 'hall'))) === 'made');
    await allAgree(members, 'ben', 'hall');
    await allAgree(members, 'ann', 'hall');
    equal(a!.told, ["ann's tab in hall"], 'nobody was moved');
  },
);

withMembers('a NATS that lost its disk gets all records back', 3, async ({ nats, members, start }, a, b, c) => {
  for (const member of members) for (let i = 0; i < 50; i++) member.connect(`user ${i} of ${member.incarnation}`);
  for (const [i, member] of members.entries()) {
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => member.store.join(`user ${n} of ${member.incarnation}`, `room ${i}`)),
    );
    await member.store.join(`nobody ${i}`, 'hall');
  }
  await a!.store.mute('nobody 0', 'hall', true);
  await until('all is known', () =>
    members.every((m) => m.records.size === 153 && m.records.get('nobody 0')?.mutedByOperator),
  );
  for (const { told } of members) told.length = 0;
  for (const { janitor } of members) janitor.start();
  await nats.kill();
  await nats.restart({ store: false });
  await until('all is back', () =>
    members.every(({ records }) => records.available && [...records.lost()].length === 0),
  );
  for (const { registry, records, told } of members) {
    is(records.size, 153);
    is(registry.members('room 1').length, 50);
    is(registry.members('hall').length, 3);
    is(records.get('nobody 0')?.mutedByOperator, true);
    equal(told, [], 'nobody was moved');
  }
  const newcomer = await start();
  is(newcomer.records.size, 153);
  ok(
    [b!, c!].every(({ records }) => records.readings === 2),
    'read once more',
  );
});

withMembers('who leaves while a lost bucket is restored stays out', 2, async ({ nats, members }, a, b) => {
  await a!.store.join('ann', 'hall');
  await allAgree(members, 'ann', 'hall');
  await nats.kill();
  await nats.restart({ store: false });
  await until('NATS is back', () => members.every(({ records }) => records.available));
  for (const { registry } of members) is(registry.isIn('ann', 'hall'), true);
  await b!.store.leave('ann', 'hall');
  for (const { janitor } of members) janitor.start();
  await until('everybody knows', () => members.every(({ registry }) => !registry.isIn('ann', 'hall')));
  await a!.store.join('ben', 'hall');
  await allAgree(members, 'ben', 'hall');
  for (const { records } of members) is(records.get('ann'), undefined);
});

withMembers(
  'a NATS that stands still for 5 s refuses changes in time, and loses none afterwards',
  2,
  async ({ nats, members }, a, b) => {
    await a!.store.join('ann', 'hall');
    nats.pause();
    const begun = performance.now();
    const late = await Promise.all([
      outcome(a!.store.join('ann', 'attic')),
      outcome(a!.store.leave('ann', 'hall')),
      outcome(a!.store.join('ann', 'cellar')),
      outcome(b!.store.join('ben', 'attic')),
    ]);
    const took = performance.now() - begun;
    equal(late, new Array(4).fill('cluster-unavailable'));
    ok(took < 2300, `it took ${took} ms`);
    a!.connect('cid');
    setTimeout(() => nats.resume(), 5000 - took);
    await until('changes are made again', async () => (await outcome(a!.store.join('ann', 'cellar'))) === 'made');
    await allAgree(members, 'ann', 'cellar');
    await until('what happened meanwhile is recorded', () => b!.recorded('cid').length === 1);
    await a!.store.join('ben', 'cellar');
    await allAgree(members, 'ben', 'cellar');
  },
);

withMembers(
  'a change that was refused because NATS was slow, and made all the same, does no harm',
  2,
  async ({ nats, members }, a, b) => {
    await a!.store.join('ann', 'hall');
    await allAgree(members, 'ann', 'hall');
    nats.pause();
    const connection = a!.connect('ann');
    const refused = await outcome(a!.store.join('ann', 'attic'));
    is(refused, 'cluster-unavailable');
    a!.disconnect(connection);
    nats.resume();
    await until(
      'the connection, which was written late, is gone',
      () => a!.records.available && a!.store.unwritten === 0,
    );
    await a!.store.join('ann', 'cellar');
    await allAgree(members, 'ann', 'cellar');
    await until('no connection is left', () => b!.recorded('ann').length === 0);
  },
);

withMembers('a copy whose watch breaks is read anew', 2, async ({ nats, members }, a, b) => {
  await a!.store.join('ann', 'hall');
  await allAgree(members, 'ann', 'hall');
  const manager = await jetstreamManager(a!.link.connection);
  for await (const { name } of manager.consumers.list(STREAM)) await manager.consumers.delete(STREAM, name);
  await a!.store.join('ann', 'attic').catch(() => undefined);
  await allAgree(members, 'ann', 'attic');
  for (const { records } of members) ok(records.readings > 1);
  // An operator's mistake.
  await manager.streams.delete(STREAM);
  for (const { janitor } of members) janitor.start();
  await until('the bucket is made again', async () => (await outcome(b!.store.join('ben', 'attic'))) === 'made');
  await allAgree(members, 'ben', 'attic');
  await until('and filled', () => members.every(({ records }) => [...records.lost()].length === 0));
  const newcomer = await Member.start(nats.url, new Roll());
  is(newcomer.records.size, 2);
  await newcomer.close();
});

withMembers(
  'connections of a dead instance are removed, and who came back meanwhile is not harmed',
  3,
  async ({ members }, a, b, c) => {
    for (let i = 0; i < 1000; i++) c!.connect(`user ${i}`);
    await until('all are recorded', () => a!.store.elsewhere('user 999').length === 1);
    await Promise.all([0, 1, 2].map((i) => b!.store.join(`user ${i}`, 'hall')));
    for (const { janitor } of [a!, b!]) janitor.start();
    await c!.kill();
    for (let i = 0; i < 500; i++) b!.connect(`user ${i}`, i % 2 === 0 ? undefined : 'phone');
    const begun = performance.now();
    await until('nothing of the dead one is left', () => [...a!.store.dead()].length === 0 && a!.records.size === 500);
    console.log(`connections of a dead instance removed: ${Math.round(performance.now() - begun)} ms for 1000`);
    await until(
      'those who came back are there',
      () => b!.store.unwritten === 0 && [...a!.records.all()].every(({ connections }) => connections.length === 1),
    );
    equal(b!.told, []);
    for (const i of [0, 1, 2]) is(a!.conversation(`user ${i}`), 'hall');
    members.pop();
  },
  { patience: 300 },
);

withMembers(
  'an instance that was taken for dead writes its connections again, without those that moved on',
  2,
  async ({ roll, members }, a, b) => {
    for (let i = 0; i < 100; i++) b!.connect(`user ${i}`, 'tab');
    await until('all are recorded', () => a!.records.size === 100 && b!.store.unwritten === 0);
    // It hangs: no heartbeats, and nothing of the bucket.
    b!.records.close();
    roll.die(b!.incarnation);
    a!.janitor.start();
    await until('its connections are removed', () => a!.records.size === 0);
    a!.connect('user 7', 'tab');
    a!.connect('user 8', 'tab');
    await until('they are recorded', () => a!.records.size === 2);
    roll.enter(b!.incarnation);
    await b!.records.start();
    await until('the rest is back', () => a!.records.size === 100 && b!.store.unwritten === 0);
    equal(new Set(b!.told), new Set(['tab ended replaced']));
    is(b!.told.length, 2);
    equal(a!.told, []);
    equal([a!.recorded('user 7'), a!.recorded('user 9')], [['tab here'], ['tab there']]);
    is(members.length, 2);
  },
  { patience: 300 },
);

withMembers(
  'users without a connection anywhere are forgotten after a while, and no key is left',
  2,
  async ({ members }, a, b) => {
    const ann = a!.connect('ann');
    const ben = b!.connect('ben');
    for (const user of ['ann', 'ben', 'cid']) await a!.store.join(user, 'hall');
    await a!.store.mute('cid', 'hall', true);
    for (const { janitor } of members) janitor.start();
    for (let i = 0; i < 4; i++) {
      await pause(400);
      is(
        members.every(({ registry }) => registry.isIn('cid', 'hall')),
        true,
        'who joins again is remembered anew',
      );
      await members[i % 2]!.store.join('cid', 'hall');
    }
    await until('who never connected is forgotten', () => members.every(({ registry }) => registry.userCount === 2));
    for (const { registry } of members) is(registry.members('hall').length, 2, 'who is connected is not');
    a!.disconnect(ann);
    b!.disconnect(ben);
    const begun = performance.now();
    await until('both are forgotten', () => members.every(({ registry }) => registry.userCount === 0));
    ok(performance.now() - begun > 900);
    const manager = await jetstreamManager(a!.link.connection);
    await until('no key is left', async () => (await manager.streams.info(STREAM)).state.messages === 0);
    await a!.store.join('ann', 'hall');
    await allAgree(members, 'ann', 'hall');
  },
  { patience: 1000 },
  30,
);

withMembers('hostile records are counted and count as none', 2, async ({ members, start }, a, b) => {
  await a!.store.join('ann', 'hall');
  await allAgree(members, 'ann', 'hall');
  const good = { v: 1, userid: 'ann', conversation: 'hall', mutedByOperator: false, connections: [] };
  const connection = { clientid: 'x', instance: '0123456789ab', connection: 1 };
  const hostile: [key: string, value: unknown][] = [
    ['ann', 'no JSON'],
    ['ann', []],
    ['ann', { ...good, userid: 'ben' }],
    ['ben', { ...good, userid: 'ben', conversation: 7 }],
    ['ben', { ...good, userid: 'ben', connections: [{ ...connection, instance: 'me' }] }],
    ['ben', { ...good, userid: 'ben', connections: new Array(1001).fill(connection) }],
    ['ben', { ...good, userid: 'ben', connections: [{ ...connection, connection: -1 }] }],
    ['ben', { ...good, userid: 'ben', v: 2 }],
    ['cid', { ...good, userid: 'c'.repeat(257) }],
    ['dan', { ...good, userid: 'dan', conversation: '__proto__', mutedByOperator: 'yes' }],
  ];
  const dropped = (): number => b!.counts.malformed + b!.counts.otherVersion;
  // One after the other: the bucket keeps the latest value of a key alone.
  const send = async (key: string, value: unknown): Promise<void> => {
    const before = dropped();
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    a!.link.publish(`${PREFIX}${key}`, new TextEncoder().encode(text));
    await until(`${text.slice(0, 80)} is counted`, () => dropped() === before + 1);
  };
  for (const [user, value] of hostile) await send(Buffer.from(user).toString('base64url'), value);
  await send('with.dots', good);
  is(b!.counts.otherVersion, 1);
  is(b!.registry.userCount, 0);
  is(b!.records.get('ann'), undefined);
  const newcomer = await start();
  is(newcomer.registry.userCount, 0);
  for (const user of ['ann', 'ben', 'cid', 'dan']) await b!.store.join(user, 'attic');
  for (const user of ['ann', 'ben', 'cid', 'dan']) await allAgree(members, user, 'attic');
});

withMembers(
  'more records than an instance may have are ignored and counted',
  1,
  async ({ members }, a) => {
    for (let i = 0; i < 5; i++) await outcome(a!.store.join(`user ${i}`, 'hall'));
    is(a!.records.size, 3);
    ok(a!.records.overflow >= 2);
    is(members.length, 1);
    for (let i = 0; i < 3; i++) await a!.store.leave(`user ${i}`, 'hall');
    await until('there is room for them', () => a!.records.size === 2 && a!.records.overflow === 0);
  },
  { limit: 3 },
);

withMembers(
  '20,000 records are read in a moment',
  1,
  async ({ members, start }, a) => {
    const value = (i: number) => ({
      v: 1,
      userid: `user ${i}`,
      conversation: `room ${i % 500}`,
      mutedByOperator: false,
      connections: [{ clientid: `client ${i}`, instance: 'abcdefabcdef', connection: i }],
    });
    for (let i = 0; i < 20_000; i++) {
      const key = Buffer.from(`user ${i}`).toString('base64url');
      a!.link.publish(`${PREFIX}${key}`, new TextEncoder().encode(JSON.stringify(value(i))));
      if (i % 500 === 0) await a!.link.flush(10_000);
    }
    await until('all are here', () => a!.records.size === 20_000);
    globalThis.gc?.();
    const [begun, before] = [performance.now(), process.memoryUsage().heapUsed];
    const newcomer = await start();
    const took = performance.now() - begun;
    globalThis.gc?.();
    const bytes = (process.memoryUsage().heapUsed - before) / 20_000;
    console.log(
      `20,000 records: read in ${Math.round(took)} ms, about ${Math.round(bytes)} bytes each with the registry`,
    );
    is(newcomer.registry.userCount, 20_000);
    is(members.length, 2);
  },
  {},
  60,
);

withEachNats(test, 'a reading while others write takes nobody for gone', async (program) => {
  const nats = await NatsServer.start({ program });
  const [link, other] = [await openLink(nats.url), await openLink(nats.url)];
  const bucket = { name: 'test_users', replicas: 1 };
  const users = Array.from({ length: 3000 }, (_, i) => `user ${i}`);
  const value = (userid: string): Uint8Array => writeRecord({ ...blankRecord(userid), conversation: 'hall' });
  const gone: string[] = [];
  const changed = (userid: string, record: UserRecord | null): void => void (record === null && gone.push(userid));
  const mirror = new Mirror({ changed, counts: noReadCounts(), limit: 1e6, now: () => 0 });
  const { log } = recordLog();
  const feed = new BucketFeed({ link, bucket, inboxes: 'test.inbox', mirror, log, timers });
  try {
    await feed.start();
    const subject = (userid: string): string => `${PREFIX}${recordKey(userid)}`;
    for (const userid of users) other.publish(subject(userid), value(userid));
    await until('all are known', () => mirror.size === users.length);
    // New users count as told, though others, whose records change meanwhile, have not been told yet.
    let writes = 0;
    while (feed.readings < 20 && gone.length === 0) {
      if (feed.current !== null) feed.refresh('the test wants it');
      for (let i = 0; i < 20; i++, writes++) {
        const newcomer = `new ${writes}`;
        other.publish(subject(newcomer), value(newcomer));
        const known = users.at(-1 - ((writes * 7) % 1000))!;
        other.publish(subject(known), value(known));
      }
      await other.flush(5000);
    }
    equal(gone, []);
    other.publish(subject('user 1'), new Uint8Array());
    await until('what is malformed is gone', () => gone.length === 1);
  } finally {
    feed.close();
    await Promise.all([link.close(), other.close()]);
    await nats.stop();
  }
});

test.run();
