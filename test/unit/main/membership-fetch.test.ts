/** Connections whose user's membership another process knows, and takes its time to tell. */
import { equal, is, ok } from 'uvu/assert';
import type { WebSocket } from 'ws';
import type { ClientConnection } from '../../../src/main/connections/client-connection.ts';
import { MembershipFetch } from '../../../src/main/connections/membership-fetch.ts';
import { type FetchedMembership, MembershipWatches } from '../../../src/main/conversations/membership-watch.ts';
import { createLog } from '../../../src/main/log/log.ts';
import { OfferQueue } from '../../../src/main/signalling/offer-queue.ts';
import { Signalling } from '../../../src/main/signalling/signalling.ts';
import { NO_TELEMETRY } from '../../../src/main/telemetry.ts';
import { until } from '../../../src/main/wait.ts';
import { ConnectionsFixture } from '../../support/connections-fixture.ts';
import { FakeSocket } from '../../support/fake-socket.ts';
import { readOffer } from '../../support/offers.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('memberships from elsewhere');
const LOG = createLog('silent');

/** A process that knows memberships, and tells when the test says so. */
class Elsewhere {
  readonly asked: string[] = [];
  /** Answers the last question. */
  tell: (membership: FetchedMembership) => void = () => undefined;
  fail: (_?: unknown) => void = () => undefined;

  of(userid: string): Promise<FetchedMembership> {
    this.asked.push(userid);
    return new Promise((resolve, reject) => {
      this.tell = resolve;
      this.fail = () => reject(new Error('unreachable'));
    });
  }
}

function setUp(settings: Readonly<Record<string, string>> = {}) {
  const elsewhere = new Elsewhere();
  const life = new ConnectionsFixture(settings, { memberships: elsewhere });
  return { elsewhere, life };
}

/** Lets promises settle. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const IN_HALL = { conversation: 'hall', mutedByOperator: false };

test('the answer does not wait for a slow membership, and the connection does', async () => {
  const { elsewhere, life } = setUp();
  const { connection, peer, watcher } = await life.answer('ann');
  equal(elsewhere.asked, ['ann'], 'it was asked for before the answer');
  peer.connect();
  await settle();
  equal([connection.state, connection.awaitsMembership, watcher.told], ['signalling', true, []]);
  is(life.registry.isConnected('ann'), false);
  elsewhere.tell({ conversation: 'hall', mutedByOperator: true });
  await settle();
  equal([connection.state, connection.awaitsMembership, watcher.told], ['established', false, ['connected']]);
  equal(life.told, ['ann/tab is muted', 'ann/tab is in hall']);
  is(connection.muted, true);
  is(life.registry.isIn('ann', 'hall'), true);
  is(life.registry.watches.count, 0);
});

test('a membership that is known before the peer is connected is used at once', async () => {
  const { elsewhere, life } = setUp();
  const { peer, watcher } = await life.answer('ann');
  elsewhere.tell(IN_HALL);
  await settle();
  equal(watcher.told, []);
  peer.connect();
  equal([watcher.told, life.told], [['connected'], ['ann/tab is in hall']]);
});

test('what the registry hears after the question counts more than the answer', async () => {
  const changes: readonly [change: (life: ConnectionsFixture) => void, where: string][] = [
    [(life) => life.join('ann', 'yard'), 'yard'],
    [(life) => life.registry.leave('ann', 'hall'), 'nowhere'],
    [(life) => life.registry.leave('ann', 'yard'), 'hall'],
    [
      (life) => {
        life.join('ann', 'yard');
        life.registry.leave('ann', 'yard');
      },
      'nowhere',
    ],
    [
      (life) => {
        life.registry.leave('ann', 'hall');
        life.join('ann', 'hall');
      },
      'hall',
    ],
    [(life) => life.join('bob', 'yard'), 'hall'],
  ];
  for (const [change, where] of changes) {
    for (const changesFirst of [true, false]) {
      const { elsewhere, life } = setUp();
      const { peer } = await life.answer('ann');
      if (changesFirst) change(life);
      elsewhere.tell(IN_HALL);
      await settle();
      if (!changesFirst) change(life);
      peer.connect();
      equal(life.told, [`ann/tab is in ${where}`]);
      is(life.registry.watches.count, 0);
    }
  }
});

test("an operator's mute of somebody the registry knows counts more than the answer", async () => {
  const { elsewhere, life } = setUp();
  life.join('ann', 'hall');
  const { peer, connection } = await life.answer('ann');
  life.registry.mute('ann', 'hall', true);
  elsewhere.tell(IN_HALL);
  await settle();
  peer.connect();
  is(connection.muted, true);
});

test('what the registry hears counts for each connection of the user whose membership is on its way', async () => {
  const { elsewhere, life } = setUp();
  const tab = await life.answer('ann');
  const tell = elsewhere.tell;
  const phone = await life.answer('ann', 'phone');
  life.join('ann', 'yard');
  for (const answer of [tell, elsewhere.tell]) answer(IN_HALL);
  await settle();
  tab.peer.connect();
  is(life.registry.watches.count, 1, 'one is still being set up');
  life.connections.end(tab.connection, 'gone', 'test');
  phone.peer.connect();
  equal(life.told, ['ann/tab is in yard', 'ann/phone is in yard']);
  is(life.registry.watches.count, 0);
});

test('the answer counts more than what the registry remembers of a user who was not connected', async () => {
  const { elsewhere, life } = setUp();
  life.join('ann', 'yard');
  const { peer } = await life.answer('ann');
  elsewhere.tell(IN_HALL);
  await settle();
  peer.connect();
  equal(life.told, ['ann/tab is in hall']);
  equal([life.registry.isIn('ann', 'yard'), life.registry.conversationCount], [false, 1]);
});

test('a user who is connected is where the registry says, whatever is told elsewhere', async () => {
  const { elsewhere, life } = setUp();
  const tab = await life.answer('ann');
  elsewhere.tell(IN_HALL);
  await settle();
  tab.peer.connect();
  const phone = await life.answer('ann', 'phone');
  elsewhere.tell({ conversation: 'yard', mutedByOperator: false });
  await settle();
  phone.peer.connect();
  equal(life.told, ['ann/tab is in hall', 'ann/phone is in hall']);
});

test('a membership for which there is no room ends the connection, and leaves nothing behind', async () => {
  const { elsewhere, life } = setUp({ MAX_PARTICIPANTS: '1' });
  life.join('bob', 'hall');
  const { peer, watcher } = await life.answer('ann');
  elsewhere.tell(IN_HALL);
  await settle();
  peer.connect();
  equal(watcher.told, ['ended: full']);
  equal([life.registry.userCount, life.registry.watches.count, life.connections.count], [1, 0, 0]);
});

test('a connection that ends while the membership is on its way is not brought back by it', async () => {
  const { elsewhere, life } = setUp();
  const { peer, watcher } = await life.answer('ann');
  peer.connect();
  peer.events.closed('disconnected', 'gone');
  equal([watcher.told, life.registry.watches.count], [['ended: gone'], 0]);
  elsewhere.tell(IN_HALL);
  await settle();
  equal([life.told, life.registry.userCount, life.connections.count], [[], 0, 0]);
});

/** A websocket with a real course of signalling, up to the answer. */
async function signal(life: ConnectionsFixture): Promise<FakeSocket> {
  const socket = new FakeSocket();
  const connection = life.connections.reserve({ userid: 'ann', clientid: 'tab' });
  const offers = new OfferQueue<ClientConnection>(life.config, NO_TELEMETRY);
  new Signalling(socket as unknown as WebSocket, connection, life.connections, offers, life.config, LOG, NO_TELEMETRY);
  socket.says(readOffer('chromium-156-slots-3'));
  life.peers.at(-1)!.answer();
  await settle();
  is(socket.sent.length, 1, 'the answer is sent');
  return socket;
}

