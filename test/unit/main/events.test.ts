import { equal, is, not, ok } from 'uvu/assert';
import { IndexPool } from '../../../src/main/conversations/index-pool.ts';
import { RemoteParticipant, RemoteSources } from '../../../src/main/conversations/remote-participant.ts';
import { FULL_RIGHTS } from '../../../src/main/conversations/rights.ts';
import { MAX_BUFFERED_BYTES } from '../../../src/main/events/channel.ts';
import { EventLimits } from '../../../src/main/events/schema.ts';
import { Changes, MAX_LIST_LENGTH, pack } from '../../../src/main/events/text.ts';
import { ThrottleLimits } from '../../../src/main/limits/throttle.ts';
import { SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { FakeTimers } from '../../support/fake-timers.ts';
import { type FakeConnection, HubFixture } from '../../support/hub-fixture.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('events');

/** Returns connections in one conversation, all with channels and up to date. */
function connectAll(fixture: HubFixture, names: readonly string[], room = 1): FakeConnection[] {
  const connections = names.map((name) => fixture.connect(name).place(room).openChannel());
  fixture.tick();
  for (const { view } of connections) view.all.length = 0;
  return connections;
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `user${i}`);

test('who opens the channel in a conversation gets a snapshot of it at once', () => {
  const fixture = new HubFixture();
  const ann = fixture.connect('ann').place(1);
  const bob = fixture.connect('bob').place(1);
  bob.muted = true;
  ann.openChannel();
  equal(ann.view.all, [
    {
      ...{ v: 1, type: 'snapshot', conversation: 'room 1', number: 1, muted: false, deafened: false },
      silenced: false,
      speak: true,
      ...{ pinned: [], excluded: [], dominant: 0, total: 2, complete: true, recording: false },
      participants: [
        { number: 1, userid: 'ann', clientid: 'client', muted: false, speaking: false },
        { number: 2, userid: 'bob', clientid: 'client', muted: true, speaking: false },
      ],
    },
  ]);
});

test('who opens the channel in no conversation is told so', () => {
  const fixture = new HubFixture();
  const ann = fixture.connect('ann').openChannel();
  equal(ann.view.all.length, 1);
  is(ann.view.conversation, null);
  fixture.tick();
  equal(ann.view.all.length, 1, 'once');
});

test('the timer runs while anybody has a channel', () => {
  const fixture = new HubFixture();
  const timers = new FakeTimers();
  const end = fixture.hub.start(100, timers);
  const pass = (): number => {
    for (let i = 0; i < 10; i++) {
      fixture.now += 100;
      timers.pass(100);
      fixture.tick();
    }
    return timers.waiting;
  };
  is(pass(), 0);
  const ann = fixture.connect('ann').place(1).openChannel();
  const bob = fixture.connect('bob').place(1).openChannel();
  is(pass(), 1);
  ann.end(null);
  is(pass(), 1);
  bob.end(null);
  is(pass(), 0);
  fixture.connect('cid').openChannel();
  is(pass(), 1, 'and again');
  end();
  is(timers.waiting, 0);
  fixture.connect('dan').openChannel();
  is(timers.waiting, 0, 'not after its end');
});

test('where nothing changes nothing is said', () => {
  const fixture = new HubFixture();
  const connections = connectAll(fixture, ['ann', 'bob', 'cid']);
  for (let i = 0; i < 5; i++) fixture.tick();
  for (const { view } of connections) equal(view.all, []);
});

test('who comes, goes and mutes is told in one message a tick', () => {
  const fixture = new HubFixture();
  const [ann, bob, cid] = connectAll(fixture, ['ann', 'bob', 'cid']);
  const dan = fixture.connect('dan').place(1);
  cid!.place(null);
  bob!.send({ v: 1, type: 'mute', muted: true });
  fixture.tick();
  equal(ann!.view.all, [
    {
      ...{ v: 1, type: 'participants', total: 3, complete: true },
      changed: [
        { number: 2, userid: 'bob', clientid: 'client', muted: true, speaking: false },
        { number: dan.number, userid: 'dan', clientid: 'client', muted: false, speaking: false },
      ],
      left: [3],
    },
  ]);
  equal(ann!.view.userids, ['ann', 'bob', 'dan']);
});

test('who speaks and who is dominant is told once, and not of the muted', () => {
  const fixture = new HubFixture();
  const [ann, bob, cid] = connectAll(fixture, ['ann', 'bob', 'cid']);
  bob!.setSpeaking(true);
  cid!.setSpeaking(true);
  cid!.muted = true;
  fixture.seats.hosted.dominantChanged(1, 2);
  fixture.tick();
  equal(ann!.view.of('speaking'), [{ v: 1, type: 'speaking', started: [2], stopped: [] }]);
  equal(ann!.view.of('dominant'), [{ v: 1, type: 'dominant', number: 2 }]);
  equal(ann!.view.speaking, ['bob']);
  bob!.setSpeaking(false);
  fixture.tick();
  equal(ann!.view.of('speaking').at(-1), { v: 1, type: 'speaking', started: [], stopped: [2] });
  bob!.place(null);
  fixture.tick();
  is(ann!.view.dominant, 0, 'who left is not dominant');
});

test('somebody of another instance speaks by its word or by the worker here, and is on every list, page and pin', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  const hosted = ann!.seat.current!;
  const sources = new RemoteSources({
    indexes: new IndexPool(1, fixture.sources, 40),
    seats: fixture.seats,
    ingress: { take: () => undefined },
    throttleLimits: new ThrottleLimits(200, 1000),
  });
  const publication = { payloadType: 111, redPayloadType: 0, levelExtension: 1, ssrcs: [7] };
  const origin = { instance: 'a1b2c3d4e5f6', source: 7 };
  const identity = { ...origin, claim: { userid: 'cid', clientid: 'elsewhere' }, user: 9, publication };
  const cid = new RemoteParticipant(sources, hosted, identity, false);
  fixture.tick();
  const listed = { number: 3, userid: 'cid', clientid: 'elsewhere', muted: false, speaking: false };
  equal(ann!.view.of('participants'), [
    { v: 1, type: 'participants', total: 3, complete: true, changed: [listed], left: [] },
  ]);
  cid.setSpeaking(true);
  fixture.tick();
  equal(bob!.view.speaking, ['cid']);
  cid.hear(new Uint8Array(20));
  fixture.sources[40 * SOURCE_WORDS + SourceWord.Speaking] = 1;
  cid.setSpeaking(false);
  fixture.tick();
  equal(bob!.view.speaking, ['cid']);
  fixture.sources[40 * SOURCE_WORDS + SourceWord.Speaking] = 0;
  fixture.tick();
  equal(bob!.view.speaking, []);
  cid.setMuted(true);
  cid.setSpeaking(true);
  ann!.send({ v: 1, type: 'pin', numbers: [3] });
  ann!.send({ v: 1, type: 'participants', after: 2 });
  fixture.tick();
  equal(fixture.lastCommand('listen')?.pinned, [3]);
  is(hosted.preferences.get(1)?.pinned[0], 3);
  equal(ann!.view.of('page').at(-1)?.participants, [listed]);
  equal(bob!.view.of('participants').at(-1)?.changed, [{ ...listed, muted: true }]);
  equal(bob!.view.speaking, []);
  cid.end();
  fixture.tick();
  equal(bob!.view.userids, ['ann', 'bob']);
});

