/** A libdatachannel client that speaks the service's protocol, for tests, benchmarks and the demo's bots. */
import { EventEmitter, once } from 'node:events';
import { Audio, type DataChannel, PeerConnection, type Track } from 'node-datachannel';
import { WebSocket } from 'ws';
import { LEVEL_EXTENSION } from '../../src/main/sdp/plan.ts';

export interface WebrtcOptions {
  /** `http://host:port` of the server. */
  readonly url: string;
  readonly claim: { readonly userid: string; readonly clientid: string };
  /** Receive slots: the first on the publishing line, the others on lines of their own. */
  readonly slots: number;
  readonly publishes: boolean;
  readonly payloadType: number;
  /** The SSRC that the offer declares, if any. */
  readonly ssrc: number | null;
  /** Whether to open a data channel; libdatachannel sends a goodbye only over a connection that has one. */
  readonly data: boolean;
  /** Label of the data channel; that of the channel for events by default. */
  readonly label?: string;
  /** A token from which a proxy makes the claim; it goes into the query, and no claim into a header. */
  readonly token?: string;
  /** UDP ports to use, first and last. */
  readonly ports?: readonly [number, number];
  /**
   * A local UDP port to use instead of the server's, or one for each of its ports. The server then does not get the
   * client's candidates, so that it knows only the address from which the client's checks come.
   */
  readonly relay?: number | ReadonlyMap<number, number> | null;
  /** Id of the audio level header extension (RFC 6464), if packets have it. */
  readonly levelId?: number;
  /**
   * Payload type to offer for RED (RFC 2198). libdatachannel does not know RED, and sends packets as they are given.
   */
  readonly redPayloadType?: number;
}

/** The websocket was refused before it was open. */
export class Refusal extends Error {
  readonly status: number;
  /** How long to wait before the next attempt, milliseconds; null if the server did not say. */
  readonly retryAfter: number | null;

  constructor(status: number, retryAfter: string | undefined) {
    super(`Unexpected server response: ${status}`);
    this.status = status;
    this.retryAfter = retryAfter === undefined ? null : Number(retryAfter) * 1000;
  }
}

export class WebrtcClient {
  state = 'new';
  /** How the websocket ended. */
  close: { code: number; reason: string } | null = null;
  private readonly connection: PeerConnection;
  private readonly tracks: Track[] = [];
  private readonly channel: DataChannel | null;
  /** Kept so that the garbage collector does not close them. */
  private readonly otherChannels: DataChannel[] = [];
  private readonly options: WebrtcOptions;
  private readonly told: (text: string) => void;
  /** Emits `change` when the connection's state changes or a channel opens. */
  private readonly changed = new EventEmitter();
  private socket: WebSocket | undefined;
  private prepared: Promise<void> | undefined;

  /**
   * @param received gets each packet with its mid; without it, packets are decrypted and thrown away.
   * @param told gets each message of every data channel.
   */
  constructor(
    options: WebrtcOptions,
    received?: (mid: string, packet: Buffer) => void,
    told: (text: string) => void = () => undefined,
  ) {
    this.options = options;
    this.told = told;
    const [first, last] = options.ports ?? [];
    this.connection = new PeerConnection(options.claim.userid, {
      iceServers: [],
      disableAutoNegotiation: true,
      bindAddress: '127.0.0.1',
      ...(first === undefined || last === undefined ? {} : { portRangeBegin: first, portRangeEnd: last }),
    });
    this.connection.onStateChange((state) => {
      this.state = state;
      this.changed.emit('change');
    });
    for (let i = 0; i < Math.max(1, options.slots); i++) this.addLine(i, received);
    this.channel = options.data ? this.connection.createDataChannel(options.label ?? 'events') : null;
    this.channel?.onMessage((message) => told(String(message)));
    this.channel?.onOpen(() => this.changed.emit('change'));
  }

  /** Makes the offer. {@link connect} does so, too, if it has not been done. */
  prepare(): Promise<void> {
    this.prepared ??= new Promise<void>((resolve) => {
      this.connection.onGatheringStateChange((state) => {
        if (state === 'complete') resolve();
      });
      this.connection.setLocalDescription('offer');
    });
    return this.prepared;
  }

