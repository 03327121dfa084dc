import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type EventRequestInput, writeRequest } from '../../src/main/events/schema.ts';
import { EventView } from './event-view.ts';
import { until } from './waiting.ts';

/** Stands for the sender of the server's own frames of silence. */
export const SILENCE = '(silence)';

const SCRIPT = fileURLToPath(new URL('./client-process.js', import.meta.url));

export interface ClientOptions {
  readonly url: string;
  readonly claim: { readonly userid: string; readonly clientid: string };
  /** The name that its packets carry. */
  readonly name: string;
  /** Receive slots asked for: the first on the publishing line, the others on lines of their own. */
  readonly slots: number;
  readonly publishes: boolean;
  readonly payloadType: number;
  readonly declaresSsrc: boolean;
  /** Whether it opens a data channel; libdatachannel sends a goodbye only over a connection that has one. */
  readonly data: boolean;
  /** The label of the data channel. */
  readonly label: string;
  /** A token from which a proxy makes the claim. */
  readonly token?: string;
  /** Whether it keeps received packets until they are taken; otherwise it throws them away. */
  readonly keeps: boolean;
  /** The port of a relay between client and server; null for none. */
  readonly relay: number | null;
  /** UDP ports to use, first and last; without them, any. */
  readonly ports?: readonly [number, number];
  /** Id of the audio level header extension (RFC 6464); without it, packets have no level. */
  readonly levelId?: number;
}

/** A packet as the client received it. */
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
  /** The number that the sender wrote into the packet; -1 for the server's frames of silence. */
  readonly count: number;
  /** The sender's name, or {@link SILENCE}. */
  readonly from: string;
}

/** Commands for a client. */
type Order =
  | { readonly type: 'open'; readonly options: ClientOptions }
  | { readonly type: 'say'; readonly texts: readonly string[] }
  | { readonly type: 'sayBinary'; readonly bytes: number }
  | { readonly type: 'channel'; readonly label: string; readonly text: string }
  | { readonly type: 'talk'; readonly lossEvery: number; readonly perSecond: number }
  | { readonly type: 'level'; readonly level: number }
  | { readonly type: 'sound'; readonly payloads: readonly string[] }
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

/** An RTCP packet as the client received it. */
export interface ReceivedRtcp {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Base64. */
  readonly bytes: string;
}

/** Results of commands. */
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

/** Client processes, which are killed when this process exits. */
const processes = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of processes) child.kill('SIGKILL');
});

/** A process that runs any number of clients. */
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

  /** Whether the process runs and takes commands. */
  get alive(): boolean {
    return this.child.connected && !this.child.killed;
  }

  /**
   * Connects a client and waits until the server has closed the websocket.
   *
   * @param url the server's URL. @param userid also the client's name, which its packets carry.
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

  /** Sends a command and waits for its result. @throws Error if the client failed or the process has ended. */
  async send(command: Order, client: number): Promise<ClientReply['result']> {
    if (!this.alive) throw new Error('the client process ended');
    const id = ++this.lastId;
    const reply = new Promise<ClientReply>((resolve) => this.pending.set(id, resolve));
    // If the command cannot be sent any more, the end of the process settles the reply.
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
  /** What the client knows from the events that {@link look} has read. */
  readonly view = new EventView();
  private readonly host: ClientHost;
  private readonly client: number;

  constructor(host: ClientHost, client: number, close: { code: number; reason: string }, name: string) {
    this.host = host;
    this.client = client;
    this.close = close;
    this.name = name;
  }

  /**
   * Starts to send packets.
   *
   * @param lossEvery leaves out every packet whose number is a multiple of this; 0 for none.
   * @param perSecond packets a second.
   */
  async talk(lossEvery = 0, perSecond = 50): Promise<void> {
    await this.host.send({ type: 'talk', lossEvery, perSecond }, this.client);
  }

  /**
   * Sets the loudness of the packets from now on, if they have a level. Levels vary a little, as a microphone's do.
   *
   * @param level -dBov, from 0 to 124; 20 at first.
   */
  async speakAt(level: number): Promise<void> {
    await this.host.send({ type: 'level', level }, this.client);
  }

  /** Makes these the payloads of its packets, in turn. */
  async sound(payloads: readonly Uint8Array[]): Promise<void> {
    const texts = payloads.map((payload) => Buffer.from(payload).toString('base64'));
    await this.host.send({ type: 'sound', payloads: texts }, this.client);
  }

  /** Sends one RTP or RTCP packet as it is. @returns whether the client's library accepted it. */
  async send(packet: Buffer): Promise<boolean> {
    return (await this.host.send({ type: 'raw', bytes: packet.toString('base64') }, this.client)) as boolean;
  }

  /** Returns the RTCP packets received since the last call. */
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

  /** Sends a request over the channel for events. */
  async request(request: EventRequestInput): Promise<void> {
    await this.say(writeRequest(request));
  }

  /** Sends a binary message of zeros over the data channel. */
  async sayBinary(bytes: number): Promise<void> {
    await this.host.send({ type: 'sayBinary', bytes }, this.client);
  }

  /** Opens another data channel and sends a message on it. */
  async openChannel(label: string, text: string): Promise<void> {
    await this.host.send({ type: 'channel', label, text }, this.client);
  }

  /** Reads the events that arrived since the last call. */
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

  /** Returns the packets received since the last call. */
  async take(): Promise<ReceivedPacket[]> {
    return (await this.host.send({ type: 'take' }, this.client)) as ReceivedPacket[];
  }

  async end(): Promise<void> {
    await this.host.send({ type: 'end' }, this.client);
  }
}