test('each listener is told who is in which of its slots, by mid, and only what changed', () => {
  const fixture = new HubFixture();
  const [ann, bob, cid] = connectAll(fixture, ['ann', 'bob', 'cid']);
  ann!.fillSlot(0, 2);
  fixture.tick();
  equal(ann!.view.all, [{ v: 1, type: 'slots', slots: [{ mid: 'a', number: 2 }] }]);
  ann!.fillSlot(0, 3);
  ann!.fillSlot(1, 2);
  bob!.fillSlot(1, 1);
  fixture.tick();
  equal(ann!.view.of('slots').at(-1)?.slots, [
    { mid: 'a', number: 3 },
    { mid: 'b', number: 2 },
  ]);
  equal([...bob!.view.slots], [['b', 1]]);
  equal(cid!.view.all, []);
  bob!.place(null);
  fixture.tick();
  equal([...ann!.view.slots], [['a', 3]], 'nobody is in a slot who has left');
});

test('a slot is never told before the number in it is mapped', () => {
  const random = prng(seed('slots and speakers'));
  const fixture = new HubFixture(4);
  const connections = connectAll(fixture, names(12));
  for (let step = 0; step < 500; step++) {
    const connection = connections[below(random, connections.length)]!;
    const other = connections[below(random, connections.length)]!;
    const choice = below(random, 6);
    if (choice === 0) connection.setSpeaking(below(random, 2) === 0);
    else if (choice === 1) connection.place(below(random, 3) === 0 ? null : 1 + below(random, 2));
    else if (connection.seat.current === other.seat.current) connection.fillSlot(below(random, 2), other.number);
    if (below(random, 3) === 0) fixture.tick();
  }
  fixture.tick();
  fixture.tick();
  for (const { view } of connections) equal(view.unmapped, []);
});

test('after anything at all, every client of a small room knows what is so', () => {
  const random = prng(seed('differences'));
  const fixture = new HubFixture();
  const connections = names(20).map((name) => fixture.connect(name).openChannel());
  for (let step = 0; step < 2000; step++) {
    const connection = connections[below(random, connections.length)]!;
    const choice = below(random, 6);
    if (choice === 0) connection.place(below(random, 4) === 0 ? null : 1 + below(random, 2));
    else if (choice === 1) connection.setSpeaking(below(random, 2) === 0);
    else if (choice === 2) connection.muted = below(random, 2) === 0;
    else if (choice === 3) connection.buffered = below(random, 3) === 0 ? MAX_BUFFERED_BYTES + 1 : 0;
    if (below(random, 4) === 0) fixture.tick();
  }
  for (const connection of connections) connection.buffered = 0;
  fixture.tick();
  for (const connection of connections) {
    const { view } = connection;
    const there = connections.filter(({ seat }) => seat.current !== null && seat.current === connection.seat.current);
    equal(view.userids, there.map(({ claim }) => claim.userid).sort());
    for (const { number, claim, muted } of there) {
      is(view.participants.get(number)?.userid, claim.userid);
      is(view.participants.get(number)?.muted, muted);
    }
    is(view.total, there.length);
    is(view.number, connection.number);
    is(view.conversation, connection.seat.current?.conversation.id ?? null);
  }
});

test('500 who join within some ticks cost each member a few messages a tick, and all know all', () => {
  const fixture = new HubFixture(1000, 600);
  const [ann] = connectAll(fixture, ['ann']);
  const ticks = 10;
  for (let tick = 0; tick < ticks; tick++) {
    for (let i = 0; i < 50; i++) fixture.connect(`user${tick}-${i}`).place(1).openChannel();
    fixture.tick();
  }
  for (let more = 0; more < 5; more++) fixture.tick();
  is(ann!.view.participants.size, 501);
  ok(ann!.view.messages <= 1 + ticks + 5, `${ann!.view.messages} messages`);
  ok(ann!.view.complete);
});

