/** The bar with the call's controls, whose icons say their state. */
import type { VoiceClient } from '@beep/webrtc-client';
import { type PushToTalk, pushToTalk } from '@beep/webrtc-client/push-to-talk.js';
import { byId, press, setIcon, setText } from './dom.ts';
import { onKey } from './shortcuts.ts';

export interface BarEvents {
  /** Takes an error to show to the user. */
  problem(error: unknown): void;
}

export class Bar {
  private readonly bar = byId('bar', HTMLElement);
  private readonly mute = byId('mute', HTMLButtonElement);
  private readonly deafen = byId('deafen', HTMLButtonElement);
  private readonly hand = byId('hand', HTMLButtonElement);
  private readonly said = byId('mute-said', HTMLParagraphElement);
  private readonly events: BarEvents;
  private client: VoiceClient | null = null;
  /** Holding space unmutes for as long; it exists while the user has chosen to be muted. */
  private talk: PushToTalk | null = null;

  constructor(events: BarEvents) {
    this.events = events;
    const controls = [
      [this.mute, 'm', () => this.toggleMute()],
      [this.deafen, 'd', () => this.client?.deafen(!this.client.deafened)],
      [this.hand, 'h', () => this.toggleHand()],
    ] as const;
    for (const [button, key, act] of controls) {
      button.addEventListener('click', act);
      onKey(key, () => {
        if (this.bar.hidden || button.hidden || button.disabled) return;
        act();
        // A screen reader tells of a button that changes only if the button has the focus.
        if (button === this.mute) setText(this.said, this.choseMute ? 'You are muted.' : 'You are not muted any more.');
      });
    }
  }

  /** Shows the controls of this client; of none with null. */
  watch(client: VoiceClient | null): void {
    this.endTalk();
    this.client = client;
    this.bar.hidden = client === null;
    setText(this.said, '');
    if (client === null) return;
    if (client.muted) this.holdToTalk();
    this.show();
  }

  /** Whether the user has chosen to be muted, even while they hold a key to talk. */
  get choseMute(): boolean {
    return this.talk !== null;
  }

  /** Shows what the client says of its microphone and its ears. */
  show(): void {
    if (this.client === null) return;
    const { muted, silenced, deafened, speak, hand, microphone } = this.client;
    const unheard = muted || silenced || !speak;
    this.mute.disabled = silenced || !speak;
    press(this.mute, unheard);
    const none = microphone.track === null;
    this.mute.classList.toggle('none', none);
    setIcon(this.mute, unheard || none ? 'mic-off' : 'mic');
    setWord(this.mute, speak ? (unheard ? 'Muted' : none ? 'No mic' : 'Mute') : 'Listening');
    press(this.deafen, deafened);
    setIcon(this.deafen, deafened ? 'ear-off' : 'ear');
    setWord(this.deafen, deafened ? 'Deafened' : 'Deafen');
    if (speak && document.activeElement === this.hand) this.mute.focus();
    this.hand.hidden = speak;
    press(this.hand, hand);
    setWord(this.hand, hand ? 'Hand up' : 'Raise hand');
  }

  /** Lets the microphone's button glow with the user's voice. @param level linear, 0 to 1. */
  glow(level: number): void {
    const sent = this.client !== null && !this.client.muted && !this.client.silenced && this.client.speak;
    this.mute.style.setProperty('--level', sent ? Math.min(1, Math.sqrt(level)).toFixed(2) : '0');
  }

  unmute(): void {
    this.endTalk();
    this.client?.mute(false);
  }

  private toggleMute(): void {
    if (this.talk !== null) this.unmute();
    else if (this.client !== null) this.holdToTalk();
  }

  /** Mutes, but lets the user talk while they hold the space bar. */
  private holdToTalk(): void {
    let ended = false;
    const talk = pushToTalk({ mute: (muted) => !ended && this.client?.mute(muted) });
    this.talk = Object.assign(
      () => {
        ended = true;
        talk();
      },
      { press: talk.press, release: talk.release },
    );
  }

  private endTalk(): void {
    this.talk?.();
    this.talk = null;
  }

  private toggleHand(): void {
    this.client?.raiseHand(!this.client.hand).catch(this.events.problem);
  }
}

function setWord(button: HTMLButtonElement, word: string): void {
  setText(button.querySelector('.word')!, word);
}
