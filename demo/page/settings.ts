/** The settings that the user can change during a call: what the browser filters out of their sound. */
import type { ProcessingOptions, VoiceClient } from '@beep/webrtc-client';
import { byId } from './dom.ts';
import { recall, remember } from './remembered.ts';

const NAMES = ['noiseSuppression', 'echoCancellation', 'autoGainControl'] as const;

const ticks = (): HTMLInputElement[] => [
  ...byId('processing', HTMLFieldSetElement).querySelectorAll<HTMLInputElement>('input'),
];

/** Returns what the ticks say, for a microphone that is about to start. */
export function wantedProcessing(): ProcessingOptions {
  return Object.fromEntries(ticks().map(({ name, checked }) => [name, checked]));
}

/** Makes the ticks work. @param client returns the present client. @param failed takes an error to show to the user. */
export function offerProcessing(client: () => VoiceClient | null, failed: (error: unknown) => void): void {
  const off = recall('unfiltered')?.split(' ') ?? [];
  for (const tick of ticks()) tick.checked = !off.includes(tick.name);
  byId('processing', HTMLFieldSetElement).addEventListener('change', ({ target }) => {
    if (!(target instanceof HTMLInputElement)) return;
    const name = NAMES.find((one) => one === target.name);
    if (name === undefined) return;
    keep();
    const now = client();
    // Without a microphone, the tick is for the next one.
    if (now === null || now.microphone.deviceId === null) return;
    now.setProcessing({ [name]: target.checked }).catch((error: unknown) => {
      target.checked = !target.checked;
      keep();
      failed(error);
    });
  });
}

function keep(): void {
  const off = ticks().filter(({ checked }) => !checked);
  remember('unfiltered', off.map(({ name }) => name).join(' '));
}
