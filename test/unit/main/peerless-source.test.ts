/**
 * A participant without a peer, among real workers: the test brings the packets of sources, and a listener without a
 * peer takes what its slots are sent.
 */
import { equal, is, ok } from 'uvu/assert';
import { RtpPacket } from 'werift-rtp';
import type { Claim } from '../../../src/main/claim.ts';
import { readConfig } from '../../../src/main/config.ts';
import { HostedConversations } from '../../../src/main/conversations/hosted-conversations.ts';
import { IndexPool } from '../../../src/main/conversations/index-pool.ts';
import type { Participant } from '../../../src/main/conversations/participant.ts';
import { PeerlessSource } from '../../../src/main/conversations/peerless-source.ts';
import { Seat } from '../../../src/main/conversations/seat.ts';
import { Seats } from '../../../src/main/conversations/seats.ts';
import { ThrottleLimits } from '../../../src/main/limits/throttle.ts';
import { createLog } from '../../../src/main/log/log.ts';
import type { Receiver } from '../../../src/main/media/egress.ts';
import { Ingress } from '../../../src/main/media/ingress.ts';
import { Shards } from '../../../src/main/media/shards.ts';
import { until } from '../../../src/main/wait.ts';
import { openSlot, SLOT_WORDS } from '../../../src/rtp/rewriter.ts';
import { connectionIndex, SOURCE_WORDS, SourceWord } from '../../../src/workers/protocol.ts';
import { rtp } from '../../support/packets.ts';
import { scenarios } from '../../support/scenario.ts';

const test = scenarios('source without a peer');

const LEVEL_ID = 1;
const TICKS = 960;
const FRAME_MS = 20;
const KITCHEN = { id: 'kitchen', key: 1 };
const GARDEN = { id: 'garden', key: 2 };
/** So long that no packet is late, however busy the machine is. */
const config = readConfig({ WORKERS: '2', MAX_CONNECTIONS: '4', MAX_SLOTS: '2', MAX_DELAY_MS: '5000' });
const receivers: (Receiver | undefined)[] = new Array(config.MAX_CONNECTIONS).fill(undefined);
const hosted = new HostedConversations();
const shards = new Shards(config, receivers, hosted, createLog('silent'), (error) => {
  throw error;
});
const seats = new Seats(() => shards.leastLoaded(), hosted);
const indexes = new IndexPool(config.MAX_CONNECTIONS, shards.sources);
const ingress = new Ingress();
const parts = { indexes, seats, ingress, throttleLimits: new ThrottleLimits(200, 1000) };

/** A source with its own voice: the next packet each time. */
class Voice {
  readonly source: PeerlessSource;
  readonly ssrc: number;
  private sequence = 0;

  constructor(userid: string, user: number, ssrc = 7000 + user) {
    const publication = { payloadType: 111, redPayloadType: 0, levelExtension: LEVEL_ID, ssrcs: [ssrc] };
    this.ssrc = ssrc;
    this.source = PeerlessSource.open(parts, { userid, clientid: 'elsewhere' }, user, publication)!;
  }

