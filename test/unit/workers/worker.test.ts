/** A worker in its thread, with everything between it and main as in the service. */

import { equal, is, ok } from 'uvu/assert';
import { RtpPacket } from 'werift-rtp';
import { readConfig } from '../../../src/main/config.ts';
import { createLog } from '../../../src/main/log/log.ts';
import type { Receiver } from '../../../src/main/media/egress.ts';
import type { Shard } from '../../../src/main/media/shard.ts';
import { Shards } from '../../../src/main/media/shards.ts';
import { openSlot, SLOT_WORDS } from '../../../src/rtp/rewriter.ts';
import { milliseconds } from '../../../src/workers/clock.ts';
import { Count, Drop } from '../../../src/workers/protocol.ts';
import { rtp } from '../../support/packets.ts';
import { scenarios } from '../../support/scenario.ts';
import { NOTHING_SERVED } from '../../support/served.ts';

const test = scenarios('worker');
const PACKETS = 2000;

class Listener implements Receiver {
  readonly id: number;
  /** Payloads. */
  readonly got: string[] = [];
  private readonly headers: { sequence: number; timestamp: number }[] = [];
  constructor(id: number) {
    this.id = id;
  }
  send(packet: Uint8Array): boolean {
    this.got.push(Buffer.from(packet.subarray(16)).toString());
    const { sequenceNumber, timestamp } = RtpPacket.deSerialize(Buffer.from(packet)).header;
    this.headers.push({ sequence: sequenceNumber, timestamp });
    return true;
  }

  forget(): void {
    this.got.length = 0;
    this.headers.length = 0;
  }

  /** No number comes twice or goes back, and no time does. */
  isLegal(): void {
    this.headers.slice(1).forEach(({ sequence, timestamp }, i) => {
      const before = this.headers[i]!;
      const step = (sequence - before.sequence) & 0xffff;
      ok(step > 0 && step <= PACKETS, `${before.sequence} -> ${sequence}`);
      ok(((timestamp - before.timestamp) | 0) > 0, `${before.timestamp} -> ${timestamp}`);
    });
  }
}

const range = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => String(from + i));
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** Workers, with nobody at connections 0 and 1. */
function start(env: Record<string, string>, listeners: Listener[]): Shards {
  const config = readConfig({ MAX_SLOTS: '1', MAX_DELAY_MS: '60000', ...env });
  return new Shards(config, [undefined, undefined, ...listeners], NOTHING_SERVED, createLog('silent'), (error) => {
    throw error;
  });
}

/** Puts somebody who publishes into a conversation of their own with a listener. */
function talkTo(shards: Shards, shard: Shard, publisher: number, { id }: Listener): void {
  openSlot(shards.slots, id * SLOT_WORDS, id, 111, id, 0, 0);
  const publication = { payloadType: 111, redPayloadType: 0, levelExtension: 0, ssrcs: [] };
  const both = { type: 'join', conversation: 1, muted: false, deafened: false } as const;
  shard.join({ ...both, connection: publisher, user: 9, number: 9, publication, slots: 0 });
  shard.join({ ...both, connection: id, user: id, number: id, publication: null, slots: 1 });
}

function say(shard: Shard, publisher: number, count: number): boolean {
  const packet = { sequence: count & 0xffff, timestamp: count * 960, ssrc: 5, payload: Buffer.from(String(count)) };
  return shard.push(publisher, rtp(packet));
}

