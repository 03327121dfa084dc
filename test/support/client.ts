import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type EventRequestInput, writeRequest } from '../../src/main/events/schema.ts';
import { EventView } from './event-view.ts';
import { until } from './waiting.ts';

/** What the server says itself when a slot's speaker stopped. */
export const SILENCE = '(silence)';

const SCRIPT = fileURLToPath(new URL('./client-process.js', import.meta.url));

export interface ClientOptions {
  readonly url: string;
  readonly claim: { readonly userid: string; readonly clientid: string };
  /** What its packets carry. */
  readonly name: string;
  /** Receive slots asked for: the first on the publishing line, the others on lines of their own. */
  readonly slots: number;
  readonly publishes: boolean;
  readonly payloadType: number;
  readonly declaresSsrc: boolean;
  /** Whether it opens a data channel; libdatachannel says goodbye only to a connection that has one. */
  readonly data: boolean;
  /** The label of that. */
  readonly label: string;
  /** For a proxy that makes the claim of it. */
  readonly token?: string;
  /** Whether it keeps what it receives until it is taken; else packets are thrown away. */
  readonly keeps: boolean;
  /** The port of a relay on the way to the server, null for none. */
  readonly relay: number | null;
  /** UDP ports to use, first and last; without them, any. */
  readonly ports?: readonly [number, number];
}

/** A packet as the client got it. */
export interface ReceivedPacket {
  readonly mid: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly payloadType: number;
  readonly marker: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly csrc: number | null;
  /** The sender's own count; -1 for the server's frames of silence. */
  readonly count: number;
  /** The sender's name, or {@link SILENCE}. */
  readonly from: string;
}

/** What a client can be told to do. */
type Order =
  | { readonly type: 'open'; readonly options: ClientOptions }
  | { readonly type: 'say'; readonly texts: readonly string[] }
  | { readonly type: 'sayBinary'; readonly bytes: number }
  | { readonly type: 'channel'; readonly label: string; readonly text: string }
  | { readonly type: 'talk'; readonly lossEvery: number; readonly perSecond: number }
  | { readonly type: 'raw'; readonly bytes: string }
  | { readonly type: 'hush' | 'state' | 'take' | 'rtcp' | 'told' | 'end' };

export type ClientCommand = { readonly id: number; readonly client: number } & Order;

export interface ClientState {
  /** Of the peer connection. */
  readonly state: string;
  /** Packets sent. */
  readonly sent: number;
  readonly channelOpen: boolean;
}

/** An RTCP packet as the client got it. */
export interface ReceivedRtcp {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Base64. */
  readonly bytes: string;
}

/** What a command answers. */
export type ClientAnswer =
  | null
  | { code: number; reason: string }
  | boolean
  | ClientState
  | ReceivedPacket[]
  | ReceivedRtcp[]
  | string[];
// biome-ignore lint/suspicious/noConfusingVoidType: some commands answer nothing
export type ClientResult = void | ClientAnswer;

export interface ClientReply {
  readonly id: number;
  readonly error?: string;
  readonly result?: ClientResult;
}

/** Client processes to be ended with the test run, however it ends. */
const processes = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of processes) child.kill('SIGKILL');
});

