/** A bus without NATS that keeps what is sent, and confirms it when a test says so. */
import type { Bus, Subscription, Take } from '../../src/main/cluster/bus.ts';

export class RecordingBus implements Bus {
  connected = true;
  readonly refused: string[] = [];
  readonly sent: { readonly subject: string; readonly data: Buffer }[] = [];
  /** Those who take what is sent to a subject. */
  readonly takes = new Map<string, Set<Take>>();
  readonly flushes: { resolve(): void; reject(error: Error): void }[] = [];
  private readonly listeners = new Set<(connected: boolean) => void>();

  publish(subject: string, data: Uint8Array): boolean {
    if (this.connected) this.sent.push({ subject, data: Buffer.from(data) });
    return this.connected;
  }

  subscribe(subject: string, take: Take): Subscription {
    const takes = this.takes.get(subject) ?? new Set();
    this.takes.set(subject, takes.add(take));
    return { close: () => void takes.delete(take) };
  }

  /** Somebody else sends a message. */
  deliver(subject: string, data: Uint8Array): void {
    for (const take of this.takes.get(subject) ?? []) take(data, undefined);
  }

  request(): Promise<Uint8Array> {
    return Promise.reject(new Error('nobody there'));
  }

  flush(): Promise<void> {
    return new Promise((resolve, reject) => this.flushes.push({ resolve, reject }));
  }

  watch(listener: (connected: boolean) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Loses the connection, or gets it back. */
  link(connected: boolean): void {
    this.connected = connected;
    for (const listener of this.listeners) listener(connected);
  }

  /** NATS has taken everything. */
  async confirm(): Promise<void> {
    for (const { resolve } of this.flushes.splice(0)) resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
