/** The life of connections from request to release, with peers that do as the test says. */
import { createRequire } from 'node:module';
import { equal, is, ok } from 'uvu/assert';
import type { ClientConnection } from '../../../src/main/connections/client-connection.ts';
import { RequestError } from '../../../src/main/errors.ts';
import { SourceWord } from '../../../src/workers/protocol.ts';
import { ConnectionsFixture, PLAN } from '../../support/connections-fixture.ts';
import { rtp } from '../../support/packets.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('connections');

/** The kind of refusal that a request meets. */
function refused(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof RequestError) return error.kind;
    throw error;
  }
  return undefined;
}

/** What the connections count, for a look at everything at once. */
function counts({ connections, indexes }: ConnectionsFixture) {
  const { count, placed, waiting, establishedCount } = connections;
  return { count, placed, waiting, established: establishedCount, free: indexes.free };
}

const NOTHING = { count: 0, placed: 0, waiting: 0, established: 0, free: 4 };

test('a connection goes from request to offer, answer, conversation and end, and then nothing of it is left', async () => {
  const life = new ConnectionsFixture();
  const { connections, told, counted } = life;
  life.join('ann', 'hall');
  const { connection, watcher } = life.request('ann');
  equal([connection.state, connection.id, connection.logged], ['waiting', -1, null]);
  equal(counts(life), { ...NOTHING, count: 1, waiting: 1 });
  ok(connections.admit(connection));
  equal([connection.state, connection.index, connection.id], ['signalling', 0, 0]);
  equal(counts(life), { count: 1, placed: 1, waiting: 0, established: 0, free: 3 });
  is(life.receivers[0], connection);

  life.now += 50;
  const opened = connections.open(connection, PLAN, ['192.0.2.1:9']);
  const [peer] = life.peers;
  equal([peer!.client, peer!.addresses], ['["ann","tab"]', ['192.0.2.1:9']]);
  peer!.answer();
  const { local, ssrcs } = await opened;
  is(local.ufrag, 'fragment 0');
  is(new Set(ssrcs).size, PLAN.slots.length);
  equal([connection.slotCount, connection.publication], [PLAN.slots.length, PLAN.publication]);
  equal([watcher.told, life.shard.told], [[], []], 'nothing has happened to it yet');

  life.now += 100;
  peer!.connect();
  is(connection.state, 'established');
  equal(watcher.told, ['connected']);
  equal(told, ['ann/tab is in hall']);
  equal(life.shard.told, ['join 0 of user 1 to 1']);
  equal(counted, ['established after 150']);
  equal(counts(life), { count: 1, placed: 1, waiting: 0, established: 1, free: 3 });
  equal([...connections.qualities()].length, 1);

  life.now += 5000;
  peer!.events.closed('disconnected', 'gone');
  is(connection.state, 'ended');
  equal(watcher.told, ['connected'], 'the websocket is closed already');
  equal(counted.slice(1), ['ended: gone after 5000']);
  equal(life.shard.told.slice(1), ['leave 0']);
  is(peer!.closedAfter, 0);
  is(life.receivers[0], undefined);
  equal(counts(life), NOTHING);
  is(life.registry.isConnected('ann'), false);
});

test('a newer connection of the same client takes over once it is established, and not before', async () => {
  const life = new ConnectionsFixture();
  const old = await life.connect('ann');
  life.join('ann', 'hall');
  const next = await life.answer('ann');
  is(old.connection.state, 'established');
  next.peer.connect();
  equal([old.connection.state, next.connection.state], ['ended', 'established']);
  equal(life.told.slice(-2), ['ann/tab ends: replaced', 'ann/tab is in hall']);
  is(old.peer.closedAfter, 100, 'its client has time to read why');
  equal(counts(life), { count: 1, placed: 1, waiting: 0, established: 1, free: 3 });
  // What the old one's library says of it afterwards is nothing about the new one.
  old.peer.events.closed('closed', 'gone');
  old.peer.connect();
  is(next.connection.state, 'established');
  equal(next.watcher.told, ['connected']);
});

