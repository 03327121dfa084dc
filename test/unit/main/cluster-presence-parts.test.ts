/** The parts of presence one by one: what is told of own participants, and what is kept of another instance's. */
import { equal, is, ok } from 'uvu/assert';
import { MAX_INSTANCES } from '../../../src/main/cluster/messages/heartbeats.ts';
import {
  type Delta,
  MAX_PINS,
  MAX_REMOTE_PARTICIPANTS,
  type Place,
  type State,
  type WireParticipant,
} from '../../../src/main/cluster/messages/presence.ts';
import { Askers } from '../../../src/main/cluster/presence/askers.ts';
import { MAX_ENTRIES, Outgoing } from '../../../src/main/cluster/presence/outgoing.ts';
import { Peer } from '../../../src/main/cluster/presence/peer.ts';
import { Peers, SILENT_MS } from '../../../src/main/cluster/presence/peers.ts';
import { People } from '../../../src/main/cluster/presence/people.ts';
import { NO_WISHES, pinnedBy } from '../../../src/main/cluster/presence/wishes.ts';
import type { HostedConversation } from '../../../src/main/conversations/hosted-conversation.ts';
import { FakeTimers } from '../../support/fake-timers.ts';
import { FaultyNetwork } from '../../support/faulty-bus.ts';
import { House } from '../../support/presence-fixture.ts';
import { prng } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('cluster presence parts');

const SELF = 'aaaaaaaaaaaa';
const OTHER = 'bbbbbbbbbbbb';

/** An instance whose kitchen has one client. */
function kitchen(most = 64): { house: House; hosted: HostedConversation; people: People } {
  const timers = new FakeTimers();
  const house = new House(SELF, new FaultyNetwork(timers, prng(1)).connect(), timers, most);
  const hosted = house.enter('me', 'kitchen').seat.current!;
  return { house, hosted, people: new People(hosted, house) };
}

function person(s: number, more: Partial<WireParticipant> = {}): WireParticipant {
  const p = { payloadType: 111, redPayloadType: 63, levelExtension: 1 };
  return { s, u: `user ${s}`, c: 'client', p, m: false, t: false, ...more };
}

const HEAD = { conversation: 'kitchen', from: OTHER };
const QUIET = { wants: 0, dominant: null };

function delta(seq: number, more: Partial<Delta> = {}): Delta {
  return { ...HEAD, seq, joined: [], left: [], changed: [], ...QUIET, ...more };
}

function state(seq: number, participants: WireParticipant[], more: Partial<State> = {}): State {
  return { ...HEAD, seq, part: 0, parts: 1, participants, ...QUIET, pinned: [], ...more };
}

const sources = (peer: Peer): number[] => [...peer.participants.keys()];

test('own participants are told once, with each change, under numbers that go up by one', () => {
  const { house } = kitchen();
  const outgoing = new Outgoing(7, house.table);
  const [ann, bob] = [house.enter('ann', 'hall'), house.enter('bob', 'hall', false)];
  const own = house.hosted('hall')!.own;
  const [first] = outgoing.compare(own, NO_WISHES);
  equal([first!.seq, first!.joined.map(({ u }) => u), first!.joined[1]!.p], [8, ['ann', 'bob'], null]);
  equal([outgoing.count, outgoing.numberOf(bob.id), outgoing.numberOf(99)], [2, bob.seat.number, 0]);
  equal(outgoing.compare(own, NO_WISHES), []);
  ann.speak(true);
  bob.mute(true);
  const [second] = outgoing.compare(own, NO_WISHES);
  equal([second!.seq, second!.joined, second!.left], [9, [], []]);
  equal(second!.changed, [
    { s: ann.id, m: false, t: true },
    { s: bob.id, m: true, t: false },
  ]);
  ann.mute(true);
  equal(outgoing.compare(own, NO_WISHES)[0]!.changed, [{ s: ann.id, m: true, t: false }], 'the muted do not speak');
  bob.quality = 'poor';
  equal(outgoing.compare(own, NO_WISHES)[0]!.changed, [{ s: bob.id, m: true, t: false, q: 'poor' }]);
  equal(outgoing.compare(own, NO_WISHES), []);
  bob.quality = null;
  equal(outgoing.compare(own, NO_WISHES)[0]!.changed, [{ s: bob.id, m: true, t: false }]);
  ann.end();
  house.enter('cid', 'hall');
  const [third] = outgoing.compare(own, NO_WISHES);
  equal([third!.left, third!.joined.length], [[ann.id], 1]);
  equal(
    outgoing
      .state()[0]!
      .participants.map(({ u }) => u)
      .sort(),
    ['bob', 'cid'],
  );
});