  say(): void {
    const sequence = this.sequence++;
    const payload = Buffer.from(`${this.source.claim.userid} says ${sequence}`);
    const level = { id: LEVEL_ID, level: 20 };
    this.source.packet(rtp({ sequence, timestamp: sequence * TICKS, ssrc: this.ssrc, payload, level }));
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

test('a source without a peer is heard in a slot, under its number in the conversation', async () => {
  await shards.whenReady();
  const [ann, bob] = [new Voice('ann', 1), new Voice('bob', 2)];
  const listener = new Listener(3);
  listener.seat.place(KITCHEN);
  for (const { source } of [ann, bob]) source.place(KITCHEN);
  equal([listener.seat.number, ann.source.seat.number, bob.source.seat.number], [1, 2, 3]);
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
    is(shards.sources[index * SOURCE_WORDS + SourceWord.Speaking], 1);
  }
  ok(ann.source.packetsReceived >= 10);
  listener.end();
  for (const { source } of [ann, bob]) source.end();
  ok(await until(() => indexes.free === indexes.size, 5000));
});

test("a source is not heard by its own user's connection", async () => {
  const voice = new Voice('ann', 1);
  const [own, other] = [new Listener(1), new Listener(2)];
  for (const { seat } of [own, other]) seat.place(KITCHEN);
  voice.source.place(KITCHEN);
  await speak([voice], () => other.heard.length >= 10);
  is(own.heard.length, 0);
  for (const one of [own, other, voice.source]) one.end();
  ok(await until(() => indexes.free === indexes.size, 5000));
});

test('a source that moves is heard where it is, and one that is nowhere is not taken', async () => {
  const voice = new Voice('ann', 1);
  const [cook, gardener] = [new Listener(2), new Listener(3)];
  cook.seat.place(KITCHEN);
  gardener.seat.place(GARDEN);
  const { notJoined } = ingress.drops;
  voice.say();
  is(ingress.drops.notJoined, notJoined + 1);
  voice.source.place(KITCHEN);
  await speak([voice], () => cook.voices >= 5);
  voice.source.place(GARDEN);
  await speak([voice], () => gardener.voices >= 5);
  const heard = cook.voices;
  await speak([voice], () => gardener.voices >= 15);
  is(cook.voices, heard);
  for (const one of [cook, gardener, voice.source]) one.end();
  ok(await until(() => indexes.free === indexes.size, 5000));
});

test('after the end of a source its index, its seat and its conversation are free, and its packets go nowhere', async () => {
  const voice = new Voice('ann', 1);
  const { source } = voice;
  source.place(KITCHEN);
  const { shard } = source.seat;
  equal([indexes.free, seats.hosted.count, shard?.load], [indexes.size - 1, 1, 1]);
  source.end();
  equal([indexes.free, seats.hosted.count], [indexes.size - 1, 1], 'its worker has not let go yet');
  ok(await until(() => indexes.free === indexes.size, 5000));
  equal([seats.hosted.count, shard?.load, source.seat.shard, source.seat.destination], [0, 0, null, null]);
  const { notJoined } = ingress.drops;
  voice.say();
  source.place(KITCHEN);
  voice.say();
  is(ingress.drops.notJoined, notJoined + 2);
  is(seats.hosted.count, 0);
  const next = new Voice('bob', 2).source;
  is(connectionIndex(next.id), connectionIndex(source.id), 'the index is used again');
  is.not(next.id, source.id, 'under another id');
  next.end();
  is(indexes.free, indexes.size, 'a source that was never placed is free at once');
});

test('a source that sends too much is throttled like any publisher, and no index is no source', async () => {
  const voice = new Voice('ann', 1);
  voice.source.place(KITCHEN);
  const { tooMany } = ingress.drops;
  for (let i = 0; i < 1000; i++) voice.say();
  ok(ingress.drops.tooMany - tooMany > 500, `${ingress.drops.tooMany - tooMany}`);
  const taken = Array.from({ length: indexes.free }, () => indexes.take()!);
  is(PeerlessSource.open(parts, voice.source.claim, 1, voice.source.publication), null);
  for (const { index } of taken) indexes.give(index);
  voice.source.end();
  ok(await until(() => indexes.free === indexes.size, 5000));
});

test('sources alone, or with one client, do not count as people who talk', async () => {
  const sources = [new Voice('ann', 1).source, new Voice('bob', 2).source];
  const [first, second] = [new Listener(3), new Listener(4)];
  for (const source of sources) source.place(KITCHEN);
  is(seats.hosted.talking, false);
  first.seat.place(KITCHEN);
  is(seats.hosted.talking, false, 'one client listens to sources');
  second.seat.place(KITCHEN);
  is(seats.hosted.talking, true);
  for (const one of [...sources, first, second]) one.end();
  is(seats.hosted.talking, false);
  ok(await until(() => indexes.free === indexes.size, 5000));
});

test('the workers end', async () => {
  await shards.stop();
});

test.run();
