/** A reader of a tap, as an operator would open it. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { readTapEvent, type TapEvent } from '../../src/main/taps/schema.ts';
import { readTapMessage, type TappedPacket } from '../../src/main/taps/wire.ts';
import { EventView } from './event-view.ts';

type Speaker = Extract<TapEvent, { type: 'speaker' }>;

export class TapReader {
  readonly socket: WebSocket;
  /** What the events say that clients get, too. */
  readonly view = new EventView();
  readonly speakers = new Map<number, Speaker>();
  readonly packets: TappedPacket[] = [];
  readonly lost: number[] = [];
  /** Resolves with the code of the websocket's end. */
  readonly closed: Promise<number>;

  /** @param adminUrl of the operators' listener. @param query with its question mark. */
  constructor(adminUrl: string, conversation: string, query = '') {
    const path = `/conversations/${encodeURIComponent(conversation)}/tap${query}`;
    this.socket = new WebSocket(adminUrl.replace('http', 'ws') + path);
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    this.socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.packets.push(...readTapMessage(data)!);
      else this.take(data.toString());
    });
  }

  /** Resolves once it is open. */
  async opened(): Promise<this> {
    if (this.socket.readyState !== WebSocket.OPEN) await once(this.socket, 'open');
    return this;
  }

  /** Returns the packets of a user so far. */
  of(userid: string): TappedPacket[] {
    return this.packets.filter(({ speaker }) => this.speakers.get(speaker)?.userid === userid);
  }

  private take(text: string): void {
    const json: unknown = JSON.parse(text);
    for (const one of Array.isArray(json) ? json : [json]) {
      const event = readTapEvent(one);
      if (event?.type === 'speaker') this.speakers.set(event.number, event);
      else if (event?.type === 'lost') this.lost.push(event.packets);
      else this.view.take(JSON.stringify(one));
    }
  }
}
