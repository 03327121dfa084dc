/** Tells of a lost connection: everything turns grey, and seconds count down to the next attempt. */
import type { VoiceClient } from '@beep/webrtc-client';
import { byId, setText } from './dom.ts';

export class LostConnection {
  private readonly box = byId('lost', HTMLDivElement);
  private readonly text = byId('lost-text', HTMLElement);
  private readonly wait = byId('lost-wait', HTMLSpanElement);
  private client: VoiceClient | null = null;
  private timer: number | undefined;

  constructor() {
    byId('lost-now', HTMLButtonElement).addEventListener('click', () => this.client?.reconnect());
  }

  /**
   * Shows whether this client has lost its connection, or does not get one.
   *
   * @param failed whether an attempt has just failed.
   */
  show(client: VoiceClient | null, failed = false): void {
    this.client = client;
    const none = client?.state === 'connecting' && failed;
    const lost = client?.state === 'reconnecting' || none;
    document.body.classList.toggle('is-lost', lost);
    clearInterval(this.timer);
    if (!lost && this.box.contains(document.activeElement)) byId('call-title', HTMLHeadingElement).focus();
    this.box.hidden = !lost;
    setText(this.text, none ? 'The server cannot be reached.' : lost ? 'Connection lost. Nobody hears you.' : '');
    if (!lost) return;
    this.timer = setInterval(() => this.count(), 250);
    this.count();
  }

  private count(): void {
    const at = this.client?.retryAt ?? null;
    const seconds = at === null ? 0 : Math.ceil((at - Date.now()) / 1000);
    setText(this.wait, seconds > 0 ? `Trying again in ${seconds} s …` : 'Trying to connect …');
  }
}
