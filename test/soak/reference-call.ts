/** Two clients who talk with each other all the time in a room of their own: nothing that others do may be heard there. */
import { ClientHost, type ReceivedPacket, type TestClient } from '../support/client.ts';
import { claimHeader } from '../support/server.ts';
import { call } from './figures.ts';
import type { Report } from './report.ts';

/** Longest time without a packet that passes for a busy machine, milliseconds. */
const MAX_PAUSE_MS = 10_000;

interface Ear {
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
  private ears: Ear[] = [];

  constructor(report: Report) {
    this.report = report;
  }

  /** Connects both, and has them talk. */
  async open(url: string): Promise<void> {
    const [ann, bob] = ['reference-ann', 'reference-bob'] as const;
    for (const [name, other] of [
      [ann, bob],
      [bob, ann],
    ] as const) {
      const client = await this.host.connect(url, name);
      if (client.close.code !== 1000)
        this.report.violated(`a client of the reference call got ${client.close.code} ${client.close.reason}`);
      // Not before: on a busy machine a membership without a connection may time out meanwhile.
      await call('POST', `${url}/join/reference`, claimHeader(name));
      this.ears.push({ client, other, last: null, lastAt: performance.now() });
    }
    for (const { client } of this.ears) await client.talk();
  }

  /** Looks at what both have heard since. */
  async listen(): Promise<void> {
    for (const ear of this.ears) {
      for (const packet of await ear.client.take()) this.take(ear, packet);
      if (performance.now() - ear.lastAt > MAX_PAUSE_MS) {
        const { state, sent } = await ear.client.state();
        const silent = `${ear.client.name} has heard nothing for ${MAX_PAUSE_MS} ms`;
        this.report.violated(
          `${silent}; it is ${state}, has sent ${sent}, and heard ${ear.last?.count ?? 'nothing'} last`,
        );
        ear.lastAt = performance.now();
      }
    }
  }

  async close(): Promise<void> {
    for (const { client } of this.ears) await client.end();
    this.ears = [];
  }

  kill(): void {
    this.host.kill();
  }

  private take(ear: Ear, packet: ReceivedPacket): void {
    const { last } = ear;
    ear.last = packet;
    ear.lastAt = performance.now();
    this.heard++;
    const by = `at ${new Date(packet.at).toISOString()} ${ear.client.name}`;
    if (packet.from !== ear.other) this.report.violated(`${by} heard ${packet.from}`);
    if (last === null) return;
    this.longestPause = Math.max(this.longestPause, packet.at - last.at);
    const numbers = (packet.sequence - last.sequence) & 0xffff;
    const ticks = (packet.timestamp - last.timestamp) >>> 0;
    const counts = packet.count - last.count;
    if (numbers === 1 && counts === 1 && ticks === 960) return;
    this.report.violated(`${by} heard packet ${packet.count} after ${last.count}: number +${numbers}, time +${ticks}`);
  }
}
