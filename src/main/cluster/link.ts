/** A connection to NATS that reconnects for ever. */
import { connect, errors, type NatsConnection, type Status } from '@nats-io/transport-node';
import type { Log } from '../log/log.ts';
import { type Bus, LinkError, type Subscription, type Take } from './bus.ts';
import { LinkSubscription } from './link-subscription.ts';
import { cutSocket, forgetFutureTries } from './nats-internals.ts';
import { inboxesOf, type NatsConfig, natsOptions, whyNotConnected } from './nats-options.ts';
import { OncePerText } from './once-per-text.ts';

/** Longest wait for the last messages to leave, milliseconds. */
const GOODBYE_MS = 500;

export class Link implements Bus {
  /** For JetStream and KV, which buffer while disconnected: look at {@link connected} before. */
  readonly connection: NatsConnection;
  /** What the subjects of answers begin with. */
  private readonly inboxes: string;
  private readonly name: string;
  private readonly log: Log;
  private readonly errors: OncePerText;
  private readonly listeners = new Set<(connected: boolean) => void>();
  private readonly subscriptions = new Set<LinkSubscription>();
  private up = true;
  private closing = false;
  private returns = 0;

  /**
   * Connects to the first of the servers that lets it in.
   *
   * @param name of the connection, for the people who watch NATS. It is in each log line.
   * @throws Error for operators, if none of them does.
   */
  static async open(config: NatsConfig, name: string, log: Log): Promise<Link> {
    let connection: NatsConnection | undefined;
    const options = natsOptions(config, name);
    const delay = options.reconnectDelayHandler!;
    options.reconnectDelayHandler = () => {
      if (connection !== undefined) forgetFutureTries(connection);
      return delay();
    };
    try {
      connection = await connect(options);
    } catch (error) {
      throw new Error(whyNotConnected(config, error));
    }
    // The client has forgotten those that it could not reach.
    connection.setServers([...config.NATS_URL!.servers]);
    return new Link(connection, `${inboxesOf(config)}.`, name, log);
  }

  private constructor(connection: NatsConnection, inboxes: string, name: string, log: Log) {
    this.connection = connection;
    this.inboxes = inboxes;
    this.name = name;
    this.log = log;
    this.errors = new OncePerText((text, count) => log.error({ link: name, err: text, count }, 'NATS refused'));
    void this.follow(connection.status());
    void connection.closed().then((err) => this.closed(err));
  }

  get connected(): boolean {
    return this.up;
  }

  /** Number of times that the connection came back. */
  get reconnections(): number {
    return this.returns;
  }

  get refused(): string[] {
    return [...this.subscriptions].filter(({ refused }) => refused).map(({ subject }) => subject);
  }

  /** Sends a message. @returns false, and keeps nothing, while disconnected, or if NATS takes none of this size. */
  publish(subject: string, data: Uint8Array): boolean {
    if (!this.up) return false;
    try {
      this.connection.publish(subject, data);
      return true;
    } catch (error) {
      this.errors.note(`${subject}: ${(error as Error).message}`);
      return false;
    }
  }

  /** Takes all messages on a subject, across reconnections too. What `take` throws is logged. */
  subscribe(subject: string, take: Take): Subscription {
    const logged: Take = (data, reply) => {
      try {
        // Whoever may only ask must not choose what else an instance writes, such as records.
        take(data, reply?.startsWith(this.inboxes) ? reply : undefined);
      } catch (err) {
        this.log.error({ link: this.name, subject, err }, 'a message from NATS could not be handled');
      }
    };
    const subscription = new LinkSubscription(this.connection, subject, logged, () =>
      this.subscriptions.delete(subscription),
    );
    this.subscriptions.add(subscription);
    return subscription;
  }

  /** Sends a message and resolves with the first answer. Rejects with a {@link LinkError}. */
  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (!this.up) throw disconnected();
    try {
      return (await this.connection.request(subject, data, { timeout: timeoutMs })).data;
    } catch (error) {
      throw this.unanswered(error, `no answer on ${subject} within ${timeoutMs} ms`);
    }
  }

  /** Resolves once NATS has taken everything that was sent before. Rejects with a {@link LinkError}. */
  async flush(timeoutMs: number): Promise<void> {
    if (!this.up) throw disconnected();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new LinkError('time-out', `no answer from NATS in ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      await Promise.race([this.connection.flush(), late]);
    } catch (error) {
      throw this.unanswered(error, '');
    } finally {
      clearTimeout(timer);
    }
  }

  watch(listener: (connected: boolean) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Sends what is under way, for half a second at most, and closes the connection. */
  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    await this.flush(GOODBYE_MS).catch(() => undefined);
    this.up = false;
    this.errors.close();
    const closed = this.connection.close();
    cutSocket(this.connection);
    await closed;
  }

  private unanswered(error: unknown, late: string): LinkError {
    if (error instanceof LinkError) return error;
    const { cause } = error as Error;
    if (error instanceof errors.NoRespondersError || cause instanceof errors.NoRespondersError) {
      return new LinkError('nobody', 'nobody there');
    }
    return error instanceof errors.TimeoutError ? new LinkError('time-out', late) : disconnected();
  }

  private async follow(events: AsyncIterable<Status>): Promise<void> {
    for await (const event of events) {
      if (event.type === 'staleConnection') {
        this.change(false, 'does not answer');
        cutSocket(this.connection);
      } else if (event.type === 'disconnect') this.change(false, 'is gone');
      else if (event.type === 'reconnect') this.returned(event.server);
      else if (event.type === 'error') this.errors.note(event.error.message);
      else if (event.type === 'ldm') this.log.warn({ link: this.name, server: event.server }, 'NATS is shutting down');
    }
  }

  private returned(server: string): void {
    this.returns++;
    for (const subscription of this.subscriptions) subscription.renew();
    this.change(true, `is back at ${server}`);
  }

  private change(connected: boolean, how: string): void {
    if (this.up === connected || this.closing) return;
    this.up = connected;
    this.log[connected ? 'info' : 'warn']({ link: this.name, reconnections: this.returns }, `NATS ${how}`);
    for (const listener of [...this.listeners]) {
      try {
        listener(connected);
      } catch (err) {
        this.log.error({ link: this.name, err }, 'a loss or return of NATS could not be handled');
      }
    }
  }

  /** The client ends by itself only through a fault of its own. */
  private closed(err: unknown): void {
    if (this.closing) return;
    this.change(false, 'is gone');
    this.log.error({ link: this.name, err }, 'the connection to NATS ended for good: restart this instance');
  }
}

function disconnected(): LinkError {
  return new LinkError('disconnected', 'NATS cannot be reached');
}