test('in a large room only speakers are listed, with the number of all', () => {
  const fixture = new HubFixture(10);
  const connections = connectAll(fixture, names(30));
  const [ann, bob] = connections;
  const late = fixture.connect('late').place(1).openChannel();
  equal(late.view.all, [], 'not before the room knows it');
  fixture.tick();
  equal(late.view.userids, []);
  is(late.view.total, 31);
  is(late.view.complete, false);
  equal(ann!.view.all, [{ v: 1, type: 'participants', total: 31, complete: false, changed: [], left: [] }]);
  bob!.setSpeaking(true);
  fixture.tick();
  equal(ann!.view.speaking, ['user1']);
  const later = fixture.connect('later').place(1).openChannel();
  fixture.tick();
  equal(later.view.speaking, ['user1']);
  bob!.place(null);
  fixture.tick();
  equal(later.view.userids, [], 'who was told of is told to have left');
});

test('in a large room, where all speak at once, the list ends at the limit', () => {
  const fixture = new HubFixture(10);
  const connections = connectAll(fixture, names(40));
  for (const connection of connections) connection.setSpeaking(true);
  for (let i = 0; i < 5; i++) fixture.tick();
  const late = fixture.connect('late').place(1).openChannel();
  fixture.tick();
  is(late.view.userids.length, 10);
  for (const connection of connections.slice(0, 10)) connection.setSpeaking(false);
  fixture.tick();
  fixture.tick();
  equal(late.view.speaking.length, 10, 'as some fall silent others are told');
});

test('in a large room a listener is told who is in its slot, speaking or not, and whom it pinned', () => {
  const fixture = new HubFixture(5);
  const [ann] = connectAll(fixture, names(20));
  ann!.fillSlot(0, 7);
  fixture.tick();
  equal(
    ann!.view.all.map(({ type }) => type),
    ['participants', 'slots'],
  );
  is(ann!.view.participants.get(7)?.userid, 'user6');
  ann!.send({ v: 1, type: 'pin', numbers: [9] });
  ann!.buffered = MAX_BUFFERED_BYTES + 1;
  fixture.seats.hosted.dominantChanged(1, 3);
  fixture.tick();
  ann!.buffered = 0;
  fixture.tick();
  equal([...ann!.view.participants.keys()].sort(), [3, 7, 9], 'dominant, in a slot, pinned');
});

test('in a large room, of who was told of it is told on that they mute and leave', () => {
  const fixture = new HubFixture(5);
  const [ann] = connectAll(fixture, names(20));
  ann!.fillSlot(0, 7);
  const bob = fixture.connect('bob').place(1).openChannel();
  bob.setSpeaking(true);
  fixture.tick();
  bob.setSpeaking(false);
  fixture.tick();
  bob.muted = true;
  fixture.tick();
  is(ann!.view.named('bob')?.muted, true);
  bob.place(null);
  fixture.tick();
  equal(ann!.view.userids, ['user0', 'user6'], 'who told of herself when she was alone, and who is in her slot');
});

test('a room that grows and shrinks across the limit comes to be listed wholly again', () => {
  const fixture = new HubFixture(10);
  const connections = connectAll(fixture, names(10));
  ok(connections[0]!.view.complete);
  const more = names(5).map((name) => fixture.connect(`more ${name}`).place(1));
  fixture.tick();
  is(connections[0]!.view.complete, false);
  for (const connection of more) connection.place(null);
  fixture.tick();
  is(connections[0]!.view.complete, false, 'not at the brink');
  for (const connection of connections.slice(8)) connection.place(null);
  fixture.tick();
  ok(connections[0]!.view.complete);
  equal(connections[0]!.view.userids, names(8));
});

test('whom a client found on a page is told of when they mute and when they leave', () => {
  const fixture = new HubFixture(4);
  const [ann, , , , , , tim, tom] = connectAll(fixture, names(10));
  ann!.send({ v: 1, type: 'participants', after: 6, limit: 2 });
  equal(
    ann!.view.of('page')[0]!.participants.map(({ number }) => number),
    [7, 8],
  );
  tim!.send({ v: 1, type: 'mute', muted: true });
  tom!.place(null);
  fixture.tick();
  is(ann!.view.participants.get(7)?.muted, true);
  is(ann!.view.participants.has(8), false, 'nobody stays who has left');
});

test('whom a client pins it is told of, also if it had the number from a packet', () => {
  const fixture = new HubFixture(4);
  const [ann, , , , , , tim] = connectAll(fixture, names(10));
  ann!.send({ v: 1, type: 'pin', numbers: [7] });
  fixture.tick();
  is(ann!.view.participants.get(7)?.userid, 'user6');
  tim!.place(null);
  fixture.tick();
  is(ann!.view.participants.has(7), false);
});

test('who was told of as muted, and speaks at once where the list is full, is told of as unmuted', () => {
  const fixture = new HubFixture(1);
  const [ann, bob, cid] = connectAll(fixture, names(5));
  cid!.muted = true;
  fixture.tick();
  ann!.fillSlot(0, 3);
  bob!.setSpeaking(true);
  fixture.tick();
  is(ann!.view.participants.get(3)?.muted, true);
  cid!.muted = false;
  cid!.setSpeaking(true);
  fixture.tick();
  is(ann!.view.participants.get(3)?.muted, false);
});

test('a request that was under way during a move is about nobody in the next conversation', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  connectAll(fixture, ['cid', 'dan'], 2);
  ann!.place(2);
  fixture.tick();
  for (const type of ['pin', 'exclude']) ann!.send({ v: 1, type, numbers: [bob!.number] });
  equal(
    ann!.view.of('error').map(({ code }) => code),
    ['unknown-number', 'unknown-number'],
  );
});

test('pages hold everybody once, in the order of their numbers', () => {
  const fixture = new HubFixture(5, 300);
  const [ann] = connectAll(fixture, names(250));
  let after: number | null = 0;
  const pages: number[] = [];
  while (after !== null) {
    ann!.send({ v: 1, type: 'participants', id: pages.length, after, limit: 100 });
    const page = ann!.view.of('page').at(-1)!;
    is(page.id, pages.length);
    is(page.total, 250);
    pages.push(page.participants.length);
    after = page.next;
  }
  equal(pages, [100, 100, 50]);
  is(ann!.view.participants.size, 250);
  ann!.send({ v: 1, type: 'participants', after: 4_000_000_000 });
  equal(ann!.view.of('page').at(-1), { v: 1, type: 'page', total: 250, participants: [], next: null });
});

