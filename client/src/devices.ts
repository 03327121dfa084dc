/** Lists the microphones and outputs of this machine, and watches them. */
import { VoiceError } from './errors.ts';
import type { Devices } from './types.ts';

/** Lists microphones and outputs. @throws VoiceError `unsupported` */
export async function listDevices(): Promise<Devices> {
  if (navigator.mediaDevices === undefined) {
    throw new VoiceError('unsupported', 'Media devices are not available: serve the page over HTTPS.');
  }
  const all = await navigator.mediaDevices.enumerateDevices();
  return {
    inputs: all.filter(({ kind }) => kind === 'audioinput'),
    outputs: all.filter(({ kind }) => kind === 'audiooutput'),
  };
}

/** Calls `changed` with the new list whenever it changes. @returns a function that stops watching. */
export function watchDevices(changed: (devices: Devices) => void, failed: (error: unknown) => void): () => void {
  const { mediaDevices } = navigator;
  const list = (): void => void listDevices().then(changed, failed);
  mediaDevices?.addEventListener('devicechange', list);
  return () => mediaDevices?.removeEventListener('devicechange', list);
}
