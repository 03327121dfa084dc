/** What becomes of messages with media from other instances. */
import { equal, is, ok } from 'uvu/assert';
import { writeAnnouncement } from '../../../src/main/cluster/relay/announcement.ts';
import { ClockOffset } from '../../../src/main/cluster/relay/clock-offset.ts';
import { RelayCounts } from '../../../src/main/cluster/relay/counts.ts';
import { Incoming } from '../../../src/main/cluster/relay/incoming.ts';
import type { AnnouncedSource, RelayedConversation, RemoteSource } from '../../../src/main/cluster/relay/interfaces.ts';
import { HEAD_BYTES, Kind, messageHead, RECORD_BYTES, writeRecord } from '../../../src/main/cluster/relay/wire.ts';
import { RelayedLoss } from '../../../src/main/rtcp/relayed-loss.ts';
import { bytes } from '../../support/packets.ts';
import { below, prng, seed } from '../../support/prng.ts';
import { RecordingBus } from '../../support/recording-bus.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('incoming relay');
const MS = 1000;
const S = 1e6;
const MAX_DELAY = 500;
const HERE = '0123456789ab';
const THERE = 'ba9876543210';
const ELSEWHERE = 'ba9876543211';
const DEAD = 'ba9876543212';

const PUBLICATION = { payloadType: 111, levelExtension: 1, redPayloadType: 0, ssrcs: [] };
const ANN: AnnouncedSource = { source: 5, userid: 'ann', clientid: 'phone', publication: PUBLICATION, muted: false };

interface Sent {
  readonly source: number;
  readonly stamp: number;
  readonly text?: string;
  readonly loss?: number;
}

function message(packets: readonly Sent[], incarnation = THERE): Uint8Array {
  const texts = packets.map(({ text }) => Buffer.from(text ?? 'hello'));
  const whole = Buffer.alloc(texts.reduce((sum, { length }) => sum + RECORD_BYTES + length, HEAD_BYTES));
  whole.set(messageHead(Kind.Packets, incarnation));
  let at = HEAD_BYTES;
  packets.forEach(({ source, stamp, loss }, i) => {
    at = writeRecord(whole, at, source, stamp, loss ?? 0, texts[i]!);
  });
  return whole;
}

function setUp() {
  const bus = new RecordingBus();
  const counts = new RelayCounts();
  const clock = { now: 2 ** 31 - 50 * MS };
  const noted: [number, string, number][] = [];
  const incoming = new Incoming({
    ...{ bus, counts, maxDelay: MAX_DELAY, incarnation: HERE, clock: () => clock.now },
    isAlive: (incarnation) => incarnation !== DEAD,
    heard: (source, instance, number) => noted.push([source.id, instance, number]),
  });
  const heard: string[] = [];
  const sources = new Map<string, RemoteSource>();
  const add = (source: number, incarnation = THERE): RemoteSource => {
    const hear = (packet: Uint8Array): void => void heard.push(`${source}: ${Buffer.from(packet)}`);
    const remote = { id: source + 1000, rtcp: new RelayedLoss(), seat: { current: null }, hear };
    sources.set(`${incarnation} ${source}`, remote);
    return remote;
  };
  const announced: [string, AnnouncedSource][] = [];
  const missing: string[] = [];
  const kitchen = {
    ...{ key: 1, mediaSubject: 'kitchen', listening: true as boolean, wants: 0, isPinned: () => false },
    find: (incarnation: string, source: number) => sources.get(`${incarnation} ${source}`),
    announced: (incarnation: string, source: AnnouncedSource) => void announced.push([incarnation, source]),
    missing: (incarnation: string) => void missing.push(incarnation),
  } satisfies RelayedConversation;
  const opened = incoming.open(kitchen);
  const deliver = (data: Uint8Array): void => bus.deliver('kitchen', data);
  const pass = (us: number): void => {
    clock.now = (clock.now + us) | 0;
  };
  const subscribers = (): number => bus.takes.get('kitchen')?.size ?? 0;
  return {
    ...{ bus, counts, clock, incoming, kitchen, opened, heard, noted, add, announced, missing },
    ...{ deliver, pass, subscribers },
  };
}

test('packets go to their participants, with the loss of their sources', () => {
  const { deliver, heard, add, noted, counts } = setUp();
  const [ann, bob] = [add(1), add(2)];
  deliver(
    message([
      { source: 1, stamp: 0, text: 'one', loss: 9 },
      { source: 2, stamp: 5, text: 'two' },
      { source: 1, stamp: 9, text: 'three' },
    ]),
  );
  equal(heard, ['1: one', '2: two', '1: three']);
  equal([ann.rtcp.uplink.fraction, bob.rtcp.uplink.fraction], [0, 0]);
  deliver(message([{ source: 1, stamp: 9, loss: 30 }]));
  is(ann.rtcp.uplink.fraction, 30);
  equal(noted.slice(0, 2), [
    [1001, THERE, 1],
    [1002, THERE, 2],
  ]);
  equal([counts.in.packets, counts.in.bytes, counts.messagesIn], [4, 16, 2]);
});

