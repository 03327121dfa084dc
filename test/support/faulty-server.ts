/** A server with injected faults, conversations full of clients on it, and checks of what they receive. */
import { once } from 'node:events';
import { type ClientHost, type ReceivedPacket, SILENCE, type TestClient } from './client.ts';
import type { FaultOrder, WorkerFault } from './faults.ts';
import { claimHeader, type RunningServer, startServer } from './server.ts';
import { pause, until } from './waiting.ts';

const FAULTS = new URL('./faults.js', import.meta.url);

export class FaultyServer {
  readonly server: RunningServer;

  private constructor(server: RunningServer) {
    this.server = server;
  }

  static async start(env: Record<string, string> = {}): Promise<FaultyServer> {
    return new FaultyServer(await startServer(env, FAULTS));
  }

  /** Injects a fault into a worker, by its index among the running ones. @returns the time, milliseconds since 1970. */
  break(fault: WorkerFault, worker = 0, lasting = false): Promise<number> {
    return this.order({ type: 'break', fault, worker, lasting });
  }

  /** Blocks the main thread, and resolves afterwards. @returns the time of the beginning, milliseconds since 1970. */
  stall(milliseconds: number): Promise<number> {
    return this.order({ type: 'stall', milliseconds });
  }

  /**
   * Stops the whole process for a while, and resolves afterwards.
   *
   * @returns the time of the beginning, milliseconds since 1970.
   */
  async stop(milliseconds: number): Promise<number> {
    const at = performance.timeOrigin + performance.now();
    this.server.process.kill('SIGSTOP');
    await pause(milliseconds);
    this.server.process.kill('SIGCONT');
    return at;
  }

  /** The figures of the newest `stats` line. */
  get stats(): { rss: number; late: number } {
    const line = this.server.logs.findLast((text) => text.includes('"msg":"stats"'))!;
    const { rss, drops }: { rss: number; drops: { late: number } } = JSON.parse(line);
    return { rss, late: drops.late };
  }

  /** The log lines about workers that were replaced. */
  get replaced(): {
    worker: number;
    ms: number;
    conversations: number;
    connections: number;
    err: { message: string };
  }[] {
    return this.server.logs
      .filter((line) => line.includes('a worker ended and was replaced'))
      .map((line) => JSON.parse(line));
  }

  /** Waits until this many workers have been replaced in all. */
  async replacements(count: number): Promise<void> {
    await until(`${count} workers were replaced`, () => this.replaced.length >= count, { interval: 5 });
  }

  private async order(order: FaultOrder): Promise<number> {
    const answer = once(this.server.process, 'message');
    this.server.process.send(order);
    return (await answer)[0];
  }
}

/** A listener, with every packet that it has received. */
export class Listener {
  readonly client: TestClient;
  readonly heard: ReceivedPacket[] = [];

  constructor(client: TestClient) {
    this.client = client;
  }

  async listen(): Promise<this> {
    this.heard.push(...(await this.client.take()));
    return this;
  }

  /** Waits until this many packets of each named client have arrived after a moment, milliseconds since 1970. */
  async hears(names: readonly string[], count: number, after: number): Promise<void> {
    const heardOf = (name: string): number => this.heard.filter(({ from, at }) => from === name && at > after).length;
    await until(`${this.client.name} hears ${names.join(', ')}`, async () => {
      await this.listen();
      return names.every((name) => heardOf(name) >= count);
    });
  }

  /** Returns the longest time without a packet of a client that began after a moment, milliseconds. */
  longestGap(name: string, after: number): number {
    const times = this.heard.filter(({ from, at }) => from === name && at > after - 200).map(({ at }) => at);
    return times.slice(1).reduce((longest, at, i) => Math.max(longest, at - times[i]!), 0);
  }

  /** Returns what no receiver may ever see in the packets of one SSRC; empty if there is nothing of the kind. */
  illegal(maxJump: number): string[] {
    const wrong: string[] = [];
    const last = new Map<number, ReceivedPacket>();
    for (const packet of this.heard) {
      const before = last.get(packet.ssrc);
      last.set(packet.ssrc, packet);
      if (before === undefined) continue;
      const step = (packet.sequence - before.sequence + 0x10000) & 0xffff;
      const ticks = (packet.timestamp - before.timestamp) | 0;
      if (step === 0 || step > maxJump) wrong.push(`sequence ${before.sequence} -> ${packet.sequence}`);
      if (ticks <= 0) wrong.push(`timestamp ${before.timestamp} -> ${packet.timestamp}`);
    }
    for (const ssrc of last.keys()) wrong.push(...driftOf(this.heard.filter((packet) => packet.ssrc === ssrc)));
    return wrong;
  }

  /** The speaker numbers (CSRC) in the packets of each speaker, by name. */
  get numbers(): Map<string, Set<number | null>> {
    const numbers = new Map<string, Set<number | null>>();
    for (const { from, csrc } of this.heard) {
      if (from !== SILENCE) numbers.set(from, (numbers.get(from) ?? new Set()).add(csrc));
    }
    return numbers;
  }
}

/** So many packets that a busy machine does not delay all of them. */
const WINDOW = 100;

/**
 * Returns where the media time of one SSRC, 48 ticks a millisecond, leaves the clock by more than a second. Only a
 * lasting difference counts: a packet that comes late is followed by some that do not.
 */
function driftOf(packets: readonly ReceivedPacket[]): string[] {
  let media = 0;
  const offsets = packets.map(({ timestamp, at }, i) => {
    media += i === 0 ? 0 : ((timestamp - packets[i - 1]!.timestamp) | 0) / 48;
    return media - at;
  });
  const wrong: string[] = [];
  for (let i = WINDOW; i + WINDOW <= offsets.length; i++) {
    const drift = Math.max(...offsets.slice(i, i + WINDOW)) - Math.max(...offsets.slice(i - WINDOW, i));
    if (Math.abs(drift) > 1000) wrong.push(`timestamps left the clock by ${drift} ms at ${packets[i]!.timestamp}`);
  }
  return wrong.slice(0, 1);
}

/** A conversation with clients that talk and clients that only listen. */
export interface FaultyConversation {
  readonly speakers: readonly TestClient[];
  readonly names: readonly string[];
  readonly listeners: readonly Listener[];
}

/** Fills a conversation, and lets its speakers talk. @param slots of each listener. */
export async function fillConversation(
  host: ClientHost,
  { url }: RunningServer,
  name: string,
  speakerCount: number,
  listenerCount: number,
  slots = speakerCount,
): Promise<FaultyConversation> {
  const speakers: TestClient[] = [];
  const listeners: Listener[] = [];
  for (let i = 0; i < speakerCount; i++) speakers.push(await host.connect(url, `${name}-speaker${i}`, { slots: 0 }));
  for (let i = 0; i < listenerCount; i++) {
    listeners.push(new Listener(await host.connect(url, `${name}-listener${i}`, { slots, publishes: false })));
  }
  const all = [...speakers, ...listeners.map(({ client }) => client)];
  for (const client of all) await join(url, client, name);
  for (const speaker of speakers) await speaker.talk();
  return { speakers, names: speakers.map((client) => client.name), listeners };
}

/** Lets a client into a conversation. */
export async function join(url: string, client: TestClient, conversation: string): Promise<void> {
  await fetch(`${url}/join/${conversation}`, { method: 'POST', headers: claimHeader(client.name) });
}