for (const character of ['\u0001', '\u4e00', '\ud83d\ude00']) {
  const shown = JSON.stringify(character);
  test(`no message is longer than every client takes, even if everybody is called ${shown} 256 times`, () => {
    const fixture = new HubFixture(100, 128);
    const name = character.repeat(256);
    const connections = names(100).map(() => fixture.connect(name).place(1));
    const [ann] = connections;
    let longest = 0;
    const take = ann!.view.take.bind(ann!.view);
    ann!.view.take = (text) => {
      longest = Math.max(longest, Buffer.byteLength(text));
      take(text);
    };
    ann!.openChannel();
    is(ann!.view.participants.size, 100);
    equal(
      ann!.view.all.map((event) => 'complete' in event && event.complete),
      ann!.view.all.map((_, i) => i === ann!.view.all.length - 1),
      'complete with the last part',
    );
    for (const connection of connections) {
      connection.muted = true;
      connection.fillSlot(0, 1 + (connection.number % 100));
    }
    for (let i = 0; i < 40; i++) fixture.tick();
    ok(
      [...ann!.view.participants.values()].every(({ muted }) => muted),
      'what did not fit came later',
    );
    ann!.send({ v: 1, type: 'participants' });
    ok(ann!.view.of('page')[0]!.next !== null, 'a page that is full ends early');
    ok(longest > 10_000 && longest <= 65_536, String(longest));
  });
}

test('a client that takes no message of this size has its channel closed', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  ann!.open = false;
  bob!.setSpeaking(true);
  fixture.tick();
  is(fixture.hub.count, 1);
});

test('who moves is told at once and gets the other room’s snapshot', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann', 'bob']);
  fixture.connect('cid').place(2);
  ann!.place(2);
  equal(ann!.view.all, [{ v: 1, type: 'moved', conversation: 'room 2' }]);
  fixture.tick();
  equal(ann!.view.userids, ['ann', 'cid']);
  ann!.place(null);
  equal(ann!.view.all.at(-1), { v: 1, type: 'left', conversation: 'room 2', kicked: false });
  fixture.tick();
  is(ann!.view.conversation, null);
  equal(ann!.view.userids, []);
  ann!.place(null);
  fixture.tick();
  is(ann!.view.of('left').length, 1);
});

test('who is on the way hears of the new room when its worker has let go, and not before', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann']);
  fixture.shard.slow = true;
  ann!.place(2);
  fixture.tick();
  equal(
    ann!.view.all.map(({ type }) => type),
    ['moved'],
  );
  ann!.send({ v: 1, type: 'pin', id: 4, numbers: [] });
  is(ann!.view.of('error')[0]?.code, 'not-in-conversation');
  fixture.shard.finishLeaves();
  fixture.tick();
  is(ann!.view.conversation, 'room 2');
});

test('who is sent away and back gets a snapshot, for the number is another', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  ann!.place(2);
  ann!.place(1);
  fixture.tick();
  is(ann!.view.number, 3);
  is(ann!.view.of('snapshot').length, 1);
  equal([...bob!.view.participants.keys()], [2, 3]);
});

test('a room that all left and came back to is told anew', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann']);
  fixture.connect('bob').place(1);
  fixture.tick();
  ann!.end(null);
  const cid = fixture.connect('cid').place(2).openChannel();
  fixture.tick();
  fixture.tick();
  is(fixture.hub.conversationCount, 1, 'nobody is told of the first room any more');
  cid.place(1);
  fixture.tick();
  equal(cid.view.userids, ['bob', 'cid']);
});

test('a room that its only member left and came back to is another', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann']);
  ann!.place(2);
  ann!.place(1);
  fixture.tick();
  is(ann!.view.number, ann!.number);
  not.equal(ann!.number, 1, 'what was under way is about nobody');
  const bob = fixture.connect('bob').place(1);
  fixture.tick();
  bob.muted = true;
  fixture.tick();
  is(ann!.view.named('bob')?.muted, true);
});

test('who is replaced, or whose server drains, is told why and nothing more', () => {
  const fixture = new HubFixture();
  const [ann, bob, cid] = connectAll(fixture, ['ann', 'bob', 'cid']);
  ann!.end('replaced');
  bob!.end('draining');
  cid!.end(null);
  fixture.tick();
  equal(ann!.view.all, [{ v: 1, type: 'replaced' }]);
  equal(bob!.view.all, [{ v: 1, type: 'draining', within: 0 }]);
  equal(cid!.view.all, []);
  is(fixture.hub.count, 0);
});

test('to a client that does not read nothing is sent, and a snapshot once it does', () => {
  const fixture = new HubFixture();
  const [ann, bob, cid] = connectAll(fixture, ['ann', 'bob', 'cid']);
  ann!.buffered = MAX_BUFFERED_BYTES + 1;
  for (let i = 0; i < 50; i++) {
    bob!.muted = i % 2 === 0;
    cid!.place(i % 2 === 0 ? null : 1);
    fixture.tick();
  }
  ann!.buffered = 1;
  fixture.tick();
  equal(ann!.view.all, [], 'not before it has read all');
  ann!.buffered = 0;
  fixture.tick();
  is(ann!.view.all.length, 1);
  is(ann!.view.all[0]?.type, 'snapshot');
  equal(ann!.view.userids, ['ann', 'bob', 'cid']);
  bob!.muted = true;
  fixture.tick();
  is(ann!.view.named('bob')?.muted, true, 'and differences from then on');
});

