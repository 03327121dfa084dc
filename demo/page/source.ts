/** The choice of what the others hear: a microphone, the test tone, or nothing. */
import type { MicrophoneOptions, VoiceClient } from '@beep/webrtc-client';
import { byId } from './dom.ts';
import { recall, remember } from './remembered.ts';
import { wantedProcessing } from './settings.ts';
import { startTone, type Tone } from './tone.ts';

const DEFAULT = 'default';
const TONE = 'tone';
const NONE = 'none';
/** Prefix for the id of a specific microphone. */
const DEVICE = 'device:';

export class SourceChoice {
  /** The same choice before and during a call. */
  private readonly selects = [byId('source', HTMLSelectElement), byId('source-now', HTMLSelectElement)];
  private tone: Tone | null = null;
  /** Counts the ends of the tone, so that one that starts late does not outlive its end. */
  private round = 0;
  /** The choice of an earlier visit, until its microphone is known or the user chooses anew. */
  private earlier = recall('source');

  private readonly changed: () => void;

  /** @param changed is called when the user has changed the choice during a call. */
  constructor(changed: () => void) {
    this.changed = changed;
    this.fill([]);
    for (const select of this.selects) {
      select.addEventListener('change', () => {
        for (const other of this.selects) other.value = select.value;
        this.earlier = null;
        remember('source', select.value);
        if (select === this.selects[1]) changed();
      });
    }
  }

  /** Offers those of these microphones that have a name. */
  fill(inputs: readonly MediaDeviceInfo[]): void {
    const known = inputs.filter(({ deviceId, label }) => label !== '' && deviceId !== '' && deviceId !== DEFAULT);
    const options: readonly (readonly [string, string])[] = [
      [DEFAULT, 'Default microphone'],
      ...known.map(({ deviceId, label }) => [`${DEVICE}${deviceId}`, label] as const),
      [TONE, 'Test tone'],
      [NONE, 'None (listen only)'],
    ];
    for (const select of this.selects) {
      const value = this.earlier ?? select.value;
      select.replaceChildren(...options.map(([id, label]) => new Option(label, id)));
      select.value = options.some(([id]) => id === value) ? value : DEFAULT;
    }
  }

  /** Lets the user listen only, until they choose anew. The next visit begins with their own choice. */
  listenOnly(): void {
    this.restore(NONE);
    this.changed();
  }

  /** Makes this choice again, whose microphone may have no name yet. */
  restore(value: string): void {
    this.earlier = value;
    for (const select of this.selects) select.value = value;
    if (this.selects[0]!.value === '') for (const select of this.selects) select.value = DEFAULT;
  }

  /**
   * Returns the choice as options for a new client.
   *
   * @returns null if the tone was ended, or another choice made, while it started.
   * @throws Error if the browser cannot make the test tone.
   */
  async options(): Promise<MicrophoneOptions | false | null> {
    const value = this.chosen;
    this.stop();
    if (value === NONE) return false;
    if (value === TONE) {
      const { round } = this;
      const tone = await startTone();
      if (round !== this.round) {
        tone.stop();
        return null;
      }
      this.tone = tone;
      return { track: tone.track };
    }
    const processing = wantedProcessing();
    return value.startsWith(DEVICE) ? { ...processing, deviceId: value.slice(DEVICE.length) } : processing;
  }

  /** Applies the choice to a client. @throws Error or VoiceError that says why the chosen sound is unavailable. */
  async apply(client: VoiceClient): Promise<void> {
    const options = await this.options();
    if (options === null) return;
    if (options === false) client.stopMicrophone();
    else await client.startMicrophone(options);
  }

  /** The choice, which may be a microphone whose name the browser does not tell yet. */
  get chosen(): string {
    const { value } = this.selects[0]!;
    return value === DEFAULT && this.earlier?.startsWith(DEVICE) === true ? this.earlier : value;
  }

  /** Whether the choice is a microphone. */
  get isMicrophone(): boolean {
    return ![TONE, NONE].includes(this.chosen);
  }

  /** Whether the test tone is on. */
  get playsTone(): boolean {
    return this.tone !== null;
  }

  /** Ends the test tone, if it is on. */
  stop(): void {
    this.round += 1;
    this.tone?.stop();
    this.tone = null;
  }
}
