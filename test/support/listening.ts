/** What two who talk hear of each other over a time: gaps and losses. */
import type { ReceivedPacket, TestClient } from './client.ts';
import { pause } from './waiting.ts';

/** How often what was received is fetched, milliseconds. */
const LOOK_MS = 500;
/** How long packets may be under way at the end, milliseconds. */
const LATE_MS = 300;

export interface Listened {
  /** Longest time without a packet at one of them, milliseconds. */
  readonly longestGap: number;
  /** Packets sent that never arrived, of both. */
  readonly lost: number;
  readonly received: number;
  readonly seconds: number;
}

export class Listening {
  private readonly pair: readonly [TestClient, TestClient];

  /** @param pair two who talk in one conversation, each with a slot. */
  constructor(pair: readonly [TestClient, TestClient]) {
    this.pair = pair;
  }

  /** Listens while something happens. */
  async during(body: () => Promise<unknown>): Promise<Listened> {
    for (const client of this.pair) await client.take();
    const begun = performance.now();
    const heard = this.pair.map((): ReceivedPacket[] => []);
    const look = async (): Promise<void> => {
      for (const [i, client] of this.pair.entries()) heard[i]!.push(...(await client.take()));
    };
    let over = false;
    const ended = body().finally(() => {
      over = true;
    });
    while (!over) {
      await Promise.race([ended, pause(LOOK_MS)]);
      await look();
    }
    const seconds = (performance.now() - begun) / 1000;
    await pause(LATE_MS);
    await look();
    const each = heard.map((packets, i) => figures(packets, this.pair[1 - i]!.name));
    return {
      longestGap: Math.max(...each.map(({ gap }) => gap)),
      lost: each.reduce((sum, { lost }) => sum + lost, 0),
      received: each.reduce((sum, { received }) => sum + received, 0),
      seconds,
    };
  }
}

function figures(all: readonly ReceivedPacket[], from: string): { gap: number; lost: number; received: number } {
  const packets = all.filter((packet) => packet.from === from);
  let gap = 0;
  for (let i = 1; i < packets.length; i++) gap = Math.max(gap, packets[i]!.at - packets[i - 1]!.at);
  const counts = packets.map(({ count }) => count);
  const sent = packets.length === 0 ? 0 : Math.max(...counts) - Math.min(...counts) + 1;
  return {
    gap: packets.length < 2 ? Number.POSITIVE_INFINITY : gap,
    lost: sent - packets.length,
    received: packets.length,
  };
}