test('a tick that comes before the last one is through is left out', () => {
  const fixture = new HubFixture(100, 128);
  const connections = connectAll(fixture, names(100));
  connections[0]!.setSpeaking(true);
  fixture.hub.tick();
  connections[1]!.setSpeaking(true);
  fixture.hub.tick();
  fixture.tick();
  fixture.tick();
  for (const { view } of connections) {
    equal(view.speaking, ['user0', 'user1']);
    equal(view.of('snapshot'), [], 'nobody missed a difference');
  }
});

test('the longer telling takes the rarer it is', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  const take = ann!.view.take.bind(ann!.view);
  ann!.view.take = (text) => {
    fixture.now += 40;
    take(text);
  };
  let told = 0;
  for (let tick = 0; tick < 100; tick++) {
    fixture.now += 10;
    bob!.setSpeaking(tick % 2 === 0);
    fixture.tick();
    if (ann!.view.all.splice(0).length > 0) told++;
  }
  ok(told >= 2 && told <= 4, `told ${told} times in about a second, 40 ms each`);
});

test('a machine that stood still while events were told silences them for two seconds more, not for nine times as long', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  const take = ann!.view.take.bind(ann!.view);
  let still = 12_000;
  ann!.view.take = (text) => {
    fixture.now += still;
    still = 0;
    take(text);
  };
  const told = (): number => ann!.view.of('speaking').length;
  bob!.setSpeaking(true);
  fixture.now += 10_000;
  fixture.tick();
  is(told(), 1);
  bob!.setSpeaking(false);
  fixture.now += 1900;
  fixture.tick();
  is(told(), 1);
  fixture.now += 200;
  fixture.tick();
  is(told(), 2);
});

test('all that is new for a client comes in one message', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  const before = ann!.view.messages;
  fixture.connect('cid').place(1);
  bob!.setSpeaking(true);
  fixture.seats.hosted.dominantChanged(1, 2);
  ann!.fillSlot(0, 2);
  fixture.tick();
  equal(
    ann!.view.all.map(({ type }) => type),
    ['participants', 'speaking', 'dominant', 'slots'],
  );
  is(ann!.view.messages - before, 1);
});

test('mute reaches the worker, is told to all, and goes along to the next room', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  ann!.send({ v: 1, type: 'mute', muted: true, id: 7 });
  equal(ann!.view.all, [{ v: 1, type: 'ok', id: 7 }]);
  equal(fixture.lastCommand('mute'), { type: 'mute', connection: ann!.id, muted: true });
  fixture.tick();
  is(bob!.view.named('ann')?.muted, true);
  ann!.place(2);
  is(fixture.lastCommand('join')?.muted, true);
  fixture.tick();
  is(ann!.view.muted, true);
  ann!.send({ v: 1, type: 'mute', muted: false });
  is(fixture.lastCommand('mute')?.muted, false);
});

test('who is in no conversation may mute and deafen themselves, and joins so', () => {
  const fixture = new HubFixture();
  const ann = fixture.connect('ann').openChannel();
  ann.send({ v: 1, type: 'mute', muted: true });
  ann.send({ v: 1, type: 'deafen', deafened: true });
  equal(ann.view.of('error'), []);
  ann.place(1);
  is(fixture.lastCommand('join')?.muted, true);
  is(fixture.lastCommand('join')?.deafened, true);
});

test('pin, exclude and deafen reach the worker as one state; the people in it end with a move', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann', 'bob', 'cid']);
  ann!.send({ v: 1, type: 'pin', numbers: [3, 2, 3] });
  ann!.send({ v: 1, type: 'exclude', numbers: [2] });
  ann!.send({ v: 1, type: 'deafen', deafened: true });
  const state = { type: 'listen', connection: ann!.id, deafened: true, pinned: [3, 2], excluded: [2] };
  equal(fixture.lastCommand('listen'), state);
  ann!.place(2);
  fixture.tick();
  const { pinned, excluded, deafened } = ann!.view.of('snapshot').at(-1)!;
  equal({ pinned, excluded, deafened }, { pinned: [], excluded: [], deafened: true });
  ann!.send({ v: 1, type: 'deafen', deafened: false });
  equal(fixture.lastCommand('listen'), { ...state, deafened: false, pinned: [], excluded: [] });
});

test('a number that nobody has changes nothing', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann', 'bob']);
  ann!.send({ v: 1, type: 'pin', numbers: [2, 99], id: 1 });
  const [error] = ann!.view.of('error');
  equal([error?.code, error?.id, error?.detail], ['unknown-number', 1, 'nobody here has number 99']);
  is(fixture.lastCommand('listen'), undefined);
});

test('bad messages are answered with errors, and the channel stays', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann']);
  const bad: [object | string | null, string][] = [
    [null, 'not-text'],
    ['', 'not-json'],
    ['{"v":1,', 'not-json'],
    ['[]', 'not-json'],
    ['{"v":2,"type":"mute"}', 'bad-version'],
    ['{"v":1,"type":"constructor"}', 'unknown-type'],
    [{ v: 1, type: 'mute', muted: 'yes' }, 'bad-message'],
    ['x'.repeat(EventLimits.messageLength + 1), 'too-long'],
  ];
  for (const [message, code] of bad) {
    ann!.send(message);
    is(ann!.view.of('error').at(-1)?.code, code, String(message));
  }
  is(ann!.view.all.length, bad.length);
  ok(ann!.open);
});

test('a flood is cut off with an error, and the connection stays', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  for (let i = 0; i < 1000; i++) ann!.send('flood');
  is(ann!.open, false);
  const errors = ann!.view.of('error');
  is(errors.length, EventLimits.burst + 1);
  is(errors.at(-1)?.code, 'flood');
  is(fixture.hub.count, 1);
  fixture.tick();
  equal(bob!.view.all, [], 'to others nothing has happened');
  is(ann!.number, 1);
});