test('one who left and came back between two looks is still the same, with the new number', () => {
  const { house } = kitchen();
  const outgoing = new Outgoing(0, house.table);
  const ann = house.enter('ann', 'hall');
  house.enter('bob', 'hall');
  const { own } = house.hosted('hall')!;
  outgoing.compare(own, NO_WISHES);
  const before = ann.seat.number;
  ann.place(null).place('hall');
  equal(outgoing.compare(own, NO_WISHES), []);
  ok(ann.seat.number !== before);
  is(outgoing.numberOf(ann.id), ann.seat.number);
});

test('wishes are told when they change, and the pins only then; a state has them all', () => {
  const { house } = kitchen();
  const outgoing = new Outgoing(0, house.table);
  const none = new Map();
  const pinned: Place[] = [[OTHER, 4]];
  equal(outgoing.compare(none, { wants: 3, pinned, dominant: null })[0]!.pinned, pinned);
  const [second] = outgoing.compare(none, { wants: 4, pinned: [[OTHER, 4]], dominant: null });
  equal([second!.wants, 'pinned' in second!], [4, false]);
  const dominant: Place = [SELF, 1];
  equal(outgoing.compare(none, { wants: 4, pinned, dominant })[0]!.dominant, dominant);
  equal(outgoing.compare(none, { wants: 4, pinned, dominant: [SELF, 1] }), []);
  is(outgoing.compare(none, { wants: 4, pinned, dominant: [SELF, 2] }).length, 1);
  equal(outgoing.state(), [{ seq: 4, part: 0, parts: 1, participants: [], wants: 4, dominant: [SELF, 2], pinned }]);
  equal(outgoing.compare(none, { wants: 4, pinned: [], dominant: [SELF, 2] })[0]!.pinned, []);
});

test('many changes are many deltas, and a large state has many parts, of which the first one has the pins', () => {
  const { house } = kitchen(2 * MAX_ENTRIES + 8);
  const outgoing = new Outgoing(0, house.table);
  for (let i = 0; i < MAX_ENTRIES + 1; i++) house.enter(`user ${i}`, 'hall');
  const { own } = house.hosted('hall')!;
  const pinned: Place[] = [[OTHER, 4]];
  const deltas = outgoing.compare(own, { ...NO_WISHES, pinned });
  equal(
    deltas.map(({ seq, joined, pinned }) => [seq, joined.length, pinned?.length]),
    [
      [1, MAX_ENTRIES, 1],
      [2, 1, undefined],
    ],
  );
  const parts = outgoing.state();
  equal(
    parts.map(({ seq, part, parts, participants, pinned }) => [seq, part, parts, participants.length, pinned.length]),
    [
      [2, 0, 2, MAX_ENTRIES, 1],
      [2, 1, 2, 1, 0],
    ],
  );
});

test('another instance says whose connection is not good; versions that do not tell leave it out', () => {
  const { people } = kitchen();
  const peer = new Peer(OTHER, people, 0);
  peer.state(state(1, [person(1), person(2, { q: 'poor' })]));
  const quality = (): unknown[] => [1, 2].map((s) => peer.participants.get(s)!.quality);
  equal(quality(), [null, 'poor']);
  peer.delta(delta(2, { changed: [{ s: 1, m: false, t: false, q: 'fair' }] }));
  peer.delta(delta(3, { changed: [{ s: 2, m: false, t: false }] }));
  equal(quality(), ['fair', null]);
});

test('deltas count in their order; one that came before changes nothing, and one that is too early asks for more', () => {
  const { people, hosted } = kitchen();
  const peer = new Peer(OTHER, people, 0);
  peer.delta(delta(0, { joined: [person(1)] }));
  equal([peer.behind, peer.seq, sources(peer)], [true, -1, []], 'nothing is known of it');
  peer.state(state(4, [person(1), person(2)], { wants: 3, pinned: [[SELF, 0]] }));
  equal([peer.behind, peer.seq, sources(peer), peer.wants, peer.pinned.length], [false, 4, [1, 2], 3, 1]);
  peer.delta(delta(5, { left: [1], joined: [person(3)], changed: [{ s: 2, m: true, t: false }], wants: 2 }));
  equal([peer.seq, sources(peer), peer.participants.get(2)!.muted, peer.wants], [5, [2, 3], true, 2]);
  is(peer.pinned.length, 1, 'the pins are as before');
  peer.delta(delta(5, { left: [2] }));
  peer.delta(delta(3, { left: [3] }));
  equal([peer.behind, sources(peer)], [false, [2, 3]]);
  peer.delta(delta(7, { left: [2] }));
  equal([peer.behind, peer.seq, sources(peer)], [true, 5, [2, 3]]);
  is(hosted.participants.size, 3);
  peer.end();
  is(hosted.participants.size, 1);
});

