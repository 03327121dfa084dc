/** Presence on a bus in memory: several instances without workers, peers and NATS. */
import { equal, is, ok } from 'uvu/assert';
import { writeMessage } from '../../../src/main/cluster/messages/read.ts';
import { MAX_ENTRIES } from '../../../src/main/cluster/presence/outgoing.ts';
import { SILENT_MS } from '../../../src/main/cluster/presence/peers.ts';
import { BEAT_MS, INTERVAL_MS } from '../../../src/main/cluster/presence/spanning-conversation.ts';
import { conversationHash } from '../../../src/main/cluster/subjects.ts';
import { QUIET_MS, RemoteParticipant } from '../../../src/main/conversations/remote-participant.ts';
import { Tap } from '../../../src/main/taps/tap.ts';
import { TappedConversation } from '../../../src/main/taps/tapped-conversation.ts';
import { FakeTimers } from '../../support/fake-timers.ts';
import { type FaultyBus, FaultyNetwork } from '../../support/faulty-bus.ts';
import { type Guest, House, SUBJECTS } from '../../support/presence-fixture.ts';
import { below, prng, type Random, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('cluster presence');

/** What an instance wants that is wanted nothing special of. */
const wish = (wants: number) => ({ wants, dominant: null, pinned: [] });
const NOTHING = { conversations: 0, hosted: 0, users: 0, known: 0, relayed: 0, room: 0 };
const IDS = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb', 'cccccccccccc'];

/** Some instances on one network. */
class Town {
  readonly timers = new FakeTimers();
  readonly network: FaultyNetwork;
  readonly buses: FaultyBus[];
  readonly houses: House[];

  constructor(count: number, random: Random = prng(1), most = 64) {
    this.network = new FaultyNetwork(this.timers, random);
    this.buses = IDS.slice(0, count).map(() => this.network.connect());
    this.houses = this.buses.map((bus, i) => new House(IDS[i]!, bus, this.timers, most));
  }

  /** Lets time pass, and what waits for promises happen. */
  async pass(milliseconds: number): Promise<void> {
    await settle();
    this.timers.pass(milliseconds);
    await settle();
    this.timers.pass(0);
  }

  /** Everybody leaves, and nothing is left of them. */
  async empties(): Promise<void> {
    for (const { guests } of this.houses) for (const guest of [...guests]) guest.end();
    await this.pass(SILENT_MS);
    for (const house of this.houses) equal(house.held, NOTHING);
    is(
      this.buses.reduce((sum, { subscribed }) => sum + subscribed, 0),
      0,
      'no subscription',
    );
    is(this.timers.waiting, 0, 'no timer');
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await Promise.resolve();
}

/** Lists whom an instance should know of others. */
function truth(houses: readonly House[], of: House, room: string): string[] {
  if (of.own(room).length === 0) return [];
  return houses
    .filter((house) => house !== of)
    .flatMap((house) => house.own(room))
    .sort();
}

function agree(houses: readonly House[], rooms: readonly string[]): void {
  for (const room of rooms) for (const house of houses) equal(house.remote(room), truth(houses, house, room), room);
}

test('those who come, mute, speak and leave are told to the other instances, and only there', async () => {
  const town = new Town(3);
  const [a, b, c] = town.houses as [House, House, House];
  const ann = a.enter('ann', 'kitchen');
  const bob = b.enter('bob', 'kitchen');
  const cid = c.enter('cid', 'garden');
  await town.pass(1);
  agree(town.houses, ['kitchen', 'garden']);
  equal([a.remote('kitchen').length, b.remote('kitchen').length, c.remote('garden').length], [1, 1, 0]);
  bob.mute(true);
  ann.speak(true);
  await town.pass(INTERVAL_MS);
  agree(town.houses, ['kitchen', 'garden']);
  cid.place('kitchen');
  await town.pass(INTERVAL_MS);
  agree(town.houses, ['kitchen', 'garden']);
  is(a.remote('kitchen').length, 2);
  ann.end();
  bob.place(null);
  await town.pass(INTERVAL_MS);
  agree(town.houses, ['kitchen', 'garden']);
  await town.empties();
});

test('a change is told at once if nothing else was just told, and changes at a time are one message', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  const ann = a.enter('ann', 'kitchen');
  b.enter('bob', 'kitchen');
  await town.pass(10_000);
  town.network.sent.clear();
  ann.mute(true);
  const dan = a.enter('dan', 'kitchen');
  await town.pass(0);
  agree(town.houses, ['kitchen']);
  is(town.network.sent.get('delta'), 1);
  dan.mute(true);
  await town.pass(0);
  is(town.network.sent.get('delta'), 1, 'too soon');
  a.enter('eve', 'kitchen');
  await town.pass(INTERVAL_MS);
  agree(town.houses, ['kitchen']);
  is(town.network.sent.get('delta'), 2);
  await town.pass(INTERVAL_MS);
  dan.mute(false);
  await town.pass(0);
  is(town.network.sent.get('delta'), 3);
  const { waiting } = town.timers;
  ann.mute(true);
  is(town.timers.waiting, waiting + 1);
  a.presence.get('kitchen')!.close();
  is(town.timers.waiting - waiting, 1, 'only the goodbye that is under way');
  await town.empties();
});

test('that somebody unmutes is told at once, also right after another change, but not more often than that', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  const ann = a.enter('ann', 'kitchen');
  b.enter('bob', 'kitchen');
  ann.mute(true);
  await town.pass(10_000);
  town.network.sent.clear();
  a.enter('dan', 'kitchen');
  await town.pass(0);
  a.enter('eve', 'kitchen');
  const { waiting } = town.timers;
  ann.mute(false);
  is(town.timers.waiting, waiting, 'one timer for both');
  await town.pass(20);
  is(town.network.sent.get('delta'), 2);
  agree(town.houses, ['kitchen']);
  const crowd = Array.from({ length: 40 }, (_, i) => a.enter(`guest ${i}`, 'kitchen'));
  for (const guest of crowd) guest.mute(true);
  await town.pass(2 * INTERVAL_MS);
  town.network.sent.clear();
  for (const guest of crowd) {
    guest.mute(false);
    await town.pass(1);
  }
  const deltas = town.network.sent.get('delta')!;
  ok(deltas <= 4, `${deltas} in 40 ms`);
  await town.pass(INTERVAL_MS);
  agree(town.houses, ['kitchen']);
  await town.empties();
});

