/** Says loudly that the browser plays nothing before a click, as after a reload. Any click or key will do. */
import type { VoiceClient } from '@beep/webrtc-client';
import { byId } from './dom.ts';

export class SoundBlocked {
  private readonly box = byId('sound-problem', HTMLDivElement);
  private client: VoiceClient | null = null;

  constructor() {
    for (const name of ['click', 'keydown']) window.addEventListener(name, () => void this.client?.resume());
  }

  /** Shows whether the browser blocks this client's sound. @param client null for none. */
  show(client: VoiceClient | null): void {
    const blocked = client?.audioBlocked === true;
    if (!blocked && this.box.contains(document.activeElement)) byId('call-title', HTMLHeadingElement).focus();
    this.client = blocked ? client : null;
    this.box.hidden = !blocked;
  }
}