  /**
   * Connects, and resolves when the server closes the websocket.
   *
   * @throws Refusal if the server grants no websocket. Then, and if it closes before the answer, this may be called
   *   again.
   */
  async connect(): Promise<void> {
    await this.prepare();
    const { token, claim, url } = this.options;
    const headers = token === undefined ? { 'X-User-Claim': JSON.stringify(claim) } : {};
    const query = token === undefined ? '' : `?token=${token}`;
    const socket = new WebSocket(`${url.replace('http', 'ws')}/connect${query}`, { headers });
    this.socket = socket;
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => socket.send(this.offer()));
      socket.once('error', reject);
      socket.once('unexpected-response', (request, { statusCode, headers }) => {
        request.destroy();
        reject(new Refusal(statusCode ?? 0, headers['retry-after']));
      });
      socket.on('message', (answer) => {
        try {
          this.connection.setRemoteDescription(this.redirected(String(answer)), 'answer');
        } catch (error) {
          reject(error);
        }
      });
      socket.once('close', (code, reason) => {
        this.close = { code, reason: String(reason) };
        resolve();
      });
    });
  }

  /** Sends a packet. @returns false if the connection is not open. */
  send(packet: Buffer): boolean {
    const track = this.tracks[0]!;
    try {
      return track.isOpen() && track.sendMessageBinary(packet);
    } catch {
      return false;
    }
  }

  /** Whether the data channel is open. */
  get channelOpen(): boolean {
    return this.channel?.isOpen() === true;
  }

  /** Sends messages over the data channel as fast as it accepts them, until it is closed. */
  async say(texts: readonly string[]): Promise<void> {
    const { channel } = this;
    while (channel?.isOpen() === false) {
      if (['disconnected', 'failed', 'closed'].includes(this.state)) return;
      await once(this.changed, 'change');
    }
    try {
      for (const text of texts) channel?.sendMessage(text);
    } catch (error) {
      if (channel?.isOpen()) throw error;
    }
  }

  /** Sends a binary message. */
  sayBinary(bytes: Buffer): void {
    this.channel?.sendMessageBinary(bytes);
  }

  /** Opens another data channel and sends a message on it, unless the connection ends. */
  async openChannel(label: string, text: string): Promise<void> {
    const channel = this.connection.createDataChannel(label);
    this.otherChannels.push(channel);
    channel.onMessage((message) => this.told(String(message)));
    channel.onOpen(() => this.changed.emit('change'));
    while (!channel.isOpen()) {
      if (this.state === 'closed') return;
      await once(this.changed, 'change');
    }
    channel.sendMessage(text);
  }

  end(): void {
    this.socket?.terminate();
    for (const track of this.tracks) track.close();
    for (const channel of [this.channel, ...this.otherChannels]) channel?.close();
    this.connection.close();
  }

  private offer(): string {
    const { relay, redPayloadType: red, payloadType: opus } = this.options;
    let { sdp } = this.connection.localDescription()!;
    if (red !== undefined) {
      sdp = sdp.replace(/^m=audio .*/gm, `$& ${red}`);
      sdp = sdp.replace(/^a=rtpmap:.*\r\n/gm, `$&a=rtpmap:${red} red/48000/2\r\na=fmtp:${red} ${opus}/${opus}\r\n`);
    }
    return relay == null ? sdp : sdp.replace(/^a=candidate:.*\r\n/gm, '');
  }

  private redirected(answer: string): string {
    const { relay } = this.options;
    if (relay == null) return answer;
    const port = (own: string): number | undefined => (typeof relay === 'number' ? relay : relay.get(Number(own)));
    return answer.replace(
      /^(a=candidate:\S+ \d+ UDP \d+) \S+ (\d+) /gim,
      (_, start, own) => `${start} 127.0.0.1 ${port(own)} `,
    );
  }

  private addLine(i: number, received?: (mid: string, packet: Buffer) => void): void {
    const { options } = this;
    const publishes = i === 0 && options.publishes;
    const receives = i < options.slots;
    const audio = new Audio(String(i), publishes ? (receives ? 'SendRecv' : 'SendOnly') : 'RecvOnly');
    audio.addOpusCodec(options.payloadType);
    if (publishes && options.levelId !== undefined) {
      audio.parseSdpLine(`a=extmap:${options.levelId} ${LEVEL_EXTENSION}`);
    }
    const { userid } = options.claim;
    if (publishes && options.ssrc !== null) audio.addSSRC(options.ssrc, userid, userid, userid);
    const track = this.connection.addTrack(audio);
    track.onClosed(() => undefined);
    if (received !== undefined) track.onMessage((packet) => received(String(i), packet));
    this.tracks.push(track);
  }
}