test('a state keeps those who are the same, with their numbers, and replaces all others', () => {
  const { people, house } = kitchen();
  const peer = new Peer(OTHER, people, 0);
  peer.state(state(1, [person(1), person(2), person(3), person(4), person(5, { p: null })]));
  const before = new Map(peer.participants);
  const red = { payloadType: 111, redPayloadType: 0, levelExtension: 1 };
  const now = [
    person(1, { m: true, t: true }),
    person(2, { u: 'else' }),
    person(3, { c: 'else' }),
    person(4, { p: red }),
  ];
  peer.state(state(2, [...now, person(5, { p: null })]));
  const kept = [1, 2, 3, 4, 5].map((s) => peer.participants.get(s) === before.get(s));
  equal(kept, [true, false, false, false, true]);
  equal([peer.participants.get(1)!.muted, peer.participants.get(1)!.speaks], [true, true]);
  equal(peer.participants.get(4)!.publication, { ...red, ssrcs: [] });
  peer.state(state(1, []));
  is(peer.participants.size, 5, 'an old one');
  peer.state(state(2, []));
  is(peer.participants.size, 0);
  is(house.users.size, 1, 'the numbers of the users were given back');
});

test('a state in parts counts once all of them are there, in whatever order, and a newer one begins anew', () => {
  const { people } = kitchen();
  const peer = new Peer(OTHER, people, 0);
  const part = (seq: number, i: number, ...s: number[]): void =>
    peer.state(
      state(
        seq,
        s.map((one) => person(one)),
        { part: i, parts: 3, pinned: i === 0 ? [[SELF, 9]] : [] },
      ),
    );
  part(1, 2, 3);
  part(1, 2, 3);
  part(2, 1, 2);
  part(1, 0, 7);
  part(1, 1, 8);
  equal([peer.behind, sources(peer)], [true, []], 'of the older one not all came in a row');
  part(2, 2, 3);
  peer.state(state(2, [person(66)], { part: 3, parts: 3 }));
  is(peer.behind, true, 'there is no such part');
  part(2, 0, 1);
  equal([peer.behind, peer.seq, sources(peer).sort(), peer.pinned.length], [false, 2, [1, 2, 3], 1]);
});

test('more participants than an instance can have are not listed', () => {
  const { people, house, hosted } = kitchen();
  const peer = new Peer(OTHER, people, 0);
  const many = (first: number, count: number): WireParticipant[] =>
    Array.from({ length: count }, (_, i) => person(first + i, { u: 'one' }));
  const half = MAX_REMOTE_PARTICIPANTS / 2;
  peer.state(state(1, many(0, half), { parts: 3 }));
  peer.state(state(1, many(half, half), { part: 1, parts: 3 }));
  peer.state(state(1, many(2 * half, 1), { part: 2, parts: 3 }));
  is(peer.behind, true, 'all of it was dropped');
  peer.state(state(2, many(0, half), { parts: 2 }));
  peer.state(state(2, many(half, half), { part: 1, parts: 2 }));
  peer.delta(delta(3, { joined: many(2 * half, 5) }));
  equal([peer.participants.size, hosted.participants.size], [MAX_REMOTE_PARTICIPANTS, MAX_REMOTE_PARTICIPANTS + 1]);
  peer.end();
  is(house.users.size, 1);
}, 60);

test('one that says how far it has told is behind, up to date, or begins anew', () => {
  const { people } = kitchen();
  const peer = new Peer(OTHER, people, 0);
  peer.reached(5, 0);
  equal([peer.behind, peer.seq], [false, 5], 'it has told of nobody yet');
  peer.delta(delta(6, { joined: [person(1)], wants: 3, pinned: [[SELF, 1]] }));
  peer.reached(6);
  is(peer.behind, false);
  peer.reached(5, 0);
  equal([peer.seq, sources(peer)], [6, [1]], 'an old hello');
  peer.reached(8, 2);
  equal([peer.behind, peer.seq], [true, 6]);
  peer.reached(9, 0);
  equal([peer.behind, peer.seq, sources(peer), peer.wants, peer.pinned], [false, 9, [], 0, []]);
});