test('where nothing changes only beats are sent, and none of a conversation that has no clients', async () => {
  const town = new Town(3);
  const [a, b] = town.houses as [House, House];
  a.enter('ann', 'kitchen');
  b.enter('bob', 'kitchen');
  await town.pass(5000);
  town.network.sent.clear();
  await town.pass(10 * BEAT_MS);
  equal([...town.network.sent.keys()], ['beat']);
  is(town.network.sent.get('beat'), 20);
  await town.empties();
});

test('connections of one user have one number on each instance, so that nobody hears themselves', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  const here = a.enter('ann', 'kitchen');
  const there = b.enter('ann', 'kitchen');
  b.enter('bob', 'kitchen');
  await town.pass(1);
  const participants = [...a.hosted('kitchen')!.participants.values()];
  const [ann, bob] = ['ann', 'bob'].map((userid) =>
    participants.find((one) => one instanceof RemoteParticipant && one.claim.userid === userid),
  );
  is(ann!.user, here.user);
  ok(bob!.user !== here.user);
  there.end();
  here.end();
  await town.pass(INTERVAL_MS);
  is(a.users.size, 0, 'nobody is here, so that nobody of elsewhere is listed');
  await town.empties();
});

test('what listeners want is told: slots, those they exclude, and their own other connections', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  const ann = a.enter('ann', 'kitchen', true, 5);
  b.enter('bob', 'kitchen', true, 0);
  await town.pass(INTERVAL_MS);
  const [at, bt] = [a.presence.get('kitchen')!, b.presence.get('kitchen')!];
  equal([at.wants, bt.wants, at.listening, bt.listening], [0, 6, true, false], 'five slots and one of her own');
  ok(b.relay.told.includes('changed false 6'));
  ann.listen({ excluded: [77, 78] });
  await town.pass(INTERVAL_MS);
  is(bt.wants, 8);
  const again = b.enter('ann', 'kitchen', true, 1);
  await town.pass(2 * INTERVAL_MS);
  equal([at.wants, bt.wants], [3, 9]);
  ann.deafened = true;
  ann.listen({});
  again.end();
  await town.pass(2 * INTERVAL_MS);
  equal([at.wants, bt.wants, at.listening], [0, 0, false]);
  await town.empties();
});