test('the rate of requests is what the server was told, twice that at once, and the error names it', () => {
  const fixture = new HubFixture(100, 64, 3);
  const [ann] = connectAll(fixture, ['ann']);
  for (let i = 0; i < 6; i++) ann!.send({ v: 1, type: 'mute', muted: true, id: i });
  fixture.now += 1000;
  for (let i = 6; i < 9; i++) ann!.send({ v: 1, type: 'mute', muted: true, id: i });
  is(ann!.view.of('ok').length, 9);
  is(fixture.hub.flooded, 0);
  ann!.send({ v: 1, type: 'mute', muted: true, id: 9 });
  is(ann!.open, false);
  is(ann!.view.of('error').at(-1)?.detail, 'more than 6 messages at once or 3 a second');
  for (let i = 0; i < 10; i++) ann!.send('more');
  is(fixture.hub.flooded, 1);
});

test('answers to a client that does not read are not kept', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann']);
  ann!.buffered = MAX_BUFFERED_BYTES + 1;
  for (let i = 0; i < 10; i++) ann!.send({ v: 1, type: 'mute', muted: i % 2 === 0, id: i });
  equal(ann!.view.all, []);
  ann!.buffered = 0;
  fixture.tick();
  is(ann!.view.all.length, 1);
  is(ann!.view.muted, false);
});

test("a user muted by an operator may mute but not unmute themselves, and their own mute outlasts the operator's", () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann', 'bob']);
  ann!.mutedByOperator = true;
  fixture.hub.mutedByOperator(ann!);
  is(ann!.view.of('silenced').at(-1)?.silenced, true);
  ann!.send({ v: 1, type: 'mute', muted: true, id: 1 });
  equal([ann!.selfMuted, ann!.view.of('ok').length], [true, 1]);
  ann!.send({ v: 1, type: 'mute', muted: false, id: 2 });
  is(ann!.view.of('error').at(-1)?.code, 'silenced');
  is(ann!.selfMuted, true);
  ann!.mutedByOperator = false;
  fixture.hub.mutedByOperator(ann!);
  is(ann!.muted, true);
});

test('a user who may not speak may mute but not unmute themselves, and is told when that changes', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann', 'bob']);
  ann!.maySpeak = false;
  fixture.hub.letSpeak(ann!);
  is(ann!.view.of('speak').at(-1)?.speak, false);
  ann!.send({ v: 1, type: 'mute', muted: true, id: 1 });
  equal([ann!.selfMuted, ann!.view.of('ok').length], [true, 1]);
  ann!.send({ v: 1, type: 'mute', muted: false, id: 2 });
  is(ann!.view.of('error').at(-1)?.code, 'no-right-to-speak');
  is(ann!.selfMuted, true);
  ann!.place(2);
  fixture.tick();
  equal(ann!.view.of('snapshot').at(-1)?.speak, false);
});

test('everybody sees who raises a hand and who is deafened, and nothing is said of the others', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  ann!.send({ v: 1, type: 'hand', raised: true, id: 1 });
  ann!.send({ v: 1, type: 'deafen', deafened: true, id: 2 });
  equal(
    ann!.view.of('ok').map(({ id }) => id),
    [1, 2],
  );
  fixture.tick();
  const shown = { number: ann!.number, userid: 'ann', clientid: 'client', muted: false, speaking: false };
  equal(bob!.view.all, [
    {
      v: 1,
      type: 'participants',
      total: 2,
      complete: true,
      left: [],
      changed: [{ ...shown, deafened: true, hand: true }],
    },
  ]);
  const cid = fixture.connect('cid').place(1).openChannel();
  fixture.tick();
  equal([cid.view.named('ann')?.hand, cid.view.named('bob')?.hand], [true, undefined], 'a newcomer, too');
  bob!.view.all.length = 0;
  for (let i = 0; i < 9; i++) ann!.send({ v: 1, type: 'hand', raised: i % 2 === 1 });
  ann!.send({ v: 1, type: 'deafen', deafened: false });
  fixture.tick();
  equal(bob!.view.of('participants').at(-1)?.changed, [shown], 'one change a tick');
  fixture.tick();
  is(bob!.view.of('participants').length, 1);
});

test('everybody sees the names and metadata of users and who may not speak, as long as they are known there', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  const shown = { number: ann!.number, userid: 'ann', clientid: 'client', muted: false, speaking: false };
  const changed = (): unknown => bob!.view.of('participants').at(-1)?.changed;
  const grant = { speak: false, name: 'Ann "A"', metadata: '{"seat":[7]}' };
  fixture.rights.set('ann', { ...FULL_RIGHTS, grant });
  fixture.tick();
  equal(changed(), [{ ...shown, speak: false, name: 'Ann "A"', metadata: { seat: [7] } }]);
  const cid = fixture.connect('cid').place(1).openChannel();
  fixture.tick();
  equal(cid.view.named('ann'), { ...shown, speak: false, name: 'Ann "A"', metadata: { seat: [7] } });
  bob!.view.all.length = 0;
  fixture.rights.set('ann', { ...FULL_RIGHTS, grant: { ...grant } });
  fixture.tick();
  fixture.rights.delete('ann');
  fixture.tick();
  equal(bob!.view.all, [], 'the same, and then unknown for a moment');
  fixture.rights.set('ann', { ...FULL_RIGHTS, grant, words: [{ conversation: 'room 1', speak: true }] });
  fixture.tick();
  equal(changed(), [{ ...shown, name: 'Ann "A"', metadata: { seat: [7] } }]);
  fixture.rights.set('ann', { ...FULL_RIGHTS, grant: { speak: true, name: 'Ann "A"', metadata: '{}' } });
  fixture.tick();
  equal(changed(), [{ ...shown, name: 'Ann "A"', metadata: {} }], 'another metadata alone');
  fixture.rights.set('ann', FULL_RIGHTS);
  fixture.tick();
  equal(changed(), [shown]);
});

