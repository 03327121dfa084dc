/** A bot: a real WebRTC client that sends recorded sentences as a browser would. */
import { randomInt } from 'node:crypto';
import { WebrtcClient } from '../../test/support/webrtc.ts';
import type { Sentence } from '../speech/library.ts';

const PAYLOAD_TYPE = 111;
const LEVEL_ID = 1;
const FRAME_MS = 20;
const FRAME_TICKS = 960;
/** With discontinuous transmission, a silent bot sends one frame in this many. */
const SILENT_INTERVAL = 20;
/** An Opus packet without sound. It holds only its table of contents: SILK, 20 ms (RFC 6716, section 3.1). */
const SILENT_PACKET = Uint8Array.of(0x48);
const SILENT_LEVEL = 127;
/** A bot that is late sends at most this many overdue frames. It skips them all if there are more. */
const MAX_LATE_FRAMES = 10;
/** Pause before another attempt to connect, milliseconds. */
const RETRY_MS = 1000;

/** A bot's server, room and name. */
export interface BotPlace {
  readonly url: string;
  /** Id of the conversation. */
  readonly room: string;
  readonly userid: string;
}

export class Bot {
  private readonly place: BotPlace;
  private client: WebrtcClient | null = null;
  private joined = false;
  private ended = false;
  private sentence: Sentence | null = null;
  private said = 0;
  private silentFrames = 0;
  private marker = 1;
  private due = performance.now();
  private readonly ssrc = randomInt(1, 2 ** 31);
  private sequence = randomInt(2 ** 16);
  private timestamp = randomInt(2 ** 32);

  constructor(place: BotPlace) {
    this.place = place;
    void this.stay();
  }

  /** The server that it is on. */
  get url(): string {
    return this.place.url;
  }

  /** Whether the bot is free to speak. */
  get quiet(): boolean {
    return this.joined && this.sentence === null;
  }

  /** Starts a sentence from the beginning. */
  say(sentence: Sentence): void {
    this.sentence = sentence;
    this.said = 0;
    this.marker = 1;
  }

  /** Sends the frames that are due. Call it every few milliseconds. @param now milliseconds. */
  tick(now: number): void {
    if (now - this.due > MAX_LATE_FRAMES * FRAME_MS) this.due = now;
    for (; this.due <= now; this.due += FRAME_MS) this.frame();
  }

  end(): void {
    this.ended = true;
    this.client?.end();
    this.client = null;
  }

  /** Connects and joins, again whenever the connection is lost, until the bot ends. */
  private async stay(): Promise<void> {
    while (!this.ended) {
      if (this.client === null || isOver(this.client.state)) {
        this.client?.end();
        this.joined = false;
        // The server's log shows what went wrong, and the next attempt may succeed.
        this.joined = await this.enter().catch(() => false);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /** Connects and joins once. @returns whether the bot is in its room. */
  private async enter(): Promise<boolean> {
    const { url, room, userid } = this.place;
    const claim = { userid, clientid: 'bot' };
    const client = new WebrtcClient({
      url,
      claim,
      slots: 0,
      publishes: true,
      payloadType: PAYLOAD_TYPE,
      ssrc: this.ssrc,
      // The bot uses the data channel only to say goodbye. Its label keeps the server from sending events.
      data: true,
      label: 'goodbye',
      levelId: LEVEL_ID,
    });
    this.client = client;
    await client.connect();
    if (this.ended || client.close?.code !== 1000) {
      client.end();
      return false;
    }
    const headers = { 'X-User-Claim': JSON.stringify(claim) };
    return (await fetch(`${url}/join/${encodeURIComponent(room)}`, { method: 'POST', headers })).ok;
  }

  /** Advances by 20 ms. During silence it sends only one frame in {@link SILENT_INTERVAL}. */
  private frame(): void {
    const { sentence, said } = this;
    if (sentence !== null && said < sentence.packets.length) {
      this.send(sentence.packets[said]!, sentence.levels[said]!);
      this.said++;
      this.silentFrames = 0;
    } else {
      this.sentence = null;
      if (this.silentFrames++ % SILENT_INTERVAL === 0) this.send(SILENT_PACKET, SILENT_LEVEL);
    }
    this.timestamp = (this.timestamp + FRAME_TICKS) % 2 ** 32;
  }

  /** Sends an RTP packet (RFC 3550) with its level in a one-byte header extension (RFC 8285). @param level -dBov. */
  private send(payload: Uint8Array, level: number): void {
    const packet = Buffer.alloc(20 + payload.length);
    packet[0] = 0x90;
    packet[1] = (this.marker << 7) | PAYLOAD_TYPE;
    packet.writeUInt16BE(this.sequence, 2);
    packet.writeUInt32BE(this.timestamp, 4);
    packet.writeUInt32BE(this.ssrc, 8);
    packet.writeUInt32BE(0xbede0001, 12);
    packet[16] = LEVEL_ID << 4;
    packet[17] = level < SILENT_LEVEL ? 0x80 | level : level;
    packet.set(payload, 20);
    if (this.client?.send(packet) !== true) return;
    this.sequence = (this.sequence + 1) & 0xffff;
    this.marker = 0;
  }
}

function isOver(state: string): boolean {
  return state === 'disconnected' || state === 'failed' || state === 'closed';
}
