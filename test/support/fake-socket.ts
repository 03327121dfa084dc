import { EventEmitter } from 'node:events';
import { ok } from 'uvu/assert';

/** A websocket that notes down what is done with it. */
export class FakeSocket extends EventEmitter {
  readonly sent: string[] = [];
  closedWith: { code: number; reason: string } | null = null;

  send(text: string): void {
    ok(this.closedWith === null, 'nothing is sent after the close');
    this.sent.push(text);
  }

  close(code: number, reason: string): void {
    ok(this.closedWith === null, 'closed once');
    this.closedWith = { code, reason };
  }

  /** A text frame comes in. */
  says(text: string): void {
    this.emit('message', Buffer.from(text), false);
  }
}