test('a source that media named is listed until a state comes without it', () => {
  const { people } = kitchen();
  const peer = new Peer(OTHER, people, 0);
  peer.state(state(1, [person(1)]));
  peer.announced(person(1, { u: 'else' }));
  peer.announced(person(2));
  equal([peer.participants.get(1)!.claim.userid, sources(peer)], ['user 1', [1, 2]]);
  peer.participants.get(1)!.setMuted(true);
  peer.announced(person(1, { m: true }));
  is(peer.participants.get(1)!.muted, true);
  peer.state(state(1, [person(1)]));
  equal(sources(peer), [1]);
});

test('an announcement ends a mute and begins none', () => {
  const { people } = kitchen();
  const peer = new Peer(OTHER, people, 0);
  peer.state(state(1, [person(1, { m: true }), person(2)]));
  const muted = (): boolean[] => [...peer.participants.values()].map((one) => one.muted);
  peer.announced(person(1, { u: 'else' }));
  equal(muted(), [true, false], 'somebody else');
  peer.announced(person(2, { m: true }));
  equal(muted(), [true, false]);
  peer.announced(person(1));
  equal(muted(), [false, false]);
  peer.delta(delta(2, { changed: [{ s: 1, m: true, t: false }] }));
  equal(muted(), [true, false]);
});

test('a newcomer whom media named a moment before the first hello came keeps the place', () => {
  const { people } = kitchen();
  const peer = new Peer(OTHER, people, 0);
  peer.announced(person(1));
  const first = peer.participants.get(1);
  peer.heardAt = 999;
  peer.reached(1, 0);
  is(peer.participants.get(1), first);
  peer.delta(delta(2, { joined: [person(1)] }));
  is(peer.participants.get(1), first);
  peer.reached(4, 0);
  equal(sources(peer), [], 'presence knows better by then');
  peer.announced(person(1));
  peer.heardAt = 1999;
  peer.reached(5, 0);
  equal(sources(peer), [], 'that was long ago');
});

test('participants share their publications as long as there are few of them', () => {
  const { people } = kitchen();
  const publicationOf = (payloadType: number, levelExtension: number): unknown =>
    people.list(OTHER, person(1, { p: { payloadType, redPayloadType: 0, levelExtension } }))!.publication;
  const first = publicationOf(1, 1);
  for (let extension = 1; extension < 15; extension++) {
    for (let payloadType = 0; payloadType < 127; payloadType++) publicationOf(payloadType, extension);
  }
  ok(publicationOf(1, 1) === first);
  const late = publicationOf(127, 0);
  ok(publicationOf(127, 0) !== late);
});

test('peers that fall silent are parted with, those that are not known to live sooner, and there are not too many', () => {
  const { people } = kitchen();
  const peers = new Peers(SELF, people);
  const isAlive = (incarnation: string): boolean => incarnation === OTHER;
  const stranger = 'cccccccccccc';
  for (const incarnation of [OTHER, stranger]) peers.meet(incarnation, 0);
  is(peers.partFromSilent(3999, { isAlive }), false);
  is(peers.partFromSilent(4000, { isAlive }), true);
  equal([peers.get(stranger), peers.size], [undefined, 1]);
  peers.meet(OTHER, 1000);
  is(peers.partFromSilent(SILENT_MS, { isAlive }), false);
  is(peers.partFromSilent(SILENT_MS + 1000, { isAlive }), true);
  is(peers.size, 0);
  for (let i = 0; i < MAX_INSTANCES; i++) ok(peers.meet(i.toString(16).padStart(12, '0'), 0));
  is(peers.meet(OTHER, 0), undefined);
  ok(peers.meet('0'.padStart(12, '0'), 0));
});

test('no more pins are told than others read', () => {
  const { house, hosted, people } = kitchen();
  const numbers = Array.from({ length: MAX_PINS + 1 }, (_, i) => people.list(OTHER, person(i))!.number);
  const [me] = house.guests;
  me!.listen({ pinned: numbers });
  is(pinnedBy(hosted).length, MAX_PINS);
  me!.listen({ pinned: [...numbers.slice(0, 2), numbers[0]!, me!.seat.number, 4711] });
  equal(pinnedBy(hosted), [
    [OTHER, 0],
    [OTHER, 1],
  ]);
});

test('one that asks is answered at once, those that ask soon after it together, and each once', () => {
  const askers = new Askers();
  equal(askers.take(0), []);
  askers.add('a');
  equal(askers.take(0), ['a']);
  for (const one of ['b', 'c', 'b']) askers.add(one);
  equal(askers.take(249), []);
  equal(askers.take(250), ['b', 'c']);
  equal(askers.take(1000), []);
  for (let i = 0; i <= MAX_INSTANCES; i++) askers.add(`${i}`);
  is(askers.take(2000).length, MAX_INSTANCES);
});

test.run();
