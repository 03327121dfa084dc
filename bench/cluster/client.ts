/** A client in this process, which notes when it heard and learned something. */
import { EventView } from '../../test/support/event-view.ts';
import { WebrtcClient } from '../../test/support/webrtc.ts';

const FRAME_MS = 20;
const HEADER_BYTES = 12;
const VOICE_BYTES = 60;
/** Longer than the server's own frames of silence. */
const LEAST_VOICE_BYTES = 20;
const DEADLINE_MS = 15_000;

/** What a client waits for. @returns whether it has come. */
type Wanted = (client: BenchClient) => boolean;

export class BenchClient {
  readonly view = new EventView();
  /** When the last packet of a voice came, milliseconds of `performance.now()`. */
  heardAt = 0;
  private readonly webrtc: WebrtcClient;
  private readonly userid: string;
  private readonly clientid: string;
  private readonly waiting = new Set<() => void>();
  private talking: NodeJS.Timeout | undefined;

  /** @param url the instance to which it connects. */
  constructor(url: string, userid: string, { publishes = false, clientid = 'bench' } = {}) {
    this.userid = userid;
    this.clientid = clientid;
    const claim = { userid, clientid };
    const options = { url, claim, slots: publishes ? 0 : 1, publishes, payloadType: 111, ssrc: publishes ? 1 : null };
    this.webrtc = new WebrtcClient(
      { ...options, data: true },
      (_, packet) => this.take(packet),
      (text) => {
        this.view.take(text);
        this.look();
      },
    );
  }

  async connect(): Promise<void> {
    await this.webrtc.connect();
    if (this.webrtc.close?.code !== 1000) throw new Error(`${this.userid}: ${JSON.stringify(this.webrtc.close)}`);
    await this.meets(`the snapshot of ${this.userid}`, ({ view }) => view.of('snapshot').length > 0);
  }

  /** Joins a conversation by any instance. @param url that instance. */
  async join(url: string, room: string): Promise<void> {
    const headers = { 'X-User-Claim': JSON.stringify({ userid: this.userid, clientid: this.clientid }) };
    const response = await fetch(`${url}/join/${room}`, { method: 'POST', headers });
    if (!response.ok) throw new Error(`join: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  }

  /** Sends a packet of voice every 20 ms from now on. */
  talk(): void {
    const packet = Buffer.alloc(HEADER_BYTES + VOICE_BYTES, 0x55);
    packet[0] = 0x80;
    packet[1] = 111;
    packet.writeUInt32BE(1, 8);
    const begun = performance.now();
    let sent = 0;
    this.talking = setInterval(() => {
      for (; begun + sent * FRAME_MS <= performance.now(); sent++) {
        packet.writeUInt16BE(sent & 0xffff, 2);
        packet.writeUInt32BE((sent * FRAME_MS * 48) % 2 ** 32, 4);
        this.webrtc.send(packet);
      }
    }, 2);
  }

  /** Waits until something has come. @returns when it came. @throws Error if it does not within 15 s. */
  meets(what: string, wanted: Wanted): Promise<number> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!wanted(this)) return;
        this.waiting.delete(look);
        clearTimeout(timer);
        resolve(performance.now());
      };
      const timer = setTimeout(() => {
        this.waiting.delete(look);
        reject(new Error(`${this.userid} waited in vain for ${what}`));
      }, DEADLINE_MS);
      this.waiting.add(look);
      look();
    });
  }

  end(): void {
    clearInterval(this.talking);
    this.webrtc.end();
  }

  private take(packet: Buffer): void {
    const second = packet[1]!;
    if (second >= 192 && second <= 223) return;
    if (packet.length < HEADER_BYTES + LEAST_VOICE_BYTES) return;
    this.heardAt = performance.now();
    this.look();
  }

  private look(): void {
    for (const look of this.waiting) look();
  }
}
