/** The thread hop: one packet at a time goes from the main thread through the real worker and back. */

import { readConfig } from '../src/main/config.ts';
import { createLog } from '../src/main/log/log.ts';
import { Shards } from '../src/main/media/shards.ts';
import { openSlot, SLOT_WORDS } from '../src/rtp/rewriter.ts';
import { NOTHING_SERVED } from '../test/support/served.ts';
import { LEVEL_ID, voicePackets } from './cases/packets.ts';

export interface Hop {
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Sends `count` packets, each after the previous one came back and a pause, like a lone speaker. */
export async function measureHop(count: number, idleMs: number): Promise<Hop> {
  let back: () => void = () => undefined;
  const listener = {
    id: 1,
    send: () => {
      back();
      return true;
    },
  };
  const shards = new Shards(
    readConfig({ WORKERS: '1', MAX_CONNECTIONS: '2', MAX_SLOTS: '1' }),
    [undefined, listener],
    NOTHING_SERVED,
    createLog('silent'),
    (error) => {
      throw error;
    },
  );
  await shards.whenReady();
  const [shard] = shards.all;
  openSlot(shards.slots, SLOT_WORDS, 1, 111, 1, 0, 0);
  const publication = { payloadType: 111, redPayloadType: 0, levelExtension: LEVEL_ID, ssrcs: [1000] };
  shard!.join({
    type: 'join',
    connection: 0,
    conversation: 1,
    user: 1,
    number: 1,
    publication,
    slots: 0,
    muted: false,
    deafened: false,
  });
  shard!.join({
    type: 'join',
    connection: 1,
    conversation: 1,
    user: 2,
    number: 2,
    publication: null,
    slots: 1,
    muted: false,
    deafened: false,
  });
  const times: number[] = [];
  for (const packet of voicePackets(count)) {
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    const begun = performance.now();
    const returned = new Promise<void>((resolve) => {
      back = resolve;
    });
    shard!.push(0, packet);
    await returned;
    times.push((performance.now() - begun) * 1000);
  }
  await shards.stop();
  times.sort((a, b) => a - b);
  return { p50: times[Math.floor(count * 0.5)]!, p99: times[Math.floor(count * 0.99)]! };
}