test('everybody sees whose connection is not good, once for each change, and in large conversations nobody', () => {
  const fixture = new HubFixture(4, 64);
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  const shown = { number: ann!.number, userid: 'ann', clientid: 'client', muted: false, speaking: false };
  const changed = (): unknown[] => bob!.view.of('participants').map((event) => event.changed);
  for (const quality of ['fair', 'fair', 'poor', null, null] as const) {
    ann!.quality = quality;
    fixture.tick();
  }
  equal(changed(), [[{ ...shown, quality: 'fair' }], [{ ...shown, quality: 'poor' }], [shown]]);
  ann!.quality = 'poor';
  fixture.tick();
  for (const name of names(4)) fixture.connect(name).place(1);
  fixture.tick();
  is(bob!.view.named('ann')?.quality, undefined, 'large now');
  bob!.view.all.length = 0;
  ann!.quality = 'fair';
  fixture.tick();
  equal(bob!.view.all, []);
});

test('a hand needs a conversation', () => {
  const fixture = new HubFixture();
  const ann = fixture.connect('ann').openChannel();
  ann.send({ v: 1, type: 'hand', raised: true, id: 3 });
  equal([ann.view.of('error').at(-1)?.code, ann.hand], ['not-in-conversation', false]);
});

test('a large conversation lists raised hands, but no more than leave room for those who speak', () => {
  const fixture = new HubFixture(10, 64);
  const all = names(40).map((name) => fixture.connect(name).place(1));
  const ann = all[0]!.openChannel();
  fixture.tick();
  is(ann.view.participants.size, 0);
  for (const one of all.slice(1, 31)) one.hand = true;
  all[35]!.setSpeaking(true);
  fixture.tick();
  const hands = (): string[] =>
    [...ann.view.participants.values()].filter(({ hand }) => hand).map(({ userid }) => userid);
  equal(hands(), names(6).slice(1), 'half of the list');
  equal(ann.view.speaking, ['user35']);
  all[1]!.hand = false;
  all[2]!.place(null);
  fixture.tick();
  equal(hands(), ['user3', 'user4', 'user5', 'user6', 'user7'], 'the next ones follow');
  const late = all[39]!.openChannel();
  equal(late.view.userids, ['user3', 'user35', 'user4', 'user5', 'user6', 'user7']);
});

test('a worker hears of both mutes together', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann', 'bob']);
  ann!.send({ v: 1, type: 'mute', muted: true });
  ann!.mutedByOperator = true;
  ann!.send({ v: 1, type: 'mute', muted: true, id: 0 });
  equal(fixture.lastCommand('mute'), { type: 'mute', connection: ann!.id, muted: true });
  equal(ann!.view.of('ok').at(-1), { v: 1, type: 'ok', id: 0 }, '0 is an id like any other');
});

test('thousands of leaves at once are told in several messages, none longer than every client accepts', () => {
  const fixture = new HubFixture(7000, 6001);
  const [ann] = connectAll(fixture, ['ann']);
  const others = names(6000).map((name) => fixture.connect(name).place(1));
  for (let i = 0; i < 50; i++) fixture.tick();
  is(ann!.view.participants.size, 6001);
  ann!.view.all.length = 0;
  let longest = 0;
  const take = ann!.view.take.bind(ann!.view);
  ann!.view.take = (text) => {
    longest = Math.max(longest, Buffer.byteLength(text));
    take(text);
  };
  for (const other of others) other.place(null);
  fixture.tick();
  const [first] = ann!.view.of('participants');
  is(first?.left.length, 500);
  for (let i = 0; i < 15; i++) fixture.tick();
  equal(ann!.view.userids, ['ann']);
  ok(longest <= 65_536, String(longest));
});

test('a list of numbers ends after 500 of them, each list by itself', () => {
  const changes = new Changes(1000);
  const numbers = Array.from({ length: 500 }, (_, i) => i + 1);
  ok(numbers.every((number) => changes.leaves(number)));
  is(changes.leaves(501), false);
  ok(numbers.every((number) => changes.speaks(number, true)));
  is(changes.speaks(501, true), false);
  ok(changes.speaks(501, false));
});

test('a change without room is left for the next tick, and smaller ones behind it still fit', () => {
  const changes = new Changes(20);
  ok(changes.is('"0123456789"'));
  is(changes.is('"0123456789"'), false);
  ok(changes.is('"012"'));
  is(changes.is('""'), false);
  equal(JSON.parse(changes.write(3, true, false)[0]!).changed, ['0123456789', '012']);
});

test('each kind of change alone is an event, and none is none', () => {
  const types = (change: (changes: Changes) => unknown, counts = false): string[] => {
    const changes = new Changes(1000);
    change(changes);
    return changes.write(1, true, counts).map((text) => JSON.parse(text).type);
  };
  equal(
    types(() => undefined),
    [],
  );
  equal(
    types(() => undefined, true),
    ['participants'],
  );
  equal(
    types((changes) => changes.is('{}')),
    ['participants'],
  );
  equal(
    types((changes) => changes.leaves(1)),
    ['participants'],
  );
  equal(
    types((changes) => changes.speaks(1, true)),
    ['speaking'],
  );
  equal(
    types((changes) => changes.speaks(1, false)),
    ['speaking'],
  );
});

test('JSON values are packed into lists that fit an event each, and none is left out', () => {
  equal(pack([]), []);
  const lists = pack(Array.from({ length: 30 }, () => JSON.stringify('x'.repeat(1000))));
  is(lists.length, 3);
  is(lists.flatMap((list) => JSON.parse(list)).length, 30);
  ok(lists.every((list) => list.length <= MAX_LIST_LENGTH + 2));
  equal(pack([JSON.stringify('x'.repeat(20_000))]).length, 1);
});

