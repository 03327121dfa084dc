/** Reads a tap, and opens it again whenever it is lost. */
import { WebSocket } from 'ws';
import { readTapEvent, type TapEvent } from '../src/main/taps/schema.ts';
import { readTapMessage, type TappedPacket } from '../src/main/taps/wire.ts';

/** Pause before the next attempt, milliseconds. */
const AGAIN_MS = 1000;
/** The server pings every 20 s; without a ping for so long it is gone, milliseconds. */
const SILENT_MS = 50_000;

export interface TapTaker {
  /** The tap is open. */
  opened(): void;
  packets(packets: readonly TappedPacket[]): void;
  event(event: TapEvent): void;
  /** Any other event, as clients get them. */
  told(event: { readonly type: string }): void;
  /** The tap is lost, or could not be opened. @param fatal whether another attempt would fail as well. */
  lost(why: string, fatal: boolean): void;
}

export class TapClient {
  private readonly url: string;
  private readonly token: string | null;
  private readonly taker: TapTaker;
  private socket: WebSocket | null = null;
  private again: NodeJS.Timeout | undefined;
  private silence: NodeJS.Timeout | undefined;
  private ended = false;

  /** @param url of the operators' listener. */
  constructor(url: string, conversation: string, token: string | null, taker: TapTaker) {
    this.url = `${url.replace(/^http/, 'ws')}/conversations/${encodeURIComponent(conversation)}/tap`;
    this.token = token;
    this.taker = taker;
  }

  /** Opens the tap. */
  open(): void {
    const headers = this.token === null ? {} : { Authorization: `Bearer ${this.token}` };
    const socket = new WebSocket(this.url, { headers, perMessageDeflate: false, handshakeTimeout: 10_000 });
    this.socket = socket;
    let why = 'it closed';
    let fatal = false;
    const alive = (): void => {
      clearTimeout(this.silence);
      this.silence = setTimeout(() => socket.terminate(), SILENT_MS);
    };
    socket.once('unexpected-response', (request, { statusCode = 0 }) => {
      why = `the server answered ${statusCode}`;
      fatal = statusCode >= 400 && statusCode < 500 && statusCode !== 429;
      request.destroy();
      socket.terminate();
    });
    socket.on('error', (error) => {
      if (why === 'it closed') why = error.message;
    });
    socket.once('open', () => {
      alive();
      this.taker.opened();
    });
    socket.on('ping', alive);
    socket.on('message', (data: Buffer, isBinary: boolean) => this.take(data, isBinary));
    socket.once('close', (code) => {
      clearTimeout(this.silence);
      if (this.ended) return;
      this.taker.lost(why === 'it closed' ? `the server closed it (${code})` : why, fatal);
      if (!fatal) this.again = setTimeout(() => this.open(), AGAIN_MS);
    });
  }

  /** Ends it, and takes what has come. */
  async close(): Promise<void> {
    this.ended = true;
    clearTimeout(this.again);
    const { socket } = this;
    if (socket === null || socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.close(1000);
    const timer = setTimeout(() => socket.terminate(), 2000);
    await closed;
    clearTimeout(timer);
  }

  private take(data: Buffer, isBinary: boolean): void {
    if (isBinary) {
      const packets = readTapMessage(data);
      if (packets === null) this.taker.lost('the server sends a form of packets that this version does not know', true);
      else this.taker.packets(packets);
      return;
    }
    let json: unknown;
    try {
      json = JSON.parse(data.toString());
    } catch {
      return;
    }
    for (const one of Array.isArray(json) ? json : [json]) {
      const event = readTapEvent(one);
      if (event !== null) this.taker.event(event);
      else if (typeof one?.type === 'string') this.taker.told(one);
    }
  }
}