test('who is pinned elsewhere is told, until they are unpinned or the listener leaves', async () => {
  const town = new Town(3);
  const [a, b, c] = town.houses as [House, House, House];
  const ann = a.enter('ann', 'kitchen');
  const bob = b.enter('bob', 'kitchen');
  const cid = c.enter('cid', 'kitchen');
  await town.pass(INTERVAL_MS);
  const isPinned = (house: House, guest: Guest): boolean => house.presence.get('kitchen')!.isPinned(guest.id);
  ann.listen({ pinned: [a.numberOf('kitchen', bob), ann.seat.number] });
  cid.listen({ pinned: [c.numberOf('kitchen', bob)] });
  await town.pass(2 * INTERVAL_MS);
  equal([isPinned(a, ann), isPinned(b, bob), isPinned(c, cid)], [false, true, false]);
  ann.listen({ pinned: [] });
  await town.pass(INTERVAL_MS);
  is(isPinned(b, bob), true, 'by one is enough');
  cid.end();
  await town.pass(INTERVAL_MS);
  is(isPinned(b, bob), false);
  await town.empties();
});

test('a tap on an instance without participants wants everybody, and those elsewhere are told of its recording', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  const ann = a.enter('ann', 'kitchen', true, 0);
  const socket = { bufferedAmount: 0, send: () => undefined, close: () => undefined };
  const tapped = new TappedConversation({ seats: b.seats, sources: b.table, listed: 100 });
  const tap = (recording: boolean): Tap =>
    new Tap(socket, { foremost: 0, recording }, b.table, { packets: 0, lost: 0 });
  const [listens, records] = [tap(false), tap(true)];
  tapped.add(listens);
  tapped.began(b.conversation('kitchen'));
  await town.pass(2 * INTERVAL_MS);
  const at = a.presence.get('kitchen')!;
  const told = () => [at.wants > 1000, at.isPinned(ann.id), a.hosted('kitchen')!.recorded];
  equal(told(), [true, true, false]);
  equal(b.remote('kitchen'), a.own('kitchen'));
  tapped.add(records);
  await town.pass(2 * INTERVAL_MS);
  equal(told(), [true, true, true]);
  // It greets again after NATS was away; that it has no participants does not mean that it wants nothing.
  town.buses[1]!.connected = false;
  tapped.remove(records);
  await town.pass(2 * INTERVAL_MS);
  town.buses[1]!.connected = true;
  tapped.add(records);
  b.presence.get('kitchen')!.greetWithin(1);
  await town.pass(4 * INTERVAL_MS);
  equal(told(), [true, true, true]);
  tapped.remove(records);
  tapped.remove(listens);
  await town.pass(2 * INTERVAL_MS);
  equal(told(), [false, false, false]);
  tapped.add(records);
  await town.pass(2 * INTERVAL_MS);
  tapped.ended();
  await town.pass(2 * INTERVAL_MS);
  equal(told(), [false, false, false]);
  await town.empties();
});