test('a newer request of the same client gives up the attempt before it, and another client of the user goes on', async () => {
  const life = new ConnectionsFixture();
  const first = life.offer('ann');
  const other = life.offer('ann', 'phone');
  life.request('ann');
  equal(first.watcher.told, ['ended: replaced']);
  is(first.peer.closedAfter, 100);
  equal(life.counted, ['failed: replaced']);
  is(other.connection.state, 'signalling');
  other.peer.answer();
  await other.opened;
  other.peer.connect();
  equal(other.watcher.told, ['connected']);
});

test('all connections of a user follow the registry, and keep where they are until the worker has let go', async () => {
  const life = new ConnectionsFixture();
  const tab = await life.connect('ann');
  await life.connect('ann', 'phone');
  life.join('ann', 'hall');
  equal(life.told.slice(-2), ['ann/tab is in hall', 'ann/phone is in hall']);
  life.shard.slow = true;
  life.join('ann', 'yard');
  is(tab.connection.seat.shard, null, 'it is on its way');
  is(tab.connection.seat.destination?.id, 'yard');
  life.shard.letGo();
  is(tab.connection.seat.current?.conversation.id, 'yard');
  life.connections.place(life.registry.leave('ann', 'yard'), true);
  equal(life.told.slice(-2), ['ann/tab is in nowhere, kicked', 'ann/phone is in nowhere, kicked']);
});

test('an index is free when the worker has let go, and its next owner has another id and an empty row', async () => {
  const life = new ConnectionsFixture({ MAX_CONNECTIONS: '1' });
  life.join('ann', 'hall');
  const first = await life.connect('ann');
  life.shard.slow = true;
  life.sources[SourceWord.Red] = 2;
  life.connections.end(first.connection, 'gone', 'test');
  equal([life.connections.count, life.indexes.free, first.peer.closedAfter], [1, 0, null]);
  is(life.connections.full, true);
  life.shard.letGo();
  equal([life.connections.count, life.indexes.free, first.peer.closedAfter], [0, 1, 0]);
  const second = life.offer('bob');
  is(second.connection.index, first.connection.index);
  is.not(second.connection.id, first.connection.id);
  is(life.sources[SourceWord.Red], 0);
});

test('a connection that the library refuses, or that ends before it is answered, holds nothing afterwards', async () => {
  const life = new ConnectionsFixture();
  life.refusal = new Error('no more descriptors');
  const { connection } = life.request('ann');
  ok(life.connections.admit(connection));
  const open = life.connections.open(connection, PLAN, []);
  is(await open.catch((error: Error) => error.message), 'no more descriptors');
  life.connections.end(connection, 'signalling', 'test', 'internal');
  equal(counts(life), NOTHING);

  life.refusal = null;
  const refusal = life.offer('bob');
  refusal.peer.refuse(new Error('bad offer'));
  is(await refusal.opened.catch((error: Error) => error.message), 'bad offer');
  life.connections.end(refusal.connection, 'signalling', 'test', 'internal');
  is(refusal.peer.closedAfter, 0);

  const gone = life.offer('cid');
  gone.peer.events.closed('failed', 'gone');
  equal(gone.watcher.told, ['ended: gone']);
  gone.peer.answer();
  await gone.opened;
  gone.peer.connect();
  is(gone.connection.state, 'ended', 'what comes too late changes nothing');
  equal(life.counted, ['failed: internal', 'failed: internal', 'failed: transport-failed']);
  equal(counts(life), NOTHING);
});

test('a user for whom the registry has no room is told when the connection would be established', async () => {
  const life = new ConnectionsFixture({ MAX_MEMBERSHIPS: '1' });
  await life.connect('ann');
  const late = await life.connect('bob');
  equal(late.watcher.told, ['ended: full']);
  is(late.peer.closedAfter, 0);
  equal(life.counted.slice(1), ['failed: full']);
  is(life.connections.count, 1);
});

test('a client that floods its data channels ends for that reason', async () => {
  const life = new ConnectionsFixture();
  const { peer } = await life.connect('ann');
  peer.events.closed('too many messages', 'flooded');
  equal(life.counted.slice(1), ['ended: flooded after 0']);
});