test('a drain of 0 ms is not announced; a longer one is announced to later channels, too, with the time left', () => {
  const now = new HubFixture();
  const [ann] = connectAll(now, ['ann']);
  now.hub.drain(0);
  now.connect('bob').place(1).openChannel();
  equal(ann!.view.of('draining'), []);
  const later = new HubFixture();
  const [cid] = connectAll(later, ['cid']);
  later.now = 1000;
  later.hub.drain(5000);
  equal(cid!.view.of('draining'), [{ v: 1, type: 'draining', within: 5000 }]);
  later.now += 2000;
  equal(later.connect('dan').place(1).openChannel().view.of('draining')[0]?.within, 3000);
  later.now += 9000;
  equal(later.connect('eve').place(1).openChannel().view.of('draining')[0]?.within, 0);
});

test('nothing is kept of a conversation after its last participant has left', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann']);
  is(fixture.hub.conversationCount, 1);
  ann!.place(null);
  fixture.tick();
  fixture.tick();
  is(fixture.hub.conversationCount, 0);
});

test('a channel that closes late does not end its successor', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann', 'bob']);
  const close = (ann as unknown as { reader: { closed(): void } }).reader;
  ann!.openChannel();
  close.closed();
  is(fixture.hub.count, 2);
  ann!.view.all.length = 0;
  fixture.seats.hosted.dominantChanged(1, 2);
  fixture.tick();
  equal(ann!.view.of('dominant').length, 1);
});

test('all are told when a recording begins and ends, and newcomers by their snapshot', () => {
  const fixture = new HubFixture();
  const ann = fixture.connect('ann').place(1).openChannel();
  fixture.tick();
  const hosted = ann.seat.current!;
  hosted.recordedHere = true;
  fixture.tick();
  equal(ann.view.all.at(-1), { v: 1, type: 'recording', recording: true });
  const bob = fixture.connect('bob').place(1).openChannel();
  fixture.tick();
  is(bob.view.of('snapshot')[0]!.recording, true);
  hosted.recordedElsewhere = true;
  hosted.recordedHere = false;
  fixture.tick();
  is(ann.view.recording, true, 'somebody else records it');
  is(ann.view.of('recording').length, 1);
  hosted.recordedElsewhere = false;
  fixture.tick();
  for (const { view } of [ann, bob]) is(view.recording, false);
  ann.place(2);
  fixture.tick();
  is(ann.view.of('snapshot').at(-1)!.recording, false);
});

test('slots are told anew after a snapshot', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  ann!.fillSlot(0, bob!.number);
  fixture.tick();
  is(ann!.view.of('slots').length, 1);
  ann!.buffered = MAX_BUFFERED_BYTES + 1;
  bob!.muted = true;
  fixture.tick();
  ann!.buffered = 0;
  fixture.tick();
  is(ann!.view.of('slots').length, 2, 'after a snapshot nothing is known of them');
  equal([...ann!.view.slots], [['a', bob!.number]]);
});

test('a client whose buffer is exactly full is still told', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  ann!.buffered = MAX_BUFFERED_BYTES;
  bob!.setSpeaking(true);
  fixture.tick();
  is(ann!.view.of('speaking').length, 1);
});

test('a client whose RED cannot be read is told so when it opens its channel', () => {
  const fixture = new HubFixture();
  const ann = Object.assign(fixture.connect('ann').place(1), { badRed: true }).openChannel();
  equal(
    ann.view.of('error').map(({ code }) => code),
    ['bad-red'],
  );
});

test('a client that was too slow gets no answers either until it has read everything', () => {
  const fixture = new HubFixture();
  const [ann] = connectAll(fixture, ['ann']);
  ann!.buffered = MAX_BUFFERED_BYTES + 1;
  ann!.send({ v: 1, type: 'mute', muted: true, id: 1 });
  ann!.buffered = 1;
  ann!.send({ v: 1, type: 'mute', muted: true, id: 2 });
  equal(ann!.view.all, []);
});

test('speaker numbers beyond 2^31 are told like any other', () => {
  const fixture = new HubFixture();
  const ann = fixture.connect('ann').place(1);
  Object.assign(ann.seat.current!, { lastNumber: 2 ** 31 + 5 });
  const bob = fixture.connect('bob').place(1);
  ann.openChannel();
  fixture.tick();
  ann.fillSlot(0, bob.number);
  fixture.tick();
  equal([...ann.view.slots], [['a', 2 ** 31 + 6]]);
});

test('what is new still comes in one message after thousands of events', () => {
  const fixture = new HubFixture();
  const [ann, bob] = connectAll(fixture, ['ann', 'bob']);
  for (let i = 0; i < 2000; i++) {
    bob!.setSpeaking(i % 2 === 0);
    bob!.muted = i % 4 < 2;
    fixture.tick();
  }
  const before = ann!.view.messages;
  fixture.connect('cid').place(1);
  ann!.fillSlot(0, bob!.number);
  fixture.tick();
  is(ann!.view.messages, before + 1);
});

test('in a large room the dominant speaker is listed though the list is full', () => {
  const fixture = new HubFixture(2);
  const [, bob, cid, dan] = connectAll(fixture, names(8));
  for (const speaker of [bob, cid, dan]) speaker!.setSpeaking(true);
  for (let i = 0; i < 3; i++) fixture.tick();
  const listed = (): readonly string[] => {
    const late = fixture.connect('late').place(1).openChannel();
    fixture.tick();
    return late.view.userids;
  };
  equal(listed(), ['user1', 'user2']);
  fixture.seats.hosted.dominantChanged(1, dan!.number);
  fixture.tick();
  equal(listed(), ['user1', 'user2', 'user3']);
});

test.run();