test('a source belongs to its instance, whatever ids others give', () => {
  const { deliver, heard, add, counts } = setUp();
  add(1);
  deliver(message([{ source: 1, stamp: 0 }], ELSEWHERE));
  equal(heard, []);
  is(counts.drops.unknownSource, 1);
});

test('for an unknown source presence is asked, once a second for each instance', () => {
  const { deliver, missing, counts, incoming, add, heard } = setUp();
  for (let i = 0; i < 3; i++) deliver(message([{ source: 1, stamp: 0 }]));
  deliver(message([{ source: 1, stamp: 0 }], ELSEWHERE));
  equal(missing, [THERE, ELSEWHERE]);
  is(counts.drops.unknownSource, 4);
  incoming.tick(() => null);
  deliver(message([{ source: 1, stamp: 0 }]));
  equal(missing, [THERE, ELSEWHERE, THERE]);
  add(1);
  deliver(message([{ source: 1, stamp: 0 }]));
  equal(heard, ['1: hello']);
});

test('an announcement goes to presence, and a bad one is counted', () => {
  const { deliver, announced, counts } = setUp();
  deliver(writeAnnouncement(THERE, ANN));
  equal(announced, [[THERE, ANN]]);
  deliver(writeAnnouncement(THERE, ANN).subarray(0, 20));
  is(counts.read.malformed, 1);
});

test('what no instance writes is dropped and counted, and a newer kind of message is ignored', () => {
  const { deliver, heard, counts, add } = setUp();
  add(1);
  const good = message([{ source: 1, stamp: 0 }]);
  deliver(new Uint8Array());
  deliver(Buffer.concat([good, Buffer.from('x')]));
  deliver(Buffer.concat([Uint8Array.of(2), good.subarray(1)]));
  deliver(message([{ source: 1, stamp: 0 }], HERE));
  equal([heard, counts.drops.malformed], [['1: hello'], 4]);
  const newer = Buffer.from(good);
  newer[1] = 9;
  deliver(newer);
  is(counts.drops.malformed, 4);
});

test('random messages never throw', () => {
  const { deliver, add, counts } = setUp();
  add(1);
  const random = prng(seed('messages with media'));
  const good = [message([{ source: 1, stamp: 0 }]), writeAnnouncement(THERE, ANN)];
  for (let i = 0; i < 5000; i++) {
    const data = i % 3 === 2 ? bytes(random, below(random, 100)) : Buffer.from(good[i % 3]!);
    if (data.length > 0) data[below(random, data.length)] = below(random, 256);
    deliver(data);
  }
  is(counts.messagesIn, 5000);
  ok(counts.drops.malformed > 1000);
});

test('a packet that was under way for longer than allowed is dropped, whatever the clocks say', () => {
  const { deliver, heard, add, pass, counts } = setUp();
  add(1);
  const there = -(2 ** 31) + 20 * MS;
  const say = (at: number, text: string): void => deliver(message([{ source: 1, stamp: (there + at * MS) | 0, text }]));
  say(0, 'a');
  pass(100 * MS);
  say(100, 'b');
  pass(2000 * MS);
  say(1600, 'c: exactly as late as allowed');
  say(1599, 'd: too late');
  say(2100, 'e');
  equal(heard, ['1: a', '1: b', '1: c: exactly as late as allowed', '1: e']);
  is(counts.drops.tooOld, 1);
});

test('the delay is measured beyond that of the fastest packet, and half of the fastest round trip is added', () => {
  const { deliver, add, pass, counts, incoming } = setUp();
  add(1);
  const say = (stamp: number): void => deliver(message([{ source: 1, stamp }]));
  say(0);
  is(counts.delay.sum, 0);
  pass(20 * MS);
  say(18 * MS);
  is(Math.round(counts.delay.sum * 1e4), 20, 'two milliseconds later than the first');
  for (const rtt of [9, 3, 5]) incoming.tick((incarnation) => (incarnation === THERE ? rtt : null));
  say(20 * MS);
  is(Math.round(counts.delay.sum * 1e4), 35);
});

test('a packet that is faster than all before is the measure from then on', () => {
  const offset = new ClockOffset();
  const delays = [12, 2, 7, 2, 12].map((late, i) => offset.take((i * 20 - late) * MS, i * 20 * MS, MAX_DELAY * MS));
  equal(
    delays.map((delay) => Math.round(delay / MS)),
    [0, 0, 5, 0, 10],
  );
});