test('where all places are taken, one that gets nowhere gives its place to a newcomer, and an honest one does not', async () => {
  const life = new ConnectionsFixture({ MAX_CONNECTIONS: '2', MAX_SETUPS_PER_USER: '9' });
  await life.connect('ann');
  const stuck = await life.answer('bob');
  is(
    refused(() => life.request('cid')),
    'full',
    'it may still connect',
  );
  life.now += 2000;
  is(life.connections.full, false);
  const newcomer = life.request('cid');
  is(stuck.connection.state, 'signalling', 'no place is needed before the offer');
  ok(life.connections.admit(newcomer.connection));
  equal(stuck.watcher.told, ['ended: displaced']);
  equal(life.counted.slice(1), ['failed: displaced']);
  is(newcomer.connection.index, stuck.connection.index);
});

test('a connection that has ICE is given longer for DTLS before it loses its place', async () => {
  const life = new ConnectionsFixture({ MAX_CONNECTIONS: '1' });
  const { peer } = await life.answer('ann');
  peer.reachable = true;
  life.now += 7999;
  is(life.connections.full, true);
  life.now += 1;
  is(life.connections.full, false);
});

test('of two newcomers for one place the second one gets none, and of those who wait the oldest gives up', async () => {
  const life = new ConnectionsFixture({ MAX_CONNECTIONS: '1', MAX_WAITING: '2' });
  const [first, second] = [life.request('ann'), life.request('bob')];
  const third = life.request('cid');
  equal(
    [first, second, third].map(({ watcher }) => watcher.told),
    [['ended: displaced'], [], []],
  );
  is(life.connections.admit(second.connection), true);
  is(life.connections.admit(third.connection), false);
  is(life.connections.waiting, 1);
});

test('a connection that was displaced before its websocket opened stays ended, and leaves an older attempt alone', () => {
  const life = new ConnectionsFixture({ MAX_WAITING: '1' });
  const older = life.offer('ann');
  const displaced = life.connections.reserve({ userid: 'ann', clientid: 'tab' });
  const { watcher } = life.request('bob');
  is(displaced.state, 'ended');
  const told: string[] = [];
  life.connections.begin(displaced, { connected: () => told.push('connected'), ended: () => told.push('ended') });
  equal([told, watcher.told, older.watcher.told], [[], [], []]);
  equal(life.counted, ['failed: displaced']);
});

test('a user has so many connections at most, and may have another one when one has ended', async () => {
  const life = new ConnectionsFixture({ MAX_CONNECTIONS_PER_USER: '2' });
  await life.connect('ann');
  const phone = life.request('ann', 'phone');
  const another = (): unknown => life.request('ann', 'laptop');
  is(refused(another), 'too-many-connections');
  life.connections.end(phone.connection, 'gone', 'test');
  is(refused(another), undefined);
});

test("a user's clients on other instances count, and one of them may connect here instead", async () => {
  const elsewhere = (userid: string): string[] => (userid === 'ann' ? ['phone'] : []);
  const life = new ConnectionsFixture({ MAX_CONNECTIONS_PER_USER: '2' }, { elsewhere });
  await life.connect('ann');
  const another = (clientid: string, userid = 'ann') => refused(() => life.request(userid, clientid));
  is(another('laptop'), 'too-many-connections');
  is(another('phone'), undefined);
  is(another('laptop', 'bob'), undefined);
});

test('an observer is told of connections that are established, and how those end', async () => {
  const seen: string[] = [];
  const at = ({ claim: { userid }, seat }: ClientConnection): string =>
    `${userid} in ${seat.destination?.id ?? 'none'}`;
  const life = new ConnectionsFixture(
    {},
    {
      observer: {
        established: (connection) => seen.push(`established ${at(connection)}`),
        ended: (connection, reason) => seen.push(`ended ${at(connection)}: ${reason}`),
      },
    },
  );
  life.join('ann', 'hall');
  life.connections.end(life.request('bob').connection, 'gone', 'never established');
  const { connection } = await life.connect('ann');
  equal(seen, ['established ann in hall']);
  is(life.connections.find({ userid: 'ann', clientid: 'tab' }), connection);
  is(life.connections.find({ userid: 'ann', clientid: 'phone' }), undefined);
  equal([...life.connections.everyEstablished()], [connection]);
  life.connections.end(connection, 'replaced', 'test');
  life.connections.end(connection, 'gone', 'test');
  equal(seen.slice(1), ['ended ann in hall: replaced']);
  is(life.connections.find({ userid: 'ann', clientid: 'tab' }), undefined);
});

