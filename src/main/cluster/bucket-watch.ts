/**
 * Reads the bucket: first the latest value of each key, then each change, in the bucket's order. It ends at the first
 * sign that it may have missed something; whoever listens then begins anew.
 */
import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  type JsMsg,
  jetstream,
  ReplayPolicy,
} from '@nats-io/jetstream';
import { createInbox, type NatsConnection, nanos } from '@nats-io/transport-node';
import type { Bucket } from './bucket.ts';

/** How often NATS tells that nothing has changed, milliseconds. The watch ends if it misses two in a row. */
const HEARTBEAT_MS = 1000;
/** After this time NATS forgets a consumer that nobody listens to, milliseconds. */
const ABANDONED_MS = 30_000;
/** In the headers of a delete marker. */
const OPERATION = 'KV-Operation';
const MARKER_REASON = 'Nats-Marker-Reason';

export interface WatchListener {
  /** A key has this value. @param value null for a delete marker. Must not throw. */
  entry(key: string, revision: number, value: Uint8Array | null): void;
  /** Everything that the bucket had at the beginning was told. */
  complete(): void;
  /** NATS says that everything up to now was told. */
  current(): void;
  /** The watch has ended by itself. */
  broken(why: string): void;
}

export class BucketWatch {
  private readonly bucket: Bucket;
  private readonly listener: WatchListener;
  private messages: ConsumerMessages | null = null;
  private consumer = '';
  private open = true;
  private isComplete = false;
  /** Number of messages so far, and how many are the first reading; unknown before NATS said so. */
  private received = 0;
  private expected = Number.POSITIVE_INFINITY;

  /** @param inboxes what the subjects of inboxes begin with. */
  static async begin(
    connection: NatsConnection,
    bucket: Bucket,
    inboxes: string,
    listener: WatchListener,
  ): Promise<BucketWatch> {
    const watch = new BucketWatch(bucket, listener);
    try {
      await watch.begin(connection, createInbox(inboxes));
      return watch;
    } catch (error) {
      watch.close();
      throw error;
    }
  }

  private constructor(bucket: Bucket, listener: WatchListener) {
    this.bucket = bucket;
    this.listener = listener;
  }

  /** Ends the watch. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    this.messages?.stop();
    const { manager, stream } = this.bucket;
    if (this.consumer !== '') manager.consumers.delete(stream, this.consumer).catch(() => undefined);
  }

  private async begin(connection: NatsConnection, subject: string): Promise<void> {
    const { manager, stream, prefix } = this.bucket;
    const idle = { deliver_subject: subject, idle_heartbeat: nanos(HEARTBEAT_MS) };
    // Before the consumer begins to send.
    const bound = await jetstream(connection).consumers.getBoundPushConsumer(idle);
    this.messages = await bound.consume({ callback: (message) => this.take(message) });
    void this.follow(this.messages);
    const { name, num_pending, delivered } = await manager.consumers.add(stream, {
      ...idle,
      name: subject.slice(subject.lastIndexOf('.') + 1),
      filter_subject: `${prefix}>`,
      deliver_policy: DeliverPolicy.LastPerSubject,
      replay_policy: ReplayPolicy.Instant,
      ack_policy: AckPolicy.None,
      flow_control: true,
      inactive_threshold: nanos(ABANDONED_MS),
      mem_storage: true,
      num_replicas: 1,
    });
    this.consumer = name;
    this.expected = delivered.consumer_seq + num_pending;
    this.checkComplete(false);
  }

  private take(message: JsMsg): void {
    if (!this.open) return;
    const { deliverySequence, pending } = message.info;
    if (deliverySequence !== this.received + 1) return this.break('a message was lost');
    this.received++;
    const { headers, subject, data, seq } = message;
    const isMarker = headers !== undefined && (headers.has(OPERATION) || headers.has(MARKER_REASON));
    this.listener.entry(subject.slice(this.bucket.prefix.length), seq, isMarker ? null : data);
    this.checkComplete(pending === 0);
    if (pending === 0) this.listener.current();
  }

  private checkComplete(nothingPending: boolean): void {
    if (this.isComplete || !this.open || !(nothingPending || this.received >= this.expected)) return;
    this.isComplete = true;
    this.listener.complete();
  }

  private async follow(messages: ConsumerMessages): Promise<void> {
    for await (const event of messages.status()) {
      if (!this.open) return;
      if (event.type === 'heartbeats_missed') this.break('NATS fell silent');
      else if (event.type === 'consumer_deleted') this.break('NATS ended it');
      else if (event.type === 'heartbeat') {
        if (event.lastConsumerSequence > this.received) return this.break('a message was lost');
        this.checkComplete(true);
        this.listener.current();
      }
    }
    this.break('the client of NATS ended it');
  }

  private break(why: string): void {
    if (!this.open) return;
    this.close();
    this.listener.broken(why);
  }
}