test('the dominant speaker is the one of the lowest instance that has listeners', async () => {
  const town = new Town(3);
  const [a, b, c] = town.houses as [House, House, House];
  const ann = a.enter('ann', 'kitchen', true, 0);
  const bob = b.enter('bob', 'kitchen');
  const cid = c.enter('cid', 'kitchen');
  await town.pass(INTERVAL_MS);
  const says = (house: House, guest: Guest): void =>
    house.seats.hosted.dominantChanged(house.conversation('kitchen').key, house.numberOf('kitchen', guest));
  const dominant = (): string[] =>
    town.houses.map((house) => {
      const hosted = house.hosted('kitchen');
      return hosted?.participants.get(hosted.dominant)?.claim.userid ?? '';
    });
  says(a, ann);
  says(b, cid);
  says(c, bob);
  await town.pass(INTERVAL_MS);
  equal(dominant(), ['cid', 'cid', 'cid'], 'nobody listens on the first');
  says(b, ann);
  await town.pass(INTERVAL_MS);
  equal(dominant(), ['ann', 'ann', 'ann']);
  says(b, bob);
  await town.pass(INTERVAL_MS);
  equal(dominant(), ['bob', 'bob', 'bob']);
  bob.place(null);
  await town.pass(3 * INTERVAL_MS);
  equal(a.hosted('kitchen')!.dominant, 0, 'who left is not dominant, and the next one says bob, who is gone');
  says(c, cid);
  await town.pass(INTERVAL_MS);
  equal([dominant()[0], dominant()[2]], ['cid', 'cid'], 'the next instance decides');
  cid.place(null);
  await town.pass(INTERVAL_MS);
  equal(dominant()[0], 'ann', 'who is alone decides for himself');
  await town.empties();
});

test('a source that media named before presence is listed once, and leaves with the next state if nobody confirms it', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  a.enter('ann', 'kitchen');
  const bob = b.enter('bob', 'kitchen');
  await town.pass(1);
  const conversation = a.presence.get('kitchen')!;
  const source = { source: bob.id, userid: 'bob', clientid: bob.claim.clientid, muted: false };
  const { publication } = bob;
  const before = conversation.find(b.self, bob.id);
  conversation.announced(b.self, { ...source, publication: publication! });
  ok(conversation.find(b.self, bob.id) === before);
  conversation.announced(b.self, { ...source, source: 4711, userid: 'dan', publication: publication! });
  is(conversation.find(b.self, 4711)?.claim.userid, 'dan');
  is(a.remote('kitchen').length, 2);
  await town.pass(1000);
  conversation.missing(b.self);
  await town.pass(1);
  is(conversation.find(b.self, 4711)?.number, undefined);
  ok(conversation.find(b.self, bob.id) === before, 'the other keeps its number');
  a.instances.dead.add(IDS[2]!);
  conversation.announced(IDS[2]!, { ...source, publication: publication! });
  is(conversation.peerCount, 1, 'an instance that is gone says nothing any more');
  await town.empties();
});

test('an instance that is gone takes its participants along, and one that comes back brings them', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  a.enter('ann', 'kitchen');
  b.enter('bob', 'kitchen').listen({ pinned: [1] });
  await town.pass(INTERVAL_MS);
  town.buses[1]!.connect(false);
  await town.pass(1000);
  a.instances.lose(b.self);
  b.instances.lose(a.self);
  equal([a.remote('kitchen'), b.remote('kitchen')], [[], []]);
  is(a.presence.get('kitchen')!.wants, 0);
  b.enter('dan', 'kitchen');
  await town.pass(2000);
  town.buses[1]!.connect(true);
  await town.pass(2 * INTERVAL_MS + 1000);
  agree(town.houses, ['kitchen']);
  is(a.remote('kitchen').length, 2);
  await town.empties();
});

test('an instance that never says goodbye is forgotten after some seconds', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  a.enter('ann', 'kitchen');
  const bob = b.enter('bob', 'kitchen');
  await town.pass(INTERVAL_MS);
  town.network.faults.loss = 1;
  bob.place(null);
  await town.pass(SILENT_MS - 2 * INTERVAL_MS - BEAT_MS);
  is(a.remote('kitchen').length, 1);
  await town.pass(BEAT_MS + 2 * INTERVAL_MS);
  equal(a.remote('kitchen'), []);
  town.network.faults.loss = 0;
  await town.empties();
});

test('whoever is asked about a conversation that it has left says so', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  a.enter('ann', 'kitchen');
  const bob = b.enter('bob', 'kitchen');
  b.enter('bob', 'garden');
  await town.pass(INTERVAL_MS);
  town.network.faults.loss = 1;
  bob.place(null);
  await town.pass(1);
  town.network.faults.loss = 0;
  is(a.remote('kitchen').length, 1, 'the goodbye was lost');
  a.presence.get('kitchen')!.missing(b.self);
  await town.pass(1);
  equal(a.remote('kitchen'), []);
  await town.empties();
});

