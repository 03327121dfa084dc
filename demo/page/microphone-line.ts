/** Says which microphone is in use, and loudly if there is none although the user wants one. */
import type { MicrophoneState } from '@beep/webrtc-client';
import { byId, setText } from './dom.ts';
import { watchBlocked, wordsOf } from './microphone-problem.ts';

export interface MicrophoneChoices {
  /** Returns whether the test tone replaces the microphone. */
  playsTone(): boolean;
  /** The user gives up the microphone, or tries again. */
  listenOnly(): void;
  retryMicrophone(): void;
}

export class MicrophoneLine {
  private readonly line = byId('microphone', HTMLParagraphElement);
  private readonly box = byId('mic-problem', HTMLDivElement);
  private readonly text = byId('mic-problem-text', HTMLParagraphElement);
  private readonly choices: MicrophoneChoices;

  constructor(choices: MicrophoneChoices) {
    this.choices = choices;
    byId('mic-again', HTMLButtonElement).addEventListener('click', () => choices.retryMicrophone());
    byId('mic-none', HTMLButtonElement).addEventListener('click', () => {
      this.hide();
      choices.listenOnly();
    });
    void watchBlocked((words) => {
      if (words === null && !this.box.hidden) choices.retryMicrophone();
    });
  }

  show({ track, label, error }: MicrophoneState): void {
    const tone = this.choices.playsTone();
    setText(
      this.line,
      track === null ? 'Nobody hears you: you only listen.' : tone ? 'You are sending the test tone.' : label,
    );
    if (error === null) return this.hide();
    this.box.hidden = false;
    setText(this.text, `Nobody hears you. ${wordsOf(error)}`);
  }

  clear(): void {
    this.hide();
    setText(this.line, '');
  }

  private hide(): void {
    if (this.box.contains(document.activeElement)) byId('call-title', HTMLHeadingElement).focus();
    this.box.hidden = true;
    setText(this.text, '');
  }
}