/** A process that holds any number of clients. */
export class ClientHost {
  private readonly child: ChildProcess = fork(SCRIPT, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  private readonly pending = new Map<number, (reply: ClientReply) => void>();
  private lastId = 0;
  private lastClient = 0;

  constructor() {
    processes.add(this.child);
    this.child.on('message', (reply: ClientReply) => {
      this.pending.get(reply.id)?.(reply);
      this.pending.delete(reply.id);
    });
    this.child.once('exit', (code) => {
      processes.delete(this.child);
      for (const settle of this.pending.values()) settle({ id: 0, error: `the client process ended (${code})` });
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Whether it can be told anything. */
  get alive(): boolean {
    return this.child.connected && !this.child.killed;
  }

  /**
   * Connects a client and waits until the websocket is closed.
   *
   * @param url of the server. @param userid also its name, and the name its packets carry.
   */
  async connect(url: string, userid: string, options: Partial<Omit<ClientOptions, 'url'>> = {}): Promise<TestClient> {
    const client = ++this.lastClient;
    const all: ClientOptions = {
      url,
      claim: { userid, clientid: 'client' },
      name: userid,
      slots: 1,
      publishes: true,
      payloadType: 111,
      declaresSsrc: true,
      data: true,
      label: 'events',
      keeps: true,
      relay: null,
      ...options,
    };
    const close = (await this.send({ type: 'open', options: all }, client)) as { code: number; reason: string };
    return new TestClient(this, client, close, all.name);
  }

  /** @throws Error with the client's own, or if the process has ended. */
  async send(command: Order, client: number): Promise<ClientReply['result']> {
    if (!this.alive) throw new Error('the client process ended');
    const id = ++this.lastId;
    const reply = new Promise<ClientReply>((resolve) => this.pending.set(id, resolve));
    // What cannot be sent any more is settled by the process's end.
    this.child.send({ id, client, ...command } satisfies ClientCommand, () => undefined);
    const { error, result } = await reply;
    if (error !== undefined) throw new Error(error);
    return result;
  }

  /** Kills the process without a goodbye. */
  kill(): void {
    this.child.kill('SIGKILL');
  }
}

/** One connected client. */
export class TestClient {
  /** How the websocket was closed. */
  readonly close: { readonly code: number; readonly reason: string };
  readonly name: string;
  /** What it knows by the events it has taken up. */
  readonly view = new EventView();
  private readonly host: ClientHost;
  private readonly client: number;

  constructor(host: ClientHost, client: number, close: { code: number; reason: string }, name: string) {
    this.host = host;
    this.client = client;
    this.close = close;
    this.name = name;
  }

  /** @param lossEvery one packet in so many is numbered and not sent; 0 for none. @param perSecond packets. */
  async talk(lossEvery = 0, perSecond = 50): Promise<void> {
    await this.host.send({ type: 'talk', lossEvery, perSecond }, this.client);
  }

  /** Sends one RTP or RTCP packet as it is. @returns whether the client's library took it. */
  async send(packet: Buffer): Promise<boolean> {
    return (await this.host.send({ type: 'raw', bytes: packet.toString('base64') }, this.client)) as boolean;
  }

  /** The RTCP packets received since the last call. */
  async takeRtcp(): Promise<ReceivedRtcp[]> {
    return (await this.host.send({ type: 'rtcp' }, this.client)) as ReceivedRtcp[];
  }

  async hush(): Promise<void> {
    await this.host.send({ type: 'hush' }, this.client);
  }

  /** Sends messages over the data channel. */
  async say(...texts: string[]): Promise<void> {
    await this.host.send({ type: 'say', texts }, this.client);
  }

  /** Sends a request for the events' channel. */
  async request(request: EventRequestInput): Promise<void> {
    await this.say(writeRequest(request));
  }

  /** Sends a binary message of zeros over the data channel. */
  async sayBinary(bytes: number): Promise<void> {
    await this.host.send({ type: 'sayBinary', bytes }, this.client);
  }

  /** Opens another data channel and says something on it. */
  async openChannel(label: string, text: string): Promise<void> {
    await this.host.send({ type: 'channel', label, text }, this.client);
  }

  /** Takes up the events that came since the last call. */
  async look(): Promise<EventView> {
    const texts = (await this.host.send({ type: 'told' }, this.client)) as string[];
    for (const text of texts) this.view.take(text);
    return this.view;
  }

  /** Waits until what the client knows by its events is as wanted. */
  async knows(wanted: (view: EventView) => boolean): Promise<EventView> {
    await until(`${this.name} knows what is wanted: ${wanted}`, async () => wanted(await this.look()));
    return this.view;
  }

  /** Waits until the client has sent this many more packets. */
  async sends(packets: number): Promise<void> {
    const before = (await this.state()).sent;
    await until(`${this.name} sends ${packets} packets`, async () => (await this.state()).sent >= before + packets);
  }

  /** Waits until the client's peer connection is closed. */
  async ends(): Promise<void> {
    await until(`the connection of ${this.name} is closed`, async () => (await this.state()).state === 'closed');
  }

  /** Waits until the server has closed the client's data channel. */
  async losesChannel(): Promise<void> {
    await until(`the channel of ${this.name} is closed`, async () => !(await this.state()).channelOpen);
  }

  /** Collects packets until there are enough. @returns all packets received since the last call. */
  async receives(enough: (packets: readonly ReceivedPacket[]) => boolean): Promise<ReceivedPacket[]> {
    const all: ReceivedPacket[] = [];
    await until(`${this.name} receives enough packets`, async () => {
      all.push(...(await this.take()));
      return enough(all);
    });
    return all;
  }

  async state(): Promise<ClientState> {
    return (await this.host.send({ type: 'state' }, this.client)) as ClientState;
  }

  /** The packets received since the last call. */
  async take(): Promise<ReceivedPacket[]> {
    return (await this.host.send({ type: 'take' }, this.client)) as ReceivedPacket[];
  }

  async end(): Promise<void> {
    await this.host.send({ type: 'end' }, this.client);
  }
}
