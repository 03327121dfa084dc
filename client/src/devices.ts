/** Microphones and outputs of this machine. */
import { VoiceError } from './errors.ts';
import type { Devices } from './types.ts';

/** @throws VoiceError `unsupported` */
export async function listDevices(): Promise<Devices> {
  if (navigator.mediaDevices === undefined) {
    throw new VoiceError('unsupported', 'There is no access to devices here: serve the page over HTTPS.');
  }
  const all = await navigator.mediaDevices.enumerateDevices();
  return {
    inputs: all.filter(({ kind }) => kind === 'audioinput'),
    outputs: all.filter(({ kind }) => kind === 'audiooutput'),
  };
}

/** Calls `changed` with the list whenever it is another one. @returns a function that ends that. */
export function watchDevices(changed: (devices: Devices) => void, failed: (error: unknown) => void): () => void {
  const { mediaDevices } = navigator;
  const look = (): void => void listDevices().then(changed, failed);
  mediaDevices?.addEventListener('devicechange', look);
  return () => mediaDevices?.removeEventListener('devicechange', look);
}
