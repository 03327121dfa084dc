/** A worker in its thread, with everything between it and main as in the service. */
import { equal, is, ok } from 'uvu/assert';
import { readConfig } from '../src/main/config.ts';
import type { Receiver } from '../src/main/media/egress.ts';
import { Shards } from '../src/main/media/shards.ts';
import { createLog } from '../src/main/operations/log.ts';
import { openSlot, SLOT_WORDS } from '../src/rtp/rewriter.ts';
import { milliseconds } from '../src/workers/clock.ts';
import { rtp } from './support/packets.ts';
import { scenarios } from './support/scenario.ts';

const test = scenarios('worker');
const PACKETS = 2000;

class Listener implements Receiver {
  readonly id: number;
  /** Payloads. */
  readonly got: string[] = [];
  constructor(id: number) {
    this.id = id;
  }
  send(packet: Uint8Array): boolean {
    this.got.push(Buffer.from(packet.subarray(16)).toString());
    return true;
  }
}

test('what somebody said before they moved is heard where they said it, and nowhere else, however late the worker', async () => {
  const [there, here] = [new Listener(1), new Listener(2)];
  const config = readConfig({ WORKERS: '1', MAX_CONNECTIONS: '3', MAX_SLOTS: '1', MAX_DELAY_MS: '60000' });
  const shards = new Shards(config, [undefined, there, here], createLog('silent'), (error) => {
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
  const shards = new Shards(config, [undefined], createLog('silent'), (error) => {
    throw error;
  });
  await shards.whenReady();
  const ages: number[] = [];
  let beats = 0;
  for (let before = 0; beats < 3; ) {
    const age = shards.all[0]!.beatAge(milliseconds());
    if (age < before) {
      ages.push(before);
      beats++;
    }
    before = age;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  ok(Math.max(...ages.slice(1)) > 200, `beats after ${ages} ms`);
  ok(Math.max(...ages.slice(1)) < 5000, `beats after ${ages} ms`);
  await shards.stop();
});

test.run();
