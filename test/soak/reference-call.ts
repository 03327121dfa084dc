/**
 * Two clients that talk to each other all the time in a conversation of their own: nothing that others do may affect
 * it.
 */
import { ClientHost, type ReceivedPacket, type TestClient } from '../support/client.ts';
import { claimHeader } from '../support/server.ts';
import { call } from './figures.ts';
import type { Report } from './report.ts';

/** Longest time without a packet that counts as the effect of a busy machine, milliseconds. */
const MAX_PAUSE_MS = 10_000;

interface Listener {
  readonly client: TestClient;
  readonly other: string;
  last: ReceivedPacket | null;
  lastAt: number;
}

export class ReferenceCall {
  heard = 0;
  /** Longest time between two packets, milliseconds. */
  longestPause = 0;
  private readonly host = new ClientHost();
  private readonly report: Report;
  private listeners: Listener[] = [];

  constructor(report: Report) {
    this.report = report;
  }

  /** Connects both clients, and lets them talk. @param urls of the servers; the clients connect to them in turn. */
  async open(urls: readonly string[]): Promise<void> {
    const [ann, bob] = ['reference-ann', 'reference-bob'] as const;
    for (const [name, other, i] of [
      [ann, bob, 0],
      [bob, ann, 1],
    ] as const) {
      const url = urls[i % urls.length]!;
      const client = await this.host.connect(url, name);
      if (client.close.code !== 1000)
        this.report.violated(`a client of the reference call got ${client.close.code} ${client.close.reason}`);
      // Joins only now: on a busy machine a membership without a connection may time out first.
      await call('POST', `${url}/join/reference`, claimHeader(name));
      this.listeners.push({ client, other, last: null, lastAt: performance.now() });
    }
    for (const { client } of this.listeners) await client.talk();
  }

  /** Checks what both clients have received since the last call. */
  async listen(): Promise<void> {
    for (const listener of this.listeners) {
      for (const packet of await listener.client.take()) this.take(listener, packet);
      if (performance.now() - listener.lastAt > MAX_PAUSE_MS) {
        const { state, sent } = await listener.client.state();
        const silent = `${listener.client.name} has heard nothing for ${MAX_PAUSE_MS} ms`;
        this.report.violated(
          `${silent}; it is ${state}, has sent ${sent}, and heard ${listener.last?.count ?? 'nothing'} last`,
        );
        listener.lastAt = performance.now();
      }
    }
  }

  async close(): Promise<void> {
    for (const { client } of this.listeners) await client.end();
    this.listeners = [];
  }

  kill(): void {
    this.host.kill();
  }

  private take(listener: Listener, packet: ReceivedPacket): void {
    const { last } = listener;
    listener.last = packet;
    listener.lastAt = performance.now();
    this.heard++;
    const by = `at ${new Date(packet.at).toISOString()} ${listener.client.name}`;
    if (packet.from !== listener.other) this.report.violated(`${by} heard ${packet.from}`);
    if (last === null) return;
    this.longestPause = Math.max(this.longestPause, packet.at - last.at);
    const numbers = (packet.sequence - last.sequence) & 0xffff;
    const ticks = (packet.timestamp - last.timestamp) >>> 0;
    const counts = packet.count - last.count;
    if (numbers === 1 && counts === 1 && ticks === 960) return;
    this.report.violated(`${by} heard packet ${packet.count} after ${last.count}: number +${numbers}, time +${ticks}`);
  }
}