test('it listens only while the conversation does, and only once', () => {
  const { incoming, kitchen, subscribers, bus } = setUp();
  let renewed = 0;
  const subscribe = bus.subscribe.bind(bus);
  bus.subscribe = (...all) => {
    renewed++;
    return subscribe(...all);
  };
  incoming.lookAtAll();
  equal([subscribers(), renewed], [1, 0]);
  kitchen.listening = false;
  incoming.look(kitchen);
  is(subscribers(), 0);
  kitchen.listening = true;
  incoming.lookAtAll();
  is(subscribers(), 1);
  incoming.close(kitchen);
  is(subscribers(), 0);
  incoming.lookAtAll();
  is(subscribers(), 0);
});

test('to open is to have NATS confirm that it will send, or to have waited', async () => {
  const { bus, opened, incoming, kitchen } = setUp();
  let open = false;
  void opened.then(() => {
    open = true;
  });
  await Promise.resolve();
  is(open, false);
  await bus.confirm();
  is(open, true);
  const again = incoming.open(kitchen);
  bus.flushes[0]!.reject(new Error('time-out'));
  await again;
  kitchen.listening = false;
  await incoming.open(kitchen);
  is(bus.flushes.length, 1, 'there is nothing to wait for');
});

test('an instance that is gone is forgotten, as is one that has sent nothing for a minute', () => {
  const { incoming, deliver } = setUp();
  const known = (): number => (Reflect.get(incoming.peers, 'peers') as unknown[]).length;
  for (const incarnation of [THERE, ELSEWHERE]) deliver(message([], incarnation));
  is(known(), 2);
  incoming.peers.forget(THERE);
  is(known(), 1);
  for (let i = 0; i < 60; i++) incoming.tick(() => null);
  is(known(), 1);
  incoming.tick(() => null);
  is(known(), 0);
});

test('there is room for so many instances, and what the others send is dropped', () => {
  const { deliver, counts, add, heard } = setUp();
  const name = (i: number): string => i.toString(16).padStart(12, '0');
  add(1, name(255));
  add(1, name(256));
  for (let i = 0; i < 257; i++) deliver(message([{ source: 1, stamp: 0 }], name(i)));
  equal(heard, ['1: hello']);
  is(counts.drops.unknownSource, 256);
});

test('nothing is kept of an instance that does not live, and its packets are dropped', () => {
  const { incoming, deliver, counts, add, heard } = setUp();
  add(1, DEAD);
  deliver(message([{ source: 1, stamp: 0 }], DEAD));
  equal([heard, counts.drops.unknownSource, (Reflect.get(incoming.peers, 'peers') as unknown[]).length], [[], 1, 0]);
});

test('a wrong stamp does not make all that follow it seem late, and a clock that leapt is believed soon', () => {
  const offset = new ClockOffset();
  let now = 0;
  const delay = (late: number): number => {
    now = (now + 20 * MS) | 0;
    return Math.round(offset.take((now - late * MS) | 0, now, MAX_DELAY * MS) / MS);
  };
  equal([delay(10), delay(20), delay(0)], [0, 10, 0]);
  for (const wrong of [-60, -1000, -2e6, -600, -61]) {
    is(delay(wrong), 0);
    is(delay(7), 7);
  }
  // All are as early from now on, more or less.
  const leapt = Array.from({ length: 10 }, (_, i) => delay(-3000 + (i % 3)));
  equal(leapt, [0, 0, 0, 0, 0, 0, 0, 1, 2, 0]);
  ok(delay(0) > MAX_DELAY);
});

test('clocks that run at different speeds do not add up to a delay', () => {
  const offset = new ClockOffset();
  let greatest = 0;
  for (let second = 0; second < 7200; second++) {
    const now = (second * S) | 0;
    const theirs = Math.round(second * S * (1 - 150e-6)) | 0;
    greatest = Math.max(greatest, offset.take(theirs, now, MAX_DELAY * MS));
  }
  ok(greatest < 200, `${greatest}`);
});

test('a clock that was set anew is believed after ten seconds of late packets, and not sooner', () => {
  const offset = new ClockOffset();
  let now = 0;
  const late = (behind: number): boolean => {
    now = (now + 20 * MS) | 0;
    return offset.take((now - behind) | 0, now, MAX_DELAY * MS) > MAX_DELAY * MS;
  };
  is(late(0), false);
  for (let i = 0; i < 300; i++) is(late(3 * S), true);
  is(late(0), false, 'one that is not late shows that the clock is the same');
  for (let i = 0; i < 500; i++) is(late(3 * S), true, `${i}`);
  is(late(3 * S), false);
  is(late(3 * S), false);
});

test.run();