test('a conversation that ends and begins again here while the old one is still leaving is told as the new one', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  const ann = a.enter('ann', 'kitchen');
  b.enter('bob', 'kitchen');
  await town.pass(INTERVAL_MS);
  a.shard.slow = true;
  ann.place(null);
  a.forget('kitchen');
  const dan = a.enter('dan', 'kitchen');
  await town.pass(INTERVAL_MS);
  agree(town.houses, ['kitchen']);
  equal(b.remote('kitchen').length, 1);
  a.shard.slow = false;
  a.shard.finishLeaves();
  await town.pass(INTERVAL_MS);
  agree(town.houses, ['kitchen']);
  is(dan.seat.current?.participants.size, 2);
  await town.empties();
});

test('nothing is said before packets can be taken, and nothing if everybody has left by then', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  b.enter('bob', 'kitchen');
  await town.pass(INTERVAL_MS);
  town.network.sent.clear();
  a.relay.slow = true;
  const ann = a.enter('ann', 'kitchen');
  await town.pass(INTERVAL_MS);
  equal([...town.network.sent.keys()], []);
  a.relay.ready();
  await town.pass(INTERVAL_MS);
  agree(town.houses, ['kitchen']);
  ann.place(null);
  ann.place('garden');
  ann.place(null);
  town.network.sent.clear();
  a.relay.ready();
  await town.pass(1);
  is(town.network.sent.get('hello'), undefined);
  await town.empties();
});

test('a newcomer gets the state of each, which others do not hear, and those who know all of it get none', async () => {
  const town = new Town(3);
  const [a, b, c] = town.houses as [House, House, House];
  a.enter('ann', 'kitchen');
  b.enter('bob', 'kitchen');
  await town.pass(2000);
  const { sent } = town.network;
  sent.clear();
  a.relay.told.length = 0;
  const states = (bus: FaultyBus): number => bus.received.get('state') ?? 0;
  for (const bus of town.buses) bus.received.clear();
  c.enter('cid', 'kitchen');
  await town.pass(1);
  equal([sent.get('hello'), sent.get('state'), sent.get('ask'), sent.get('delta')], [1, 2, undefined, 1]);
  equal(town.buses.map(states), [0, 0, 2]);
  is(a.relay.told.filter((what) => what === 'announce').length, 1);
  agree(town.houses, ['kitchen']);
  sent.clear();
  town.buses[2]!.connect(false);
  await town.pass(500);
  town.buses[2]!.connect(true);
  await town.pass(0);
  is(sent.get('hello'), undefined, 'not all at once');
  await town.pass(1000 + INTERVAL_MS);
  equal([sent.get('hello'), sent.get('state'), sent.get('ask')], [1, undefined, undefined]);
  await town.empties();
});

test('who is alone sends nothing but beats, and newcomers learn all that happened', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  const ann = a.enter('ann', 'kitchen');
  await town.pass(INTERVAL_MS);
  town.network.sent.clear();
  ann.mute(true);
  a.enter('dan', 'kitchen');
  await town.pass(BEAT_MS);
  equal([...town.network.sent.keys()], ['beat']);
  b.enter('bob', 'kitchen');
  await town.pass(1);
  agree(town.houses, ['kitchen']);
  await town.empties();
});

test('a goodbye from before a return counts no more, and a message of its own does an instance no harm', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  a.enter('ann', 'kitchen');
  const bob = b.enter('bob', 'kitchen');
  await town.pass(INTERVAL_MS);
  const { seq } = b.presence.get('kitchen')!;
  bob.place(null).place('kitchen');
  await town.pass(INTERVAL_MS);
  const conversation = a.presence.get('kitchen')!;
  conversation.take({ type: 'bye', conversation: 'kitchen', from: b.self, seq });
  conversation.take({ type: 'beat', conversation: 'kitchen', from: a.self, seq: 1000 });
  conversation.take({ type: 'beat', conversation: 'garden', from: IDS[2]!, seq: 1000 });
  agree(town.houses, ['kitchen']);
  is(conversation.peerCount, 1);
  const { hosted } = conversation;
  hosted.electedDominant = 7;
  conversation.close();
  conversation.close();
  is(hosted.electedDominant, null);
  await town.empties();
});

