/** Taps: what their readers get, and what slow readers do not. */
import { equal, is, ok } from 'uvu/assert';
import { Conversations } from '../../../src/main/conversations/conversations.ts';
import { Seats } from '../../../src/main/conversations/seats.ts';
import { Throttle, ThrottleLimits } from '../../../src/main/limits/throttle.ts';
import { Ingress, type Publisher } from '../../../src/main/media/ingress.ts';
import type { Shard } from '../../../src/main/media/shard.ts';
import { MAX_BUFFERED_BYTES, MESSAGE_BYTES, type TapOptions } from '../../../src/main/taps/tap.ts';
import { Taps } from '../../../src/main/taps/taps.ts';
import { HEAD_BYTES, readTapMessage, writeHead, writeRecord } from '../../../src/main/taps/wire.ts';
import { SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { FakeTimers } from '../../support/fake-timers.ts';
import { bytes, rtp } from '../../support/packets.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('taps');
const DATE = 1_800_000_000_000;
const EVERYTHING: TapOptions = { foremost: 0, recording: true };
const PUBLICATION = { payloadType: 111, redPayloadType: 63, levelExtension: 1, ssrcs: [5] };

class FakeSocket {
  bufferedAmount = 0;
  readonly binary: Uint8Array[] = [];
  readonly texts: string[] = [];
  closed: number | null = null;

  send(data: string | Uint8Array): void {
    if (typeof data === 'string') this.texts.push(data);
    else this.binary.push(data);
  }

  close(code: number): void {
    this.closed = code;
  }

  packets() {
    return this.binary.flatMap((message) => readTapMessage(message)!);
  }

  events(): { type: string; [member: string]: unknown }[] {
    return this.texts.flatMap((text) => JSON.parse(text));
  }

  types(): string[] {
    return this.events().map(({ type }) => type);
  }
}

function setUp() {
  const timers = new FakeTimers();
  const sources = new Int32Array(64 * SOURCE_WORDS);
  const limits = { users: 10, conversations: 10, participants: 10 };
  const conversations = new Conversations<object>(limits, 1000);
  const shard = { load: 0, push: () => true } as unknown as Shard;
  const seats = new Seats(() => shard);
  const failures: unknown[] = [];
  const tapFailed = (error: unknown): void => {
    failures.push(error);
    taps.failed(1011, 'internal error');
  };
  const ingress = new Ingress({ tapFailed });
  const taps = new Taps({ conversations, seats, ingress, sources, listed: 100, timers, date: () => DATE });
  const socket = new FakeSocket();
  const open = (options = EVERYTHING) => taps.open('kitchen', socket, options);
  /** Somebody who is in the conversation that their user is in. */
  const publisher = (id: number, userid: string): Publisher & { muted: boolean } => {
    const { conversation } = conversations.join(userid, 'kitchen', 0) as { conversation: { id: string; key: number } };
    return {
      ...{ id, claim: { userid, clientid: 'phone' }, isClient: true, muted: false, publication: PUBLICATION },
      ...{ packetsReceived: 0, throttle: new Throttle(new ThrottleLimits(10_000, 100_000)) },
      seat: { number: id + 1, shard, current: { conversation } },
    };
  };
  return { timers, sources, conversations, seats, ingress, taps, socket, open, publisher, failures };
}

test('a reader gets each packet as it came, with its speaker and the time, together with others of a moment', () => {
  const { timers, ingress, open, socket, publisher } = setUp();
  open();
  const [ann, bob] = [publisher(1, 'ann'), publisher(2, 'bob')];
  const sent = [rtp({ sequence: 1 }), rtp({ sequence: 2, ssrc: 7 })];
  ingress.take(ann, sent[0]!);
  ingress.take(bob, sent[1]!);
  is(socket.binary.length, 0);
  timers.pass(50);
  is(socket.binary.length, 1);
  const packets = socket.packets();
  equal(
    packets.map(({ speaker, bytes }) => [speaker, Buffer.from(bytes)]),
    [
      [2, sent[0]],
      [3, sent[1]],
    ],
  );
  ok(packets.every(({ arrival }) => Math.abs(arrival - DATE * 1000) < 1e6));
  ok(packets[1]!.arrival >= packets[0]!.arrival);
  const speakers = socket.events().filter(({ type }) => type === 'speaker');
  equal(
    speakers.map(({ number, userid, payloadType, redPayloadType }) => [number, userid, payloadType, redPayloadType]),
    [
      [2, 'ann', 111, 63],
      [3, 'bob', 111, 63],
    ],
  );
});

test('readers of taps that fail are hung up on, and a new one gets packets again', () => {
  const { timers, ingress, taps, open, socket, publisher, failures } = setUp();
  const { end } = open();
  const ann = publisher(1, 'ann');
  socket.send = () => {
    throw new Error('a fault');
  };
  ingress.take(ann, rtp({ sequence: 1 }));
  ingress.take(ann, rtp({ sequence: 2 }));
  equal([failures.length, socket.closed], [1, 1011]);
  const other = new FakeSocket();
  taps.open('kitchen', other, EVERYTHING);
  // The websocket of the first one closes only now.
  end();
  ingress.take(ann, rtp({ sequence: 3 }));
  timers.pass(50);
  is(other.packets().length, 1);
});

test('packets of those who are muted, and of other conversations, are not for a reader', () => {
  const { timers, ingress, open, socket, publisher, conversations } = setUp();
  open();
  const ann = publisher(1, 'ann');
  ann.muted = true;
  ingress.take(ann, rtp({ sequence: 1 }));
  const bob = publisher(2, 'bob');
  const { conversation } = conversations.join('bob', 'garden', 0) as { conversation: { id: string; key: number } };
  ingress.take({ ...bob, seat: { ...bob.seat, current: { conversation } } }, rtp({ sequence: 1 }));
  timers.pass(100);
  is(socket.binary.length, 0);
  ann.muted = false;
  ingress.take(ann, rtp({ sequence: 2 }));
  timers.pass(100);
  is(socket.packets().length, 1);
});

test('a reader of the foremost gets those up to that place, and those who have none yet', () => {
  const { timers, ingress, sources, open, socket, publisher } = setUp();
  open({ foremost: 2, recording: true });
  [2, 3, 0].forEach((rank, i) => {
    sources[(i + 1) * SOURCE_WORDS + SourceWord.Rank] = rank;
  });
  for (const i of [1, 2, 3]) ingress.take(publisher(i, `user ${i}`), rtp({ sequence: 1 }));
  timers.pass(50);
  equal(
    socket.packets().map(({ speaker }) => speaker),
    [2, 4],
  );
});

test('a reader that is too slow loses packets, is told how many, and then gets a snapshot and the speakers again', () => {
  const { timers, ingress, taps, open, socket, publisher } = setUp();
  const { tap } = open();
  const ann = publisher(1, 'ann');
  ingress.take(ann, rtp({ sequence: 9 }));
  timers.pass(300);
  socket.bufferedAmount = MAX_BUFFERED_BYTES + 1;
  for (let i = 0; i < 3; i++) ingress.take(ann, rtp({ sequence: i }));
  timers.pass(50);
  ingress.take(ann, rtp({ sequence: 3 }));
  is(socket.binary.length, 1);
  timers.pass(1000);
  const before = socket.texts.length;
  socket.bufferedAmount = MAX_BUFFERED_BYTES / 2;
  timers.pass(300);
  is(socket.texts.length, before, 'it has not caught up');
  socket.bufferedAmount = 0;
  timers.pass(300);
  ingress.take(ann, rtp({ sequence: 4 }));
  timers.pass(50);
  equal(socket.types().slice(before), ['lost', 'snapshot', 'speaker']);
  equal(socket.events()[before], { v: 1, type: 'lost', packets: 4, total: 4 });
  is(socket.packets().length, 2);
  equal(taps.counts, { packets: 2, lost: 4 });
  is(tap.lostInAll, 4);
});

test('a message never grows beyond its length, and is sent at once when it is full', () => {
  const { timers, ingress, open, socket, publisher } = setUp();
  open();
  const ann = publisher(1, 'ann');
  for (let i = 0; i < 40; i++) ingress.take(ann, rtp({ sequence: i, payload: Buffer.alloc(1000) }));
  is(socket.binary.length, 2);
  timers.pass(50);
  ok(socket.binary.every(({ length }) => length <= MESSAGE_BYTES));
  is(socket.packets().length, 40);
});

test('a conversation may be tapped before anybody is in it, and when all have left and come back', () => {
  const { timers, conversations, ingress, open, seats, socket, publisher } = setUp();
  const { end } = open();
  is(socket.events()[0]!['conversation'], null);
  ingress.take(publisher(1, 'ann'), rtp({ sequence: 1 }));
  is(seats.hosted.count, 1);
  timers.pass(250);
  is(socket.events().at(-1)!['conversation'], 'kitchen');
  conversations.leave('ann', 'kitchen');
  is(seats.hosted.count, 0);
  timers.pass(250);
  is(socket.events().at(-1)!['conversation'], null);
  ingress.take(publisher(1, 'ann'), rtp({ sequence: 2 }));
  timers.pass(250);
  is(socket.packets().length, 2);
  end();
  end();
  is(seats.hosted.count, 0, 'a tap that has ended holds no conversation');
  is(timers.waiting, 0);
  ingress.take(publisher(1, 'ann'), rtp({ sequence: 3 }));
  timers.pass(250);
  is(socket.packets().length, 2);
});

test('the time of arrival goes on though stamps wrap around and the date is set anew', () => {
  const { timers, taps, open, socket, publisher } = setUp();
  open();
  const ann = publisher(1, 'ann');
  Reflect.set(taps, 'stamp', 2 ** 31 - 1000);
  taps.packet(ann, rtp({ sequence: 1 }), (2 ** 31 + 500) | 0);
  taps.packet(ann, rtp({ sequence: 2 }), (2 ** 31 + 20_500) | 0);
  timers.pass(50);
  equal(
    socket.packets().map(({ arrival }) => arrival - DATE * 1000),
    [1500, 21_500],
  );
});

test('closing sends what has gathered', () => {
  const { ingress, taps, open, socket, publisher } = setUp();
  open();
  ingress.take(publisher(1, 'ann'), rtp({ sequence: 1 }));
  taps.close(1012, 'away');
  is(socket.packets().length, 1);
  is(socket.closed, 1012);
});

test('whatever bytes come, reading a message returns packets or null', () => {
  const packet = rtp({ sequence: 1 });
  const message = new Uint8Array(HEAD_BYTES + 2 * (10 + packet.length));
  writeHead(message, 2, 2 ** 50 + 5);
  writeRecord(message, writeRecord(message, HEAD_BYTES, 2 ** 32 - 1, 0, packet), 7, 2 ** 32 - 1, packet);
  const read = readTapMessage(message)!;
  equal(
    read.map(({ speaker, arrival }) => [speaker, arrival]),
    [
      [2 ** 32 - 1, 2 ** 50 + 5],
      [7, 2 ** 50 + 5 + 2 ** 32 - 1],
    ],
  );
  for (let length = 0; length < message.length; length++) is(readTapMessage(message.subarray(0, length)), null);
  is(readTapMessage(Buffer.concat([message, Buffer.of(0)])), null);
  const other = Uint8Array.from(message);
  other[1] = 9;
  equal(readTapMessage(other), [], 'another kind');
  other[0] = 2;
  is(readTapMessage(other), null, 'another version');
  const random = prng(seed('taps'));
  for (let i = 0; i < 2000; i++) readTapMessage(Buffer.concat([Buffer.of(1, 1), bytes(random, below(random, 60))]));
});

test.run();
