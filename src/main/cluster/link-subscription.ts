/** A subscription that outlives reconnections, and refusals by NATS's permissions. */
import type { NatsConnection, Subscription as NatsSubscription } from '@nats-io/transport-node';
import type { Subscription, Take } from './bus.ts';

export class LinkSubscription implements Subscription {
  readonly subject: string;
  /** Whether NATS's permissions forbid it. */
  refused = false;
  private readonly connection: NatsConnection;
  private readonly take: Take;
  private readonly closed: () => void;
  private current: NatsSubscription;
  private open = true;

  /** @param take must not throw. @param closed is called when it is closed. */
  constructor(connection: NatsConnection, subject: string, take: Take, closed: () => void) {
    this.connection = connection;
    this.subject = subject;
    this.take = take;
    this.closed = closed;
    this.current = this.begin();
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    if (!this.connection.isClosed()) this.current.unsubscribe();
    this.closed();
  }

  /** Asks again, if it was refused. The client itself renews the others. */
  renew(): void {
    if (!this.refused || !this.open) return;
    this.refused = false;
    this.current = this.begin();
  }

  private begin(): NatsSubscription {
    const callback = (err: Error | null, message: { data: Uint8Array; reply?: string }): void => {
      if (err !== null) this.refused = true;
      else if (this.open) this.take(message.data, message.reply);
    };
    return this.connection.subscribe(this.subject, { callback });
  }
}
