/** What a NATS server tells about itself: its monitoring port. */

/** Some figures of `/varz`. */
export interface NatsFigures {
  /** Messages that clients have published so far. */
  readonly inMsgs: number;
  readonly subscriptions: number;
  readonly connections: number;
}

export class NatsMonitor {
  private readonly port: number;

  constructor(port: number) {
    this.port = port;
  }

  /** The line of the server's configuration that opens the port. */
  get config(): string {
    return `http: "127.0.0.1:${this.port}"`;
  }

  async figures(): Promise<NatsFigures> {
    const varz = await this.read<{ in_msgs: number; subscriptions: number; connections: number }>('/varz');
    return { inMsgs: varz.in_msgs, subscriptions: varz.subscriptions, connections: varz.connections };
  }

  /** Returns the subjects that clients are subscribed to, sorted, as often as they are. */
  async subjects(): Promise<string[]> {
    type Connz = { connections: { subscriptions_list?: string[] }[] };
    const { connections } = await this.read<Connz>('/connz?subs=1&limit=1000');
    return connections.flatMap(({ subscriptions_list: list = [] }) => list).sort();
  }

  /** Returns the number of messages in a stream; 0 if there is none. The bucket `x` is the stream `KV_x`. */
  async messages(stream: string): Promise<number> {
    type Jsz = { account_details?: { stream_detail?: { name: string; state: { messages: number } }[] }[] };
    const { account_details: accounts = [] } = await this.read<Jsz>('/jsz?streams=1');
    const streams = accounts.flatMap(({ stream_detail: details = [] }) => details);
    return streams.find(({ name }) => name === stream)?.state.messages ?? 0;
  }

  private async read<T>(path: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`);
    return (await response.json()) as T;
  }
}