test('a fetch that was ended tells nothing more, whatever comes of it', async () => {
  for (const outcome of ['tell', 'fail'] as const) {
    const elsewhere = new Elsewhere();
    const told: string[] = [];
    const listener = { arrived: () => void told.push('arrived'), failed: () => void told.push('failed') };
    const fetch = MembershipFetch.begin(elsewhere, 'ann', new MembershipWatches(), listener)!;
    is(fetch.ready(), false);
    is(fetch.end(), null);
    elsewhere[outcome](IN_HALL);
    await settle();
    equal(told, [], outcome);
  }
});

test('a membership that cannot be fetched ends the connection with 1011, before or after its peer is connected', async () => {
  for (const connects of [true, false]) {
    const { elsewhere, life } = setUp();
    const socket = await signal(life);
    if (connects) life.peers[0]!.connect();
    elsewhere.fail();
    await settle();
    equal(socket.closedWith, { code: 1011, reason: 'internal error: the membership could not be fetched' });
    equal([life.connections.count, life.registry.watches.count], [0, 0]);
  }
});

test('a membership that is not known in time ends the connection with 1011, and one that is gets 1000', async () => {
  const { elsewhere, life } = setUp({ CONNECT_TIMEOUT_MS: '100' });
  const socket = await signal(life);
  life.peers[0]!.connect();
  ok(await until(() => socket.closedWith !== null, 10_000));
  equal(socket.closedWith, { code: 1011, reason: 'internal error: the membership was not known in 100 ms' });
  elsewhere.tell(IN_HALL);
  await settle();
  equal([life.connections.count, life.registry.watches.count, life.told], [0, 0, []]);

  const patient = setUp();
  const other = await signal(patient.life);
  patient.life.peers[0]!.connect();
  is(other.closedWith, null);
  patient.elsewhere.tell(IN_HALL);
  await settle();
  equal(other.closedWith, { code: 1000, reason: 'connected' });
});

test('a process whose registry knows all asks nobody, and establishes a connection in the same turn', async () => {
  const life = new ConnectionsFixture({}, { memberships: { of: () => null } });
  life.join('ann', 'hall');
  const { peer, connection } = await life.answer('ann');
  is(life.registry.watches.count, 0);
  peer.connect();
  equal([connection.state, life.told], ['established', ['ann/tab is in hall']]);
});

test.run();