test('what somebody said before they moved is heard where they said it, and nowhere else, however late the worker', async () => {
  const [there, here] = [new Listener(1), new Listener(2)];
  const config = readConfig({ WORKERS: '1', MAX_CONNECTIONS: '3', MAX_SLOTS: '1', MAX_DELAY_MS: '60000' });
  const shards = new Shards(config, [undefined, there, here], NOTHING_SERVED, createLog('silent'), (error) => {
    throw error;
  });
  await shards.whenReady();
  const shard = shards.all[0]!;
  for (const { id } of [there, here]) openSlot(shards.slots, id * SLOT_WORDS, id, 111, id, 0, 0);
  const silent = { type: 'join', publication: null, slots: 1, muted: false, deafened: false } as const;
  const publication = { payloadType: 111, redPayloadType: 0, levelExtension: 0, ssrcs: [] };
  const speaker = { type: 'join', connection: 0, user: 9, number: 9, publication, slots: 0 } as const;
  shard.join({ ...silent, connection: 1, conversation: 1, user: 1, number: 1 });
  shard.join({ ...silent, connection: 2, conversation: 2, user: 2, number: 2 });
  shard.join({ ...speaker, conversation: 1, muted: false, deafened: false });
  const say = (sequence: number, where: string): boolean =>
    shard.push(0, rtp({ sequence, timestamp: sequence * 960, ssrc: 5, payload: Buffer.from(where) }));
  let taken = 0;
  for (let i = 0; i < PACKETS; i++) if (say(i, 'there')) taken++;
  await new Promise<void>((resolve) => shard.leave(0, resolve));
  shard.join({ ...speaker, conversation: 2, muted: false, deafened: false });
  say(PACKETS, 'here');
  while (here.got.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  equal(here.got, ['here']);
  is(there.got.filter((payload) => payload === 'there').length, taken);
  await shards.stop();
});

test('a worker that has nothing to do sleeps, and beats at least once a second', async () => {
  const config = readConfig({ WORKERS: '1', MAX_CONNECTIONS: '1', MAX_SLOTS: '1' });
  const shards = new Shards(config, [undefined], NOTHING_SERVED, createLog('silent'), (error) => {
    throw error;
  });
  await shards.whenReady();
  const ages: number[] = [];
  let beats = 0;
  for (let before = 0; beats < 4; ) {
    const age = shards.all[0]!.beatAge(milliseconds());
    if (age < before) {
      ages.push(before);
      beats++;
    }
    before = age;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  ok(Math.max(...ages.slice(1)) > 200, `beats after ${ages} ms`);
  // A busy machine wakes it late now and then, though not each time.
  ok(Math.min(...ages.slice(1)) < 1500, `beats after ${ages} ms`);
  await shards.stop();
});

test('a worker that does not come to its packets: the newest are dropped and counted, nobody else’s, and then all is well', async () => {
  const [slow, other] = [new Listener(2), new Listener(3)];
  let shards: Shards;
  let taken: number;
  // The threads do not run yet, so nobody reads; where one came to it all the same, this is done again.
  for (;;) {
    shards = start({ WORKERS: '2', MAX_CONNECTIONS: '4', INGRESS_RING_BYTES: '4096' }, [slow, other]);
    const [first, second] = shards.all as [Shard, Shard];
    talkTo(shards, first, 0, slow);
    talkTo(shards, second, 1, other);
    taken = 0;
    for (let i = 0; i < PACKETS; i++) if (say(first, 0, i)) taken++;
    if (first.counter(Count.PacketsIn) === 0) break;
    await shards.stop();
    slow.forget();
  }
  const [first, second] = shards.all as [Shard, Shard];
  ok(say(second, 1, 0));
  ok(taken > 50 && taken < 200, `${taken}`);
  is(first.ingressDropped, PACKETS - taken);
  is(second.ingressDropped, 0);
  await shards.whenReady();
  await until(() => slow.got.length === taken && other.got.length === 1);
  equal(slow.got, range(0, taken));
  for (let i = 0; i < 20; i++) ok(say(first, 0, PACKETS + i));
  await until(() => slow.got.length === taken + 20);
  equal(slow.got.slice(taken), range(PACKETS, PACKETS + 20));
  is(first.ingressDropped, PACKETS - taken);
  slow.isLegal();
  await shards.stop();
});

test('a main thread that does not come to sending: the newest are dropped and counted, nobody else’s, and then all is well', async () => {
  const [slow, other] = [new Listener(2), new Listener(3)];
  const shards = start({ WORKERS: '2', MAX_CONNECTIONS: '4', EGRESS_RING_BYTES: '4096' }, [slow, other]);
  await shards.whenReady();
  const [first, second] = shards.all as [Shard, Shard];
  talkTo(shards, first, 0, slow);
  talkTo(shards, second, 1, other);
  for (let i = 0; i < PACKETS; i++) ok(say(first, 0, i));
  ok(say(second, 1, 0));
  // Main has no turn until the workers have done their part.
  const cell = new Int32Array(new SharedArrayBuffer(4));
  while (first.counter(Count.PacketsIn) < PACKETS || second.counter(Count.PacketsIn) < 1) Atomics.wait(cell, 0, 0, 1);
  const sent = first.counter(Count.PacketsOut);
  ok(sent > 50 && sent < 200, `${sent}`);
  while (first.counter(Drop.EgressFull) < PACKETS - sent) Atomics.wait(cell, 0, 0, 1);
  equal(slow.got, []);
  await until(() => slow.got.length === sent && other.got.length === 1);
  equal(slow.got, range(0, sent));
  is(second.counter(Drop.EgressFull), 0);
  for (let i = 0; i < 20; i++) say(first, 0, PACKETS + i);
  await until(() => slow.got.length === sent + 20);
  equal(slow.got.slice(sent), range(PACKETS, PACKETS + 20));
  is(first.counter(Drop.EgressFull), PACKETS - sent);
  slow.isLegal();
  await shards.stop();
});

test.run();
