/** Instances that ask each other for connections, over a bus in memory. */
import { equal, is, ok } from 'uvu/assert';
import { type About, Inquiry, type SeenConnection } from '../../../src/main/cluster/inquiry.ts';
import { noReadCounts, writeMessage } from '../../../src/main/cluster/messages/read.ts';
import { Subjects } from '../../../src/main/cluster/subjects.ts';
import type { ConnectionDetail } from '../../../src/main/operations/views.ts';
import { type FakeBus, FakeNet } from '../../support/fake-bus.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('inquiry');

const subjects = new Subjects('sfu');

/** A connection as the operators' view describes it. */
function connection(userid: string, clientid: string): ConnectionDetail & { userid: string } {
  const flags = { publishes: true, muted: false, deafened: false, speaking: false, hand: false };
  const quality = { uplink: { loss: 0.5, jitterMs: 1.5 }, rttMs: 2.5 };
  return {
    ...{ userid, connection: 7, clientid, state: 'established', seconds: 3, number: 2 ** 32 - 1, slots: 2 },
    ...{ ...flags, ...quality },
  };
}

interface Member {
  readonly id: string;
  readonly incarnation: string;
}

class Fixture {
  readonly net = new FakeNet();
  readonly members: Member[] = ['a', 'b', 'c'].map((id, i) => ({ id, incarnation: String(i).repeat(12) }));
  now = 0;
  readonly counts = noReadCounts();
  readonly asked: [About, string][] = [];

  /** Adds an instance. @param own its connections. */
  start(id: string, own: readonly SeenConnection[]): { inquiry: Inquiry; bus: FakeBus } {
    const bus = this.net.join();
    const self = this.members.find((member) => member.id === id)!;
    const answer =
      (about: About) =>
      (asked: string): readonly SeenConnection[] => {
        this.asked.push([about, asked]);
        return own;
      };
    const inquiry = new Inquiry({
      bus,
      subjects,
      instances: { self, all: () => this.members.filter((member) => member !== self) },
      witness: { conversation: answer('conversation'), user: answer('user') },
      counts: this.counts,
      now: () => this.now,
    });
    return { inquiry, bus };
  }

  /** Adds an instance that answers this to whatever it is asked. */
  answer(id: string, answers: (data: Uint8Array) => Uint8Array): void {
    const bus = this.net.join();
    const { incarnation } = this.members.find((member) => member.id === id)!;
    bus.subscribe(subjects.instance(incarnation), (data, reply) => void bus.publish(reply!, answers(data)));
  }
}

test('each connection comes with the id of its instance, as it was described there', async () => {
  const fixture = new Fixture();
  const { inquiry } = fixture.start('a', [connection('ann', 'own')]);
  fixture.start('b', [connection('ann', 'tab')]);
  fixture.start('c', []);
  equal(await inquiry.ask('user', 'ann'), {
    connections: [{ ...connection('ann', 'tab'), instance: 'b' }],
    missing: [],
  });
  await inquiry.ask('conversation', 'attic/☃');
  equal(fixture.asked, [
    ['user', 'ann'],
    ['user', 'ann'],
    ['conversation', 'attic/☃'],
    ['conversation', 'attic/☃'],
  ]);
});

test('an instance that is not there, or cannot be reached, is missing', async () => {
  const fixture = new Fixture();
  const { inquiry, bus } = fixture.start('a', []);
  fixture.start('b', [connection('ann', 'tab')]);
  const { connections, missing } = await inquiry.ask('user', 'ann');
  equal([connections.length, missing], [1, ['c']]);
  bus.connected = false;
  equal(await inquiry.ask('user', 'ann'), { connections: [], missing: ['b', 'c'] });
});

test('an instance that has ended its inquiry answers no more', async () => {
  const fixture = new Fixture();
  const { inquiry } = fixture.start('a', []);
  fixture.start('c', []);
  fixture.start('b', []).inquiry.close();
  equal((await inquiry.ask('user', 'ann')).missing, ['b']);
});

test('what is no answer counts as none, and throws nothing', async () => {
  const good = connection('ann', 'tab');
  const bad: unknown[] = [
    { connections: [good] },
    { connections: {}, next: null },
    { connections: [{ ...good, muted: 1 }], next: null },
    { connections: [{ ...good, clientid: 'x'.repeat(257) }], next: null },
    { connections: [{ ...good, connection: -1 }], next: null },
    { connections: [{ ...good, rttMs: 'x' }], next: null },
    { connections: [], next: -1 },
  ];
  for (const one of bad) {
    const fixture = new Fixture();
    const { inquiry } = fixture.start('a', []);
    fixture.start('c', []);
    fixture.answer('b', () => writeMessage(one as object));
    equal((await inquiry.ask('user', 'ann')).missing, ['b'], JSON.stringify(one));
    is(fixture.counts.malformed, 1);
  }
  for (const text of ['', '{', '[]', 'null', '{"v":2}', '{"v":1}']) {
    const fixture = new Fixture();
    const { inquiry } = fixture.start('a', []);
    fixture.answer('b', () => Buffer.from(text));
    equal((await inquiry.ask('user', 'ann')).missing, ['b', 'c'], text);
  }
});