test('while the event loop stands still nobody is taken for silent', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  a.enter('ann', 'kitchen');
  b.enter('bob', 'kitchen');
  await town.pass(INTERVAL_MS);
  town.timers.stall(2 * SILENT_MS);
  is(a.remote('kitchen').length, 1);
  await town.pass(INTERVAL_MS);
  agree(town.houses, ['kitchen']);
  is(a.remote('kitchen').length, 1);
  await town.empties();
});

test('those whom workers know and who fall quiet are forgotten, and after its close presence follows nothing', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  a.enter('ann', 'kitchen');
  const bob = b.enter('bob', 'kitchen');
  await town.pass(INTERVAL_MS);
  const participant = a.presence.get('kitchen')!.find(b.self, bob.id)!;
  participant.hear(new Uint8Array(20));
  is(a.sources.known.size, 1);
  await town.pass(QUIET_MS + 3000);
  is(a.sources.known.size, 0);
  is(a.remote('kitchen').length, 1);
  a.presence.close();
  equal([a.presence.count, a.remote('kitchen').length], [0, 0]);
  a.enter('dan', 'garden');
  is(a.presence.count, 0);
  town.buses[0]!.connect(false);
  town.buses[0]!.connect(true);
  await town.empties();
});

test('after NATS was away, instances greet one another in all their conversations, spread over a second', async () => {
  const town = new Town(1, prng(2), 100);
  const [a] = town.houses as [House];
  for (let i = 0; i < 60; i++) a.enter('ann', `room ${i}`);
  await town.pass(INTERVAL_MS);
  const { sent } = town.network;
  town.buses[0]!.connect(false);
  await town.pass(INTERVAL_MS);
  sent.clear();
  town.buses[0]!.connect(true);
  await town.pass(2 * INTERVAL_MS);
  const soon = sent.get('hello')!;
  ok(soon > 5 && soon < 50, `${soon} of 60`);
  await town.pass(1000);
  is(sent.get('hello'), 60);
  await town.empties();
});

test('a large room is told in messages of a bounded size, and in one state for all who ask at a time', async () => {
  const town = new Town(3, prng(1), 1000);
  const [a, b, c] = town.houses as [House, House, House];
  for (let i = 0; i < 2 * MAX_ENTRIES + 1; i++) a.enter(`user ${i}`, 'kitchen', true, 0);
  b.enter('bob', 'kitchen');
  c.enter('cid', 'kitchen');
  await town.pass(2 * INTERVAL_MS);
  agree(town.houses, ['kitchen']);
  town.network.sent.clear();
  for (const house of [b, c]) house.instances.lose(a.self);
  for (const house of [b, c]) equal(house.remote('kitchen').length, 1);
  a.presence.get('kitchen')!.take({ type: 'ask', conversation: 'kitchen', from: b.self });
  for (const house of [b, c])
    a.presence.get('kitchen')!.take({ type: 'ask', conversation: 'kitchen', from: house.self });
  await town.pass(INTERVAL_MS);
  is(town.network.sent.get('state'), 6, 'three parts to the first, then three to both');
  agree(town.houses, ['kitchen']);
  await town.empties();
});

