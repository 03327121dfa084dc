/** The settings that the user can change during a call: what the browser filters out of their sound. */
import type { VoiceClient } from '@beep/webrtc-client';
import { byId } from './dom.ts';

const NAMES = ['noiseSuppression', 'echoCancellation', 'autoGainControl'] as const;

/** Makes the ticks work. @param client returns the present client. @param failed takes an error to show to the user. */
export function offerProcessing(client: () => VoiceClient | null, failed: (error: unknown) => void): void {
  const group = byId('processing', HTMLFieldSetElement);
  group.addEventListener('change', ({ target }) => {
    if (!(target instanceof HTMLInputElement)) return;
    const name = NAMES.find((one) => one === target.name);
    if (name === undefined) return;
    client()
      ?.setProcessing({ [name]: target.checked })
      .catch((error: unknown) => {
        target.checked = !target.checked;
        failed(error);
      });
  });
}