test('members that a newer version adds are left out', async () => {
  const fixture = new Fixture();
  const { inquiry } = fixture.start('a', []);
  fixture.start('c', []);
  const newer = { ...connection('ann', 'tab'), state: 'dreaming', mood: 'good' };
  fixture.answer('b', () => writeMessage({ connections: [newer], next: null, later: 1 }));
  const { mood: _, ...known } = newer;
  equal((await inquiry.ask('user', 'ann')).connections, [{ ...known, instance: 'b' }]);
});

test('a crowd is told in several answers that NATS lets through, nobody twice', async () => {
  const fixture = new Fixture();
  const { inquiry } = fixture.start('a', []);
  fixture.start('c', []);
  const crowd = Array.from({ length: 3000 }, (_, i) => connection(`\u0001`.repeat(200) + i, '\u4e00'.repeat(256)));
  fixture.start('b', crowd);
  const { connections, missing } = await inquiry.ask('conversation', 'hall');
  equal(missing, []);
  equal(
    connections.map(({ userid }) => userid),
    crowd.map(({ userid }) => userid),
  );
  const longest = Math.max(...fixture.net.sent.map(({ data }) => data.length));
  ok(longest > 200_000 && longest < 1_048_576, String(longest));
});

test('what comes in time counts; who would never end is missing', async () => {
  const fixture = new Fixture();
  const { inquiry } = fixture.start('a', []);
  fixture.start('c', []);
  let answers = 0;
  fixture.answer('b', (data) => {
    const { from } = JSON.parse(Buffer.from(data).toString()) as { from: number };
    answers++;
    fixture.now += 400;
    return writeMessage({ connections: [connection('ann', String(from))], next: from + 1 });
  });
  const { connections, missing } = await inquiry.ask('conversation', 'hall');
  equal(
    connections.map(({ clientid }) => clientid),
    ['0', '1', '2'],
  );
  equal([answers, missing], [3, ['b']]);
});

test('an answer that leads back, or on without end, is not followed', async () => {
  for (const [next, most] of [
    [0, 1],
    [1, 100],
  ] as const) {
    const fixture = new Fixture();
    const { inquiry } = fixture.start('a', []);
    fixture.start('c', []);
    let answers = 0;
    fixture.answer('b', () => writeMessage({ connections: [], next: next === 0 ? 0 : ++answers }));
    const { missing } = await inquiry.ask('conversation', 'hall');
    equal(missing, ['b']);
    ok(fixture.net.sent.filter(({ subject }) => subject.includes('1'.repeat(12))).length <= most);
  }
});

test('what is no question is not answered', () => {
  const fixture = new Fixture();
  fixture.start('b', []);
  const stranger = fixture.net.join();
  const own = subjects.instance('1'.repeat(12));
  const answers: Uint8Array[] = [];
  stranger.subscribe('inbox.x', (data) => answers.push(data));
  const other = fixture.net.join();
  for (const one of [
    { type: 'user', id: 'ann', from: 0.5 },
    { type: 'user', id: 'a'.repeat(257), from: 0 },
    { type: 'user' },
    { type: 'later', id: 'ann', from: 0 },
    { type: 'toString', id: 'ann', from: 0 },
  ]) {
    fixture.net.deliver(other, own, writeMessage(one), 'inbox.x');
  }
  fixture.net.deliver(other, own, Buffer.from('{'), 'inbox.x');
  fixture.net.deliver(other, own, writeMessage({ type: 'user', id: 'ann', from: 0 }));
  equal([answers.length, fixture.asked.length], [0, 0]);
  fixture.net.deliver(other, own, writeMessage({ type: 'user', id: 'ann', from: 0 }), 'inbox.x');
  equal(JSON.parse(Buffer.from(answers[0]!).toString()), { v: 1, type: 'user', connections: [], next: null });
  fixture.net.deliver(other, own, writeMessage({ type: 'user', id: 'ann', from: 9 }), 'inbox.x');
  equal(JSON.parse(Buffer.from(answers[1]!).toString()), { v: 1, type: 'user', connections: [], next: null });
});

test.run();
