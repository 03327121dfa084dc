/** What a NATS server tells about itself: its monitoring port. */

/** Some figures of `/varz`. */
export interface NatsFigures {
  /** Messages that clients have published so far. */
  readonly inMsgs: number;
  readonly subscriptions: number;
  readonly connections: number;
}

interface StreamDetail {
  readonly name: string;
  readonly state: { readonly messages: number };
  readonly cluster?: { readonly leader?: string };
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
    return (await this.stream(stream))?.state.messages ?? 0;
  }

  /** Returns the name of the server that leads a stream; null for none. */
  async leader(stream: string): Promise<string | null> {
    return (await this.stream(stream))?.cluster?.leader ?? null;
  }

  private async stream(stream: string): Promise<StreamDetail | undefined> {
    type Jsz = { account_details?: { stream_detail?: StreamDetail[] }[] };
    const { account_details: accounts = [] } = await this.read<Jsz>('/jsz?streams=1');
    return accounts.flatMap(({ stream_detail: details = [] }) => details).find(({ name }) => name === stream);
  }

  private async read<T>(path: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`);
    return (await response.json()) as T;
  }
}