test('a drain ends what is being set up at once, and the rest at its end', async () => {
  const life = new ConnectionsFixture();
  life.join('ann', 'hall');
  life.join('dan', 'hall');
  const talking = await life.connect('ann');
  await life.connect('dan');
  const opening = life.offer('bob');
  const waiting = life.request('cid');
  life.connections.endUnestablished('draining', 'the server is shutting down');
  equal([opening.watcher.told, waiting.watcher.told], [['ended: draining'], ['ended: draining']]);
  is(talking.connection.state, 'established');
  opening.peer.answer();
  await opening.opened;
  is(life.connections.count, 2);

  life.shard.slow = true;
  let done = false;
  const ended = life.connections.endAll('draining', 'deadline').then(() => {
    done = true;
  });
  equal(life.told.slice(-2), ['ann/tab ends: draining', 'dan/tab ends: draining']);
  life.shard.letGo(1);
  is(life.connections.count, 1);
  await new Promise((resolve) => setImmediate(resolve));
  is(done, false, 'a worker may still write for the other one');
  life.shard.letGo();
  await ended;
  is(talking.peer.closedAfter, 100);
  equal(counts(life), NOTHING);
  await life.connections.endAll('draining', 'again');
});

test('a client without a channel is not waited for at its end', async () => {
  const life = new ConnectionsFixture();
  life.channels = false;
  const { peer } = await life.connect('ann');
  await life.connections.endAll('draining', 'deadline');
  is(peer.closedAfter, 0);
});

test('a mute by an operator holds for each connection of the user, also for those to come', async () => {
  const life = new ConnectionsFixture();
  life.join('ann', 'hall');
  const tab = await life.connect('ann');
  const mute = (muted: boolean): void => life.connections.mute(life.registry.mute('ann', 'hall', muted)!, muted);
  mute(true);
  mute(true);
  equal([tab.connection.muted, life.shard.told.slice(1)], [true, ['mute 0']]);
  const phone = await life.connect('ann', 'phone');
  is(phone.connection.muted, true);
  equal(life.told, ['ann/tab is in hall', 'ann/tab is muted', 'ann/phone is muted', 'ann/phone is in hall']);
  tab.connection.selfMuted = true;
  mute(false);
  equal([tab.connection.muted, phone.connection.muted], [true, false], 'a client mutes itself all the same');
  equal(life.shard.told.slice(-2), ['mute 0', 'unmute 1']);
});

test('packets go to the worker and reports to RTCP, while the connection is in a conversation', async () => {
  const life = new ConnectionsFixture();
  const { peer } = await life.connect('ann');
  const { drops } = life.connections.ingress;
  const voice = rtp({ sequence: 1 });
  peer.events.packet(voice);
  is(drops.notJoined, 1);
  life.join('ann', 'hall');
  peer.events.packet(voice);
  equal(life.shard.told.slice(-1), ['packet of 0']);
  peer.events.packet(Buffer.from([0x80, 201, 0, 1, 0, 0, 0, 1]));
  is(life.connections.rtcp.counts.received, 1);
  peer.events.closed('closed', 'gone');
  peer.events.packet(voice);
  is(drops.notJoined, 2);
});

test('what the worker sends goes to the peer, and nowhere before there is one', async () => {
  const life = new ConnectionsFixture();
  const { connection } = life.request('ann');
  const packet = Buffer.from('packet');
  is(connection.send(packet), false);
  const { connection: other, peer } = await life.connect('bob');
  is(other.send(packet), true);
  equal(peer.sent, [packet]);
});

test('nothing of this has loaded the native library', () => {
  const loaded = Object.keys(createRequire(import.meta.url).cache).filter((path) => path.endsWith('.node'));
  equal(loaded, []);
});

test.run();