test('what is malformed, of another version, or too much is dropped and counted, and does no harm', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  a.enter('ann', 'kitchen');
  b.enter('bob', 'kitchen');
  await town.pass(INTERVAL_MS);
  const subject = SUBJECTS.conversation(conversationHash('kitchen'));
  const head = { conversation: 'kitchen', from: b.self, seq: 3 };
  const delta = { type: 'delta', ...head, joined: [], left: [], changed: [], wants: 1, dominant: null };
  const person = { s: 1, u: 'u', c: 'c', p: null, m: false, t: false };
  for (const bad of [
    { type: 'beat', ...head, from: 'nobody' },
    { type: 'beat', ...head, seq: -1 },
    { type: 'beat', ...head, seq: 0.5 },
    { type: 'beat', ...head, conversation: '' },
    { ...delta, wants: -1 },
    { ...delta, pinned: [['x', 1]] },
    { ...delta, left: ['1'] },
    { ...delta, joined: [{ ...person, u: 'x'.repeat(257) }] },
    { ...delta, joined: [{ ...person, p: { payloadType: 128, redPayloadType: 0, levelExtension: 0 } }] },
    { ...delta, joined: new Array(2001).fill(person) },
    { type: 'state', ...head, part: 0, parts: 1025, participants: [], wants: 0, dominant: null, pinned: [] },
    { type: 'hello', ...head, count: 0, known: [[b.self]] },
  ]) {
    const { malformed } = a.counts;
    town.buses[0]!.receive(subject, writeMessage(bad));
    is(a.counts.malformed, malformed + 1, JSON.stringify(bad).slice(0, 200));
  }
  town.buses[0]!.receive(subject, Buffer.from('{"v":2,"type":"beat"}'));
  town.buses[0]!.receive(SUBJECTS.presence(a.self), Buffer.from([0xff]));
  town.buses[0]!.receive(subject, writeMessage({ type: 'shout', ...head }));
  equal([a.counts.otherVersion, a.counts.unknownType], [1, 1]);
  town.buses[0]!.receive(subject, writeMessage({ type: 'beat', ...head, conversation: 'cellar' }));
  town.buses[0]!.receive(subject, writeMessage({ type: 'beat', ...head, from: a.self }));
  agree(town.houses, ['kitchen']);
  await town.empties();
});

for (const [what, lie] of Object.entries({
  'a state that is far ahead': { type: 'state', seq: 2 ** 50, part: 0, parts: 1, participants: [], ...wish(0) },
  'the beginning of a state that is far ahead': {
    type: 'state',
    seq: 2 ** 50,
    part: 0,
    parts: 2,
    participants: [],
    ...wish(0),
  },
  'a greeting that is far ahead': { type: 'hello', seq: 2 ** 50, count: 0, known: [] },
  'an empty state under the right number': { type: 'state', part: 0, parts: 1, participants: [], ...wish(0) },
  'a change under the next number': { type: 'delta', next: true, joined: [], left: [0], changed: [], ...wish(9) },
  'a goodbye': { type: 'bye' },
})) {
  test(`${what} in the name of another instance is forgotten within seconds`, async () => {
    const town = new Town(2);
    const [a, b] = town.houses as [House, House];
    a.enter('ann', 'kitchen');
    const bob = b.enter('bob', 'kitchen');
    await town.pass(1000);
    agree(town.houses, ['kitchen']);
    const { seq: known } = b.presence.get('kitchen')!;
    const seq = known + Number('next' in lie);
    const subject = SUBJECTS.conversation(conversationHash('kitchen'));
    town.buses[0]!.receive(subject, writeMessage({ seq, ...lie, conversation: 'kitchen', from: b.self }));
    bob.mute(true);
    await town.pass(1000);
    b.enter('cid', 'kitchen');
    await town.pass(14_000);
    agree(town.houses, ['kitchen']);
    is(a.presence.get('kitchen')!.wants, b.presence.get('kitchen')!.wants);
    await town.empties();
  });
}

test('an instance whose digests are calculated differently is asked less and less', async () => {
  const town = new Town(2);
  const [a, b] = town.houses as [House, House];
  a.enter('ann', 'kitchen');
  b.enter('bob', 'kitchen');
  await town.pass(1000);
  town.network.sent.clear();
  const subject = SUBJECTS.conversation(conversationHash('kitchen'));
  for (let second = 0; second < 300; second++) {
    const { seq } = b.presence.get('kitchen')!;
    town.buses[0]!.receive(
      subject,
      writeMessage({ type: 'beat', seq, digest: second, conversation: 'kitchen', from: b.self }),
    );
    // Its own digests would agree.
    town.network.faults.loss = 1;
    await town.pass(900);
    town.network.faults.loss = 0;
    await town.pass(100);
  }
  const asked = town.network.sent.get('ask')!;
  ok(asked >= 3 && asked < 30, `asked ${asked} times`);
});

