/**
 * Participants of other instances among real workers: the test brings their packets, and a listener without a peer takes
 * what its slots are sent.
 */
import { equal, is, not, ok } from 'uvu/assert';
import { RtpPacket } from 'werift-rtp';
import type { Claim } from '../../../src/main/claim.ts';
import { readConfig } from '../../../src/main/config.ts';
import type { HostedConversation } from '../../../src/main/conversations/hosted-conversation.ts';
import { HostedConversations } from '../../../src/main/conversations/hosted-conversations.ts';
import { IndexPool } from '../../../src/main/conversations/index-pool.ts';
import type { Participant } from '../../../src/main/conversations/participant.ts';
import { QUIET_MS, RemoteParticipant, RemoteSources } from '../../../src/main/conversations/remote-participant.ts';
import { Seat } from '../../../src/main/conversations/seat.ts';
import { Seats } from '../../../src/main/conversations/seats.ts';
import { ThrottleLimits } from '../../../src/main/limits/throttle.ts';
import { createLog } from '../../../src/main/log/log.ts';
import type { Receiver } from '../../../src/main/media/egress.ts';
import { Ingress } from '../../../src/main/media/ingress.ts';
import { Shards } from '../../../src/main/media/shards.ts';
import { until } from '../../../src/main/wait.ts';
import { openSlot, SLOT_WORDS } from '../../../src/rtp/rewriter.ts';
import { connectionIndex, Drop, SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { rtp } from '../../support/packets.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('remote participant');

const LEVEL_ID = 1;
const TICKS = 960;
const FRAME_MS = 20;
const KITCHEN = { id: 'kitchen', key: 1 };
/** So long that no packet is late, however busy the machine is. */
const config = readConfig({ WORKERS: '2', MAX_CONNECTIONS: '4', MAX_SLOTS: '2', MAX_DELAY_MS: '5000' });
const REMOTE = 4;
const receivers: (Receiver | undefined)[] = new Array(config.MAX_CONNECTIONS).fill(undefined);
const hostedConversations = new HostedConversations();
const fail = (error: Error): never => {
  throw error;
};
const rows = config.MAX_CONNECTIONS + REMOTE;
const shards = new Shards(config, receivers, hostedConversations, createLog('silent'), fail, rows);
const seats = new Seats(() => shards.leastLoaded(), hostedConversations);
const indexes = new IndexPool(config.MAX_CONNECTIONS, shards.sources);
const remoteIndexes = new IndexPool(REMOTE, shards.sources, config.MAX_CONNECTIONS);
const ingress = new Ingress();
const throttleLimits = new ThrottleLimits(200, 1000);
const sources = new RemoteSources({ indexes: remoteIndexes, seats, ingress, throttleLimits });

/** Whether every index is free again. */
const idle = (): boolean => indexes.free === indexes.size && remoteIndexes.free === remoteIndexes.size;

/** A remote participant with its own voice: the next packet each time. */
class Voice {
  readonly source: RemoteParticipant;
  readonly ssrc: number;
  private sequence = 0;

  constructor(hosted: HostedConversation, userid: string, user: number, ssrc = 7000 + user) {
    const publication = { payloadType: 111, redPayloadType: 0, levelExtension: LEVEL_ID, ssrcs: [ssrc] };
    this.ssrc = ssrc;
    const origin = { instance: 'a1b2c3d4e5f6', source: user };
    const identity = { ...origin, claim: { userid, clientid: 'elsewhere' }, user, publication };
    this.source = new RemoteParticipant(sources, hosted, identity, false);
  }

  say(): void {
    const sequence = this.sequence++;
    const payload = Buffer.from(`${this.source.claim.userid} says ${sequence}`);
    const level = { id: LEVEL_ID, level: 20 };
    this.source.hear(rtp({ sequence, timestamp: sequence * TICKS, ssrc: this.ssrc, payload, level }));
  }
}

/** A listener that keeps what its slots are sent. */
class Listener implements Participant, Receiver {
  readonly id: number;
  readonly index: number;
  readonly claim: Claim = { userid: 'listener', clientid: 'here' };
  readonly isClient = true;
  readonly publication = null;
  readonly slotCount = 2;
  readonly muted = false;
  readonly deafened = false;
  readonly user: number;
  readonly seat: Seat;
  readonly heard: RtpPacket[] = [];

  constructor(user: number) {
    const { id, index } = indexes.take()!;
    this.id = id;
    this.index = index;
    this.user = user;
    this.seat = new Seat(this, seats);
    for (let slot = 0; slot < this.slotCount; slot++) {
      const row = (index * config.MAX_SLOTS + slot) * SLOT_WORDS;
      openSlot(shards.slots, row, ssrcOf(index, slot), 96, id, 100, 5000);
    }
    receivers[index] = this;
  }

  send(packet: Uint8Array): boolean {
    this.heard.push(RtpPacket.deSerialize(Buffer.from(packet)));
    return true;
  }

  /** What it heard of voices; a slot whose speaker left gets silence as well. */
  get voices(): number {
    return this.heard.filter(({ payload }) => payload.toString().includes(' says ')).length;
  }

  /** What it heard of the speaker with a number. */
  of(number: number): RtpPacket[] {
    return this.heard.filter(({ header }) => header.csrc[0] === number);
  }

  get hosted(): HostedConversation {
    return this.seat.current!;
  }

  end(): void {
    this.seat.vacate(() => {
      receivers[this.index] = undefined;
      indexes.give(this.index);
    });
  }
}

function ssrcOf(index: number, slot: number): number {
  return 40_000 + index * 10 + slot;
}

/** Lets voices speak in real time until a condition holds. */
async function speak(voices: readonly Voice[], condition: () => boolean): Promise<void> {
  while (!condition()) {
    for (const voice of voices) voice.say();
    await new Promise((resolve) => setTimeout(resolve, FRAME_MS));
  }
}

/** Lets packets pass as if this many milliseconds had gone by in silence. */
function sweepAfter(milliseconds: number, now: number): void {
  sources.sweep(now);
  sources.sweep(now + milliseconds);
}

test('a remote participant is heard in a slot, under its number in the conversation', async () => {
  await shards.whenReady();
  const listener = new Listener(3);
  listener.seat.place(KITCHEN);
  const [ann, bob] = [new Voice(listener.hosted, 'ann', 1), new Voice(listener.hosted, 'bob', 2)];
  equal([listener.seat.number, ann.source.number, bob.source.number], [1, 2, 3]);
  await speak([ann, bob], () => listener.of(2).length >= 10 && listener.of(3).length >= 10);
  is(listener.of(2).length + listener.of(3).length, listener.heard.length, 'nobody else is heard');
  const slots = [0, 1].map((slot) => ssrcOf(listener.index, slot));
  for (const [number, userid] of [
    [2, 'ann'],
    [3, 'bob'],
  ] as const) {
    const packets = listener.of(number);
    const [{ header: first }] = packets as [RtpPacket];
    ok(slots.includes(first.ssrc), 'it has one of the slots');
    packets.forEach(({ header, payload }, i) => {
      is(header.ssrc, first.ssrc, 'it keeps its slot');
      is(header.payloadType, 96, 'the type is the one that the listener offered');
      is(header.sequenceNumber, (first.sequenceNumber + i) & 0xffff);
      ok(payload.toString().startsWith(`${userid} says `), `${payload}`);
    });
    const index = connectionIndex((number === 2 ? ann : bob).source.id);
    ok(index >= config.MAX_CONNECTIONS, 'its index is none of a connection');
    is(shards.sources[index * SOURCE_WORDS + SourceWord.Speaking], 1);
  }
  ok(ann.source.packetsReceived >= 10);
  for (const one of [ann.source, bob.source, listener]) one.end();
  ok(await until(idle, 5000));
});

test('a remote participant is not heard by connections of its own user', async () => {
  const [own, other] = [new Listener(1), new Listener(2)];
  for (const { seat } of [own, other]) seat.place(KITCHEN);
  const voice = new Voice(own.hosted, 'ann', 1);
  await speak([voice], () => other.heard.length >= 10);
  is(own.heard.length, 0);
  for (const one of [own, other, voice.source]) one.end();
  ok(await until(idle, 5000));
});

test('a remote participant is listed at once and has an index only while its packets come', async () => {
  const listener = new Listener(3);
  listener.seat.place(KITCHEN);
  const { hosted } = listener;
  const voice = new Voice(hosted, 'ann', 1);
  const { source } = voice;
  is(hosted.participants.get(source.number), source);
  equal([source.id, source.shard, remoteIndexes.free, hosted.seats.size, hosted.shard.load], [-1, null, REMOTE, 1, 2]);
  voice.say();
  equal([remoteIndexes.free, hosted.seats.size, hosted.shard.load, sources.known.size], [REMOTE - 1, 2, 3, 1]);
  is(source.shard, hosted.shard);
  sweepAfter(QUIET_MS - 1, 1000);
  is(source.shard, hosted.shard, 'it was quiet for less than the time');
  voice.say();
  sweepAfter(QUIET_MS, 1000 + QUIET_MS);
  is(source.shard, null);
  const { notJoined } = ingress.drops;
  voice.say();
  is(ingress.drops.notJoined, notJoined + 1, 'its worker is just forgetting it');
  ok(await until(() => source.id === -1, 5000));
  equal([remoteIndexes.free, hosted.seats.size, hosted.shard.load, sources.known.size], [REMOTE, 1, 2, 0]);
  is(hosted.participants.get(source.number), source, 'it is still listed');
  await speak([voice], () => listener.of(source.number).length >= 5);
  for (const one of [source, listener]) one.end();
  ok(await until(idle, 5000));
});

test('a mute holds from before the first packet, and ends', async () => {
  const listener = new Listener(3);
  listener.seat.place(KITCHEN);
  const [ann, bob] = [new Voice(listener.hosted, 'ann', 1), new Voice(listener.hosted, 'bob', 2)];
  ann.source.setMuted(true);
  await speak([ann, bob], () => listener.of(bob.source.number).length >= 10);
  is(listener.of(ann.source.number).length, 0);
  ann.source.setMuted(false);
  bob.source.setMuted(true);
  await speak([ann, bob], () => listener.of(ann.source.number).length >= 10);
  for (const one of [ann.source, bob.source, listener]) one.end();
  ok(await until(idle, 5000));
});

test('after its end, its index and its place are free, and its packets go nowhere', async () => {
  const listener = new Listener(3);
  listener.seat.place(KITCHEN);
  const { hosted } = listener;
  const voice = new Voice(hosted, 'ann', 1);
  const { source } = voice;
  voice.say();
  const before = source.id;
  source.end();
  source.end();
  equal([hosted.participants.has(source.number), source.tellAgain()], [false, false]);
  ok(await until(() => remoteIndexes.free === REMOTE, 5000));
  voice.say();
  equal([source.id, remoteIndexes.free], [-1, REMOTE]);
  const next = new Voice(hosted, 'bob', 2);
  next.say();
  is(connectionIndex(next.source.id), connectionIndex(before), 'the index is used again');
  not.equal(next.source.id, before, 'under another id');
  for (const one of [next.source, listener]) one.end();
  ok(await until(idle, 5000));
  is(seats.hosted.count, 0);
});

test('whoever sends too much is throttled, and whoever finds no index or publishes nothing is not heard', async () => {
  const listener = new Listener(3);
  listener.seat.place(KITCHEN);
  const { hosted } = listener;
  const voice = new Voice(hosted, 'ann', 1);
  const { tooMany } = ingress.drops;
  for (let i = 0; i < 1000; i++) voice.say();
  ok(ingress.drops.tooMany - tooMany > 500, `${ingress.drops.tooMany - tooMany}`);
  const taken = Array.from({ length: remoteIndexes.free }, () => remoteIndexes.take()!);
  const late = new Voice(hosted, 'bob', 2);
  late.say();
  equal([late.source.id, sources.refused], [-1, 1]);
  for (const { index } of taken) remoteIndexes.give(index);
  const origin = { instance: 'a1b2c3d4e5f6', source: 7 };
  const identity = { ...origin, claim: { userid: 'cid', clientid: 'elsewhere' }, user: 4, publication: null };
  const mute = new RemoteParticipant(sources, hosted, identity, false);
  mute.hear(new Uint8Array(20));
  equal([mute.id, sources.refused], [-1, 1]);
  for (const one of [voice.source, late.source, mute, listener]) one.end();
  ok(await until(idle, 5000));
});

test('a new worker is told of those that the old one knew, with their numbers and mutes', async () => {
  const listener = new Listener(3);
  listener.seat.place(KITCHEN);
  const { hosted } = listener;
  const [ann, bob] = [new Voice(hosted, 'ann', 1), new Voice(hosted, 'bob', 2)];
  ann.say();
  equal(hostedConversations.rebuild(hosted.shard), { conversations: 1, connections: 2 });
  await speak([ann, bob], () => listener.of(ann.source.number).length >= 5);
  for (const one of [ann.source, bob.source, listener]) one.end();
  ok(await until(idle, 5000));
});

test('a conversation has its worker until the last remote participant has left it, and is opened and closed by own ones', async () => {
  const told: string[] = [];
  const note = (what: string) => (hosted: HostedConversation) => told.push(`${what} ${hosted.conversation.id}`);
  seats.observe({ opened: note('opened'), closed: note('closed'), changed: () => undefined });
  const [first, second] = [new Listener(3), new Listener(4)];
  for (const { seat } of [first, second]) seat.place(KITCHEN);
  const { hosted } = first;
  const voice = new Voice(hosted, 'ann', 1);
  voice.say();
  first.end();
  second.end();
  ok(await until(() => told.length === 2, 5000));
  equal(told, ['opened kitchen', 'closed kitchen']);
  is(seats.hosted.get(KITCHEN.key), hosted);
  voice.source.end();
  const third = new Listener(5);
  third.seat.place(KITCHEN);
  is(third.hosted, hosted, 'who comes meanwhile finds the same worker');
  third.end();
  ok(await until(idle, 5000));
  equal(told, ['opened kitchen', 'closed kitchen', 'opened kitchen', 'closed kitchen']);
  is(seats.hosted.count, 0);
  seats.observe(null);
});

test('a client and a remote participant of another user count as people who talk, remote ones alone do not', async () => {
  const first = new Listener(1);
  first.seat.place(KITCHEN);
  is(seats.hosted.talking, false);
  const own = new Voice(first.hosted, 'first', 1);
  is(seats.hosted.talking, false, "one's own user is nobody to talk to");
  const other = new Voice(first.hosted, 'ann', 2);
  is(seats.hosted.talking, true);
  own.say();
  first.end();
  is(seats.hosted.talking, false, 'two remote participants');
  for (const { source } of [own, other]) source.end();
  ok(await until(idle, 5000));
});

test('the packet with which a worker learns of a participant is taken, however busy the worker is', async () => {
  const listener = new Listener(3);
  listener.seat.place(KITCHEN);
  const { hosted } = listener;
  const { shard } = hosted;
  const talker = new Voice(hosted, 'ann', 1);
  await speak([talker], () => listener.voices >= 5);
  const before = shard.counter(Drop.NotJoined);
  for (let i = 0; i < 1000; i++) {
    const newcomer = new Voice(hosted, 'bob', 2);
    for (let k = 0; k < i % 40; k++) shard.push(talker.source.id, new Uint8Array(20));
    newcomer.say();
    newcomer.source.end();
    ok(await until(() => remoteIndexes.free === remoteIndexes.size - 1, 5000));
  }
  is(shard.counter(Drop.NotJoined), before);
  talker.source.end();
  listener.end();
  ok(await until(idle, 5000));
});

test('the workers end', async () => {
  await shards.stop();
});

test.run();
