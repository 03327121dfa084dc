/** Which packets of this instance's clients are relayed, and what goes before them. */
import { equal, is } from 'uvu/assert';
import { noReadCounts } from '../../../src/main/cluster/messages/read.ts';
import { readAnnouncement } from '../../../src/main/cluster/relay/announcement.ts';
import { RelayCounts } from '../../../src/main/cluster/relay/counts.ts';
import type { RelayedConversation } from '../../../src/main/cluster/relay/interfaces.ts';
import { Outgoing } from '../../../src/main/cluster/relay/outgoing.ts';
import { Throttle, ThrottleLimits } from '../../../src/main/limits/throttle.ts';
import type { Publisher } from '../../../src/main/media/ingress.ts';
import { connectionId, connectionIndex, SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { rtp } from '../../support/packets.ts';
import { RecordingBus } from '../../support/recording-bus.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('outgoing relay');
const MS = 1000;
const LEVEL_ID = 1;
const LOUD = 20;
const SILENT = 127;
const PUBLICATION = { payloadType: 111, redPayloadType: 63, levelExtension: LEVEL_ID, ssrcs: [5] };
const KITCHEN = { key: 1 };
const GARDEN = { key: 2 };

interface Client extends Publisher {
  id: number;
  muted: boolean;
  isClient: boolean;
  publication: Publisher['publication'];
  rtcp: { uplink: { fraction: number } };
  seat: { number: number; shard: null; current: { conversation: { key: number } } | null };
}

function setUp({ wants = 2 } = {}) {
  const bus = new RecordingBus();
  const counts = new RelayCounts();
  const sources = new Int32Array(64 * SOURCE_WORDS);
  const pushed: [string, number, number, number][] = [];
  const queue = {
    push: ({ mediaSubject }: { mediaSubject: string }, source: number, stamp: number, loss: number): void => {
      pushed.push([mediaSubject, source, stamp, loss]);
    },
  };
  const outgoing = new Outgoing({ bus, queue, counts, sources, incarnation: '0123456789ab' });
  const pins = new Set<number>();
  const relayed = (key: number, mediaSubject: string) => {
    const state = { key, mediaSubject, listening: true, wants, isPinned: (id: number) => pins.has(id) };
    const rest = { find: () => undefined, announced: () => undefined, missing: () => undefined };
    return { ...state, ...rest } satisfies RelayedConversation;
  };
  const kitchen = relayed(KITCHEN.key, 'kitchen');
  outgoing.open(kitchen);
  const clock = { now: 2 ** 31 - 300 * MS };
  const client = (id: number, userid = `user ${id}`): Client => ({
    ...{ id, claim: { userid, clientid: 'phone' }, isClient: true, muted: false, publication: PUBLICATION },
    ...{ rtcp: { uplink: { fraction: 0 } }, packetsReceived: 0, throttle: new Throttle(new ThrottleLimits(1, 1)) },
    seat: { number: id, shard: null, current: { conversation: KITCHEN } },
  });
  let sequence = 0;
  /** Clients send a packet each, 20 ms after the ones before. */
  const say = (clients: readonly Client[], level = LOUD, payload?: Buffer, payloadType = 111): void => {
    clock.now = (clock.now + 20 * MS) | 0;
    for (const one of clients) {
      const fields = { sequence: sequence++, payloadType, level: { id: LEVEL_ID, level } };
      outgoing.packet(one, rtp(payload === undefined ? fields : { ...fields, payload }), clock.now);
    }
  };
  const rank = ({ id }: Client, place: number): void => {
    sources[connectionIndex(id) * SOURCE_WORDS + SourceWord.Rank] = place;
  };
  /** Whose packets went out since. */
  const went = (): number[] => pushed.splice(0).map(([, source]) => source);
  const announced = (): number[] =>
    bus.sent.splice(0).map(({ data }) => readAnnouncement(data, noReadCounts())!.source);
  return { bus, counts, outgoing, pushed, pins, kitchen, relayed, clock, client, say, rank, went, announced };
}

/** Clients who have talked for long, in this order. */
function talking(count: number, options = {}) {
  const all = setUp(options);
  const clients = Array.from({ length: count }, (_, i) => all.client(i + 1));
  clients.forEach((client, i) => {
    all.rank(client, 2 * i + 1);
  });
  all.say(clients);
  all.outgoing.lookAtAll();
  for (let i = 0; i < 15; i++) all.say(clients);
  all.outgoing.lookAtAll();
  all.went();
  all.announced();
  return { ...all, clients };
}

test('the foremost of this instance are relayed: as many as are wanted elsewhere, and two more', () => {
  const { clients, say, went, rank, outgoing } = talking(7);
  say(clients);
  equal(went(), [1, 2, 3, 4]);
  rank(clients[6]!, 2);
  outgoing.lookAtAll();
  say(clients);
  equal(went(), [1, 2, 3, 7], 'the order is followed');
  rank(clients[0]!, 0);
  outgoing.lookAtAll();
  say(clients, SILENT);
  equal(went(), [2, 3, 4, 7], 'whoever has no place is not among them');
});

test('the order is followed within 50 ms of packets, without anybody who looks', () => {
  const { clients, say, went, rank } = talking(7);
  say(clients);
  say(clients);
  say(clients);
  went();
  rank(clients[6]!, 2);
  for (let i = 0; i < 3; i++) say(clients);
  equal(went().slice(-4), [1, 2, 3, 7]);
});

test('nothing is relayed if nobody elsewhere listens, or if the conversation is on this instance alone', () => {
  const { clients, say, went, kitchen, outgoing } = talking(2);
  kitchen.wants = 0;
  say(clients);
  equal(went(), []);
  kitchen.wants = 1;
  say(clients);
  equal(went(), [1, 2]);
  clients[0]!.seat.current = { conversation: GARDEN };
  say(clients);
  equal(went(), [2]);
  clients[1]!.seat.current = null;
  say(clients);
  equal(went(), []);
  clients[0]!.seat.current = { conversation: KITCHEN };
  outgoing.close(kitchen);
  say(clients);
  equal(went(), []);
});

test('what comes from another instance, a muted client or one that has nothing to publish is not relayed', () => {
  const { clients, say, went } = talking(3);
  clients[0]!.isClient = false;
  clients[1]!.muted = true;
  clients[2]!.publication = null;
  say(clients);
  equal(went(), []);
  clients[1]!.muted = false;
  say(clients);
  equal(went(), [2]);
});

test('whoever is pinned elsewhere is relayed, wherever they are in the order', () => {
  const { clients, say, went, pins, outgoing, kitchen, client } = talking(6);
  pins.add(6);
  outgoing.look(kitchen);
  say(clients, SILENT);
  equal(went(), [1, 2, 3, 4, 6]);
  pins.clear();
  pins.add(20);
  outgoing.look(kitchen);
  say([...clients, client(20)], SILENT);
  equal(went(), [1, 2, 3, 4, 20], 'from the very first packet');
});

test('a newcomer is relayed from the first packet with sound for 200 ms, and then only if the order says so', () => {
  const { clients, say, went, client, rank, outgoing } = talking(6);
  const newcomer = client(9);
  for (let i = 0; i < 5; i++) say([newcomer], SILENT);
  equal(went(), [], 'it is quiet');
  for (let i = 0; i < 20; i++) {
    say([newcomer]);
    outgoing.lookAtAll();
  }
  is(went().length, 11);
  rank(newcomer, 20);
  outgoing.lookAtAll();
  say([newcomer]);
  equal(went(), [], 'it is too far behind');
  rank(newcomer, 2);
  outgoing.lookAtAll();
  say([newcomer]);
  equal(went(), [9]);
  rank(newcomer, 20);
  outgoing.lookAtAll();
  say([newcomer]);
  equal(went(), [], 'who lost their place is no newcomer');
  for (let i = 0; i < 51; i++) say([newcomer], SILENT);
  say([newcomer]);
  equal(went(), [9], 'after a second of silence they are one again');
  for (let i = 0; i < 15; i++) {
    say([newcomer]);
    outgoing.lookAtAll();
  }
  is(went().length, 10, 'for as long as before');
  say(clients, SILENT);
  equal(went(), [1, 2, 3, 4], 'and nobody has lost their place');
});

test('a newcomer whose level is missing, or wrapped in redundancy, is heard as well; silence is not', () => {
  const { say, went, client } = talking(6);
  const red = Buffer.from([0x80 | 111, 0, 0, 2, 111, 1, 2, 0x78, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  say([client(9)], LOUD, red, 63);
  equal(went(), [9]);
  say([client(10)], LOUD, Buffer.from([0x80 | 111, 0, 0, 9]), 63);
  equal(went(), [], 'redundancy that cannot be read');
  say([client(14)], LOUD, Buffer.from([0x80 | 111, 0, 0, 2, 111, 1, 2, 0xf8, 0xff, 0xfe]), 63);
  equal(went(), [], 'digital silence behind redundancy');
  say([client(11)], LOUD, Buffer.from([0xf8, 0xff, 0xfe]));
  equal(went(), [], 'digital silence');
  say([client(12)], LOUD, undefined, 99);
  equal(went(), [], 'no audio at all');
  const plain = { ...client(13), publication: { ...PUBLICATION, levelExtension: 0 } };
  say([plain], LOUD);
  equal(went(), [13]);
});

test('a client that comes back from a mute is a newcomer at once', () => {
  const { say, went, client, rank, outgoing } = talking(6);
  const late = client(9);
  for (let i = 0; i < 20; i++) say([late]);
  rank(late, 30);
  outgoing.lookAtAll();
  went();
  say([late]);
  equal(went(), []);
  rank(late, 0);
  outgoing.lookAtAll();
  say([late]);
  equal(went(), [9]);
});

test('of a crowd that begins at once, as many are relayed as may be foremost', () => {
  const { say, went, client, outgoing } = talking(6);
  const crowd = Array.from({ length: 10 }, (_, i) => client(i + 20));
  say(crowd);
  equal(went(), [20, 21, 22, 23]);
  outgoing.lookAtAll();
  say([...crowd, client(30)]);
  equal(went(), [20, 21, 22, 23], 'and nobody else meanwhile');
  for (let i = 0; i < 10; i++) say(crowd);
  went();
  outgoing.lookAtAll();
  say(Array.from({ length: 10 }, (_, i) => client(i + 40)));
  equal(went(), [40, 41, 42, 43], 'when these are newcomers no longer, others may be');
});

test('the foremost who begin again take no place of newcomers', () => {
  const { clients, say, went, client } = talking(4);
  for (let i = 0; i < 51; i++) say(clients, SILENT);
  went();
  say([...clients, ...[20, 21, 22, 23, 24].map((id) => client(id))]);
  equal(went(), [1, 2, 3, 4, 20, 21, 22, 23]);
});

test('a source is announced before its first packet, once, and again after a hello or a new connection', () => {
  const { clients, say, announced, client, outgoing, kitchen, bus } = talking(2);
  const ann = client(9, 'ann');
  say([ann]);
  const [{ subject, data }] = bus.sent.splice(0) as [{ subject: string; data: Buffer }];
  is(subject, 'kitchen');
  equal(readAnnouncement(data, noReadCounts()), {
    ...{ source: 9, userid: 'ann', clientid: 'phone', muted: false },
    publication: { ...PUBLICATION, ssrcs: [] },
  });
  say([ann, ...clients]);
  equal(announced(), []);
  outgoing.announceAgain(GARDEN.key);
  say([ann, ...clients]);
  equal(announced(), []);
  outgoing.announceAgain(kitchen.key);
  say([ann, ...clients]);
  say([ann, ...clients]);
  equal(announced(), [9, 1, 2]);
  outgoing.announceAgain();
  say([ann]);
  equal(announced(), [9]);
});

test('whoever was muted is announced again, because packets may come before presence says that this is over', () => {
  const { clients, say, announced, outgoing } = talking(2);
  clients[0]!.muted = true;
  outgoing.lookAtAll();
  say(clients);
  equal(announced(), []);
  clients[0]!.muted = false;
  say(clients);
  equal(announced(), [1]);
});

test('without a connection nothing goes out unannounced, and it is counted', () => {
  const { say, announced, client, bus, counts, went } = talking(2);
  const ann = client(9);
  bus.link(false);
  say([ann]);
  equal([went(), counts.drops.disconnected], [[], 1]);
  bus.link(true);
  say([ann]);
  equal([went(), announced()], [[9], [9]]);
});

test('a packet carries the stamp of its arrival and the loss of its source', () => {
  const { clients, say, pushed, clock, outgoing } = talking(1);
  clients[0]!.rtcp.uplink.fraction = 17;
  outgoing.lookAtAll();
  say(clients);
  equal(pushed, [['kitchen', 1, clock.now, 17]]);
});

test('whoever moves is announced anew where they go, and nothing is kept of those who left', () => {
  const { clients, say, announced, went, outgoing, relayed, rank } = talking(2);
  outgoing.open(relayed(GARDEN.key, 'garden'));
  const [ann, bob] = clients as [Client, Client];
  ann.seat.current = { conversation: GARDEN };
  say([ann]);
  equal([announced(), went()], [[1], [1]]);
  bob.seat.current = null;
  outgoing.lookAtAll();
  const known = (Reflect.get(outgoing, 'sources') as unknown[]).filter((one) => one !== undefined);
  is(known.length, 1);
  const conversations = Reflect.get(outgoing, 'conversations') as Map<number, { sources: unknown[] }>;
  is(conversations.get(KITCHEN.key)!.sources.length, 0);
  const next = { ...bob, id: connectionId(2, 1), seat: { number: 2, shard: null, current: { conversation: KITCHEN } } };
  rank(next, 0);
  for (let i = 0; i < 12; i++) say([next], SILENT);
  equal(went(), [], "another connection has the index, and not its predecessor's place");
  say([next]);
  const last = { ...next, id: connectionId(2, 2) };
  say([last]);
  equal(went(), [next.id, last.id]);
});

test.run();
