/** A bus in memory that loses, repeats and delays messages, as a test says. */
import type { Bus, Subscription, Take } from '../../src/main/cluster/bus.ts';
import type { FakeTimers } from './fake-timers.ts';
import type { Random } from './prng.ts';

export interface Faults {
  /** Shares of messages that are lost, or come twice; 0 … 1. */
  loss: number;
  repeats: number;
  /** Longest delay, milliseconds. Messages overtake each other. */
  delay: number;
}

export class FaultyNetwork {
  readonly timers: FakeTimers;
  readonly faults: Faults = { loss: 0, repeats: 0, delay: 0 };
  /** Messages that were sent, by `type`. */
  readonly sent = new Map<string, number>();
  /** Bytes of them. */
  bytes = 0;
  private readonly random: Random;
  private readonly buses: FaultyBus[] = [];

  constructor(timers: FakeTimers, random: Random) {
    this.timers = timers;
    this.random = random;
  }

  connect(): FaultyBus {
    const bus = new FaultyBus(this);
    this.buses.push(bus);
    return bus;
  }

  send(from: FaultyBus, subject: string, data: Uint8Array): void {
    count(this.sent, data);
    this.bytes += data.length;
    for (const bus of this.buses) {
      if (bus === from) continue;
      if (this.chance(this.faults.loss)) continue;
      this.deliver(bus, subject, data);
      if (this.chance(this.faults.repeats)) this.deliver(bus, subject, data);
    }
  }

  private deliver(bus: FaultyBus, subject: string, data: Uint8Array): void {
    const { delay } = this.faults;
    this.timers.after(delay === 0 ? 0 : this.random() % delay, () => bus.receive(subject, data));
  }

  private chance(share: number): boolean {
    return this.random() / 2 ** 32 < share;
  }
}

export class FaultyBus implements Pick<Bus, 'connected' | 'publish' | 'subscribe' | 'watch'> {
  connected = true;
  /** Messages that somebody took, by `type`. */
  readonly received = new Map<string, number>();
  readonly subscriptions = new Map<string, Set<Take>>();
  private readonly network: FaultyNetwork;
  private readonly listeners = new Set<(connected: boolean) => void>();

  constructor(network: FaultyNetwork) {
    this.network = network;
  }

  get subscribed(): number {
    return [...this.subscriptions.values()].reduce((sum, { size }) => sum + size, 0);
  }

  publish(subject: string, data: Uint8Array): boolean {
    if (this.connected) this.network.send(this, subject, data);
    return this.connected;
  }

  subscribe(subject: string, take: Take): Subscription {
    const takers = this.subscriptions.get(subject) ?? new Set();
    this.subscriptions.set(subject, takers);
    takers.add(take);
    return { close: () => void takers.delete(take) };
  }

  watch(listener: (connected: boolean) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Cuts the bus off, or brings it back. */
  connect(connected: boolean): void {
    if (this.connected === connected) return;
    this.connected = connected;
    for (const listener of this.listeners) listener(connected);
  }

  receive(subject: string, data: Uint8Array): void {
    if (!this.connected) return;
    for (const take of this.subscriptions.get(subject) ?? []) {
      count(this.received, data);
      take(data, undefined);
    }
  }
}

/** Counts a message, if it has a type. */
function count(counts: Map<string, number>, data: Uint8Array): void {
  const type = /"type":"(\w+)"/.exec(new TextDecoder().decode(data))?.[1] ?? '';
  counts.set(type, (counts.get(type) ?? 0) + 1);
}
