/** The check of the microphone before joining: a bar that follows the voice, and words where it does not. */
import { type MicrophonePreview, previewMicrophone } from '@beep/webrtc-client';
import { byId, setText } from './dom.ts';
import { watchBlocked, wordsOf } from './microphone-problem.ts';
import type { SourceChoice } from './source.ts';

/** Level from which a voice is heard well, linear. */
const HEARD = 0.03;

export class MicrophoneCheck {
  private readonly source: SourceChoice;
  private readonly button = byId('check', HTMLButtonElement);
  private readonly meter = byId('check-meter', HTMLDivElement);
  private readonly said = byId('check-said', HTMLParagraphElement);
  private readonly box = byId('check-problem', HTMLDivElement);
  private readonly text = byId('check-problem-text', HTMLParagraphElement);
  private preview: MicrophonePreview | null = null;
  /** Counts the checks, so that one that opens late does not outlive its end. */
  private round = 0;
  /** What the browser says without being asked for the microphone. */
  private blocked: string | null = null;

  /** @param listen joins without a microphone. */
  constructor(source: SourceChoice, listen: () => void) {
    this.source = source;
    this.button.addEventListener('click', () => void (this.preview === null ? this.start() : this.stop()));
    byId('source', HTMLSelectElement).addEventListener('change', () => {
      const again = this.preview !== null;
      this.stop();
      if (again) void this.start();
    });
    byId('join-listen', HTMLButtonElement).addEventListener('click', listen);
    void watchBlocked((words) => {
      this.blocked = words;
      if (this.preview === null) this.showProblem();
    });
  }

  /** Ends the check and releases the microphone. */
  stop(): void {
    this.round += 1;
    this.preview?.close();
    this.preview = null;
    this.source.stop();
    this.meter.hidden = true;
    setText(this.button, 'Test');
    setText(this.said, '');
    this.showProblem();
  }

  private async start(): Promise<void> {
    this.stop();
    const { round } = this;
    setText(this.said, 'Allow the microphone if the browser asks.');
    try {
      const options = await this.source.options();
      if (options === null) return;
      if (options === false) return setText(this.said, 'You will only listen.');
      const preview = await previewMicrophone(options, (level) => this.show(level));
      if (round !== this.round) return preview.close();
      this.preview = preview;
      this.meter.hidden = false;
      setText(this.button, 'Stop');
      setText(this.said, 'Say something: the bar moves.');
    } catch (error) {
      if (round !== this.round) return;
      setText(this.said, '');
      this.showProblem(wordsOf(error));
    }
  }

  private show(level: number): void {
    this.meter.style.setProperty('--level', Math.min(1, Math.sqrt(level)).toFixed(2));
    if (level > HEARD) setText(this.said, 'Your microphone works.');
  }

  /** Tells loudly that nobody would hear the user, who need not mind. */
  private showProblem(words = this.source.isMicrophone ? this.blocked : null): void {
    this.box.hidden = words === null;
    setText(this.text, words ?? '');
  }
}
