/** The choice of the device that plays the voices. It is hidden where there is nothing to choose. */
import type { VoiceClient } from '@beep/webrtc-client';
import { byId } from './dom.ts';
import { recall, remember } from './remembered.ts';

/** What Chromium calls those that follow the system's choice; the page has one entry for them. */
const FOLLOWERS = ['', 'default', 'communications'];

export class OutputChoice {
  private readonly part = byId('output-part', HTMLLabelElement);
  private readonly select = byId('output', HTMLSelectElement);
  private client: VoiceClient | null = null;
  /** What the client plays on. */
  private present = '';

  /** @param failed takes an error to show to the user. */
  constructor(failed: (error: unknown) => void) {
    this.fill([]);
    this.select.addEventListener('change', () => {
      remember('output', this.select.value);
      this.play(this.select.value).catch(failed);
    });
  }

  /** Chooses for this client from now on. */
  watch(client: VoiceClient): void {
    this.client = client;
    this.present = '';
  }

  /** Offers those of these outputs that have a name, and returns to the one of an earlier visit once it is there. */
  fill(outputs: readonly MediaDeviceInfo[]): void {
    const known = 'setSinkId' in HTMLMediaElement.prototype ? outputs : [];
    const named = known.filter(({ deviceId, label }) => label !== '' && !FOLLOWERS.includes(deviceId));
    const has = (id: string): boolean => named.some(({ deviceId }) => deviceId === id);
    this.part.hidden = named.length === 0;
    this.select.replaceChildren(
      new Option('System default', ''),
      ...named.map(({ deviceId, label }) => new Option(label, deviceId)),
    );
    // The client has left a device that is gone by itself.
    if (!has(this.present)) this.present = '';
    const wanted = recall('output') ?? '';
    this.select.value = has(wanted) ? wanted : '';
    if (this.select.value !== this.present) this.play(this.select.value).catch(() => undefined);
  }

  /** @throws VoiceError if the client cannot play there. */
  private async play(id: string): Promise<void> {
    const before = this.present;
    this.present = id;
    try {
      await this.client?.setOutput(id);
    } catch (error) {
      this.present = before;
      this.select.value = before;
      throw error;
    }
  }
}