test('there is room for so many participants of other instances and no more, states under way included', async () => {
  const town = new Town(2);
  const [a] = town.houses as [House];
  a.enter('ann', 'kitchen');
  await town.pass(1000);
  const { room } = a;
  room.size = 5000;
  const subject = SUBJECTS.conversation(conversationHash('kitchen'));
  const crowd = Array.from({ length: 1000 }, (_, s) => ({ s, u: `${s}`, c: 'c', p: null, m: false, t: false }));
  for (let instance = 0; instance < 20; instance++) {
    for (const parts of [1, 2]) {
      const head = { conversation: 'kitchen', from: `${1000 * parts + instance}`.padStart(12, 'f'), seq: 1 };
      const state = { type: 'state', ...head, part: 0, parts, participants: crowd, ...wish(0) };
      town.buses[0]!.receive(subject, writeMessage(state));
      ok(room.taken <= room.size, `${room.taken}`);
    }
  }
  is(room.taken, room.size);
  ok(a.counts.tooMany > 0);
  await town.empties();
});

/** Checks that everybody knows the truth about the instances that take part. */
function knowThosePresent(houses: readonly House[], room: string): void {
  const absent = houses.filter((house) => house.own(room).length === 0).map(({ self }) => self);
  for (const house of houses) {
    const known = house.remote(room).filter((line) => !absent.some((self) => line.startsWith(self)));
    equal(known, truth(houses, house, room), room);
  }
}

/** Longest delay of a message, milliseconds. */
const MAX_DELAY_MS = 500;

/** Does something at random. */
function act(random: Random, town: Town, rooms: readonly string[]): void {
  const house = town.houses[below(random, town.houses.length)]!;
  const room = rooms[below(random, rooms.length)]!;
  const guests = [...house.guests];
  const guest = guests[below(random, Math.max(1, guests.length))];
  const what = below(random, 12);
  if (guest === undefined || (what === 0 && guests.length < 8)) {
    house.enter(`user ${below(random, 6)}`, room, below(random, 3) > 0, below(random, 4));
  } else if (what === 1) guest.end();
  else if (what === 2) guest.place(null);
  else if (what < 5) guest.place(room);
  else if (what === 5) guest.mute(!guest.muted);
  else if (what < 8) guest.speak(below(random, 2) === 1);
  else if (what === 8) guest.listen({ pinned: [...(house.hosted(room)?.participants.keys() ?? [])].slice(0, 3) });
  else if (what === 9) house.shard.slow = !house.shard.slow;
  else if (what === 10) house.shard.finishLeaves();
  else if (guests.every(({ seat }) => seat.destination === null)) house.forget(room);
}

test('after losses, repeats, delays and cuts, everybody knows the truth within a beat', async () => {
  const random = prng(seed('presence'));
  const rooms = ['kitchen', 'garden'];
  for (let round = 0; round < 300; round++) {
    const town = new Town(3, random);
    const { faults } = town.network;
    for (let step = 0; step < 80; step++) {
      if (step % 10 === 0) {
        faults.loss = below(random, 60) / 100;
        faults.repeats = below(random, 30) / 100;
        faults.delay = below(random, MAX_DELAY_MS);
      }
      act(random, town, rooms);
      if (below(random, 20) === 0) {
        const i = below(random, 3);
        town.buses[i]!.connect(false);
        // Whoever is cut off for long is given up by the others, and gives them up.
        if (below(random, 2) === 0) {
          for (const other of town.houses) other.instances.lose(IDS[i]!);
          for (const id of IDS) if (id !== IDS[i]) town.houses[i]!.instances.lose(id);
        }
      }
      if (below(random, 10) === 0) for (const bus of town.buses) bus.connect(true);
      await town.pass(below(random, 300));
    }
    Object.assign(faults, { loss: 0, repeats: 0, delay: 0 });
    for (const bus of town.buses) bus.connect(true);
    for (const house of town.houses) {
      house.shard.slow = false;
      house.shard.finishLeaves();
    }
    await town.pass(MAX_DELAY_MS + BEAT_MS + INTERVAL_MS);
    for (const room of rooms) knowThosePresent(town.houses, room);
    // A goodbye may have been lost.
    await town.pass(SILENT_MS - BEAT_MS);
    agree(town.houses, rooms);
    for (const room of rooms) {
      const inside = town.houses.filter((house) => house.own(room).length > 0);
      for (const house of inside) is(house.presence.get(room)!.peerCount, inside.length - 1);
    }
    await town.empties();
  }
}, 60);

test.run();
