/** What clients hear: who, with which numbers, and without holes. */
import { is, ok } from 'uvu/assert';
import { type ReceivedPacket, SILENCE, type TestClient } from './client.ts';
import { pause } from './waiting.ts';

/** Collects what a client receives until it has `count` packets of each of these speakers. @returns all packets. */
export function hear(client: TestClient, from: readonly string[], count = 20): Promise<ReceivedPacket[]> {
  return client.receives((all) => from.every((name) => all.filter((packet) => packet.from === name).length >= count));
}

/** Returns who is heard in packets, without silence, sorted. */
export function speakersIn(packets: readonly ReceivedPacket[]): string[] {
  return [...new Set(packets.map(({ from }) => from))].filter((name) => name !== SILENCE).sort();
}

/** Returns who is heard in the next milliseconds; packets that have arrived before do not count. */
export async function heardWithin(client: TestClient, milliseconds: number): Promise<string[]> {
  await client.take();
  await pause(milliseconds);
  return speakersIn(await client.take());
}

/** Checks that every packet of these users carries the number that the client's events tell for that user. */
export async function numbersAgree(
  client: TestClient,
  packets: readonly ReceivedPacket[],
  userids: readonly string[],
): Promise<void> {
  const view = await client.knows(({ userids: all }) => userids.every((userid) => all.includes(userid)));
  for (const userid of userids) {
    const csrcs = [...new Set(packets.filter(({ from }) => from === userid).map(({ csrc }) => csrc))];
    is(csrcs.join(), String(view.named(userid)?.number), `${client.name}: the number of ${userid}`);
  }
  is(view.unmapped.join(), '', `${client.name}: numbers in slots that no list had named`);
}

/** Checks that the numbers of every SSRC have no holes, repeats or steps back in time. */
export function isContinuous(packets: readonly ReceivedPacket[]): void {
  const last = new Map<number, ReceivedPacket>();
  for (const packet of packets) {
    const before = last.get(packet.ssrc);
    last.set(packet.ssrc, packet);
    if (before === undefined) continue;
    is(packet.mid, before.mid, 'a slot is one SSRC on one m-line');
    is((packet.sequence - before.sequence) & 0xffff, 1, `hole or step back in ${packet.ssrc} at ${before.sequence}`);
    ok(((packet.timestamp - before.timestamp) | 0) > 0, `time went back in ${packet.ssrc}`);
  }
}

/** Returns the numbers that a speaker wrote into the packets that a listener got, in order. */
export function countsOf(packets: readonly ReceivedPacket[], from: string): number[] {
  return packets.filter((packet) => packet.from === from).map(({ count }) => count);
}
