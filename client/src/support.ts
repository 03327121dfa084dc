/** What the client needs of its surroundings. */
import { VoiceError } from './errors.ts';

/** Nothing works without these. Microphones are not among them: without one, the client listens. */
const NEEDED = ['RTCPeerConnection', 'WebSocket', 'MediaStream'];

/** Says why the client cannot run here, by an error `unsupported` that names what is missing; null if it can. */
export function whyUnsupported(): VoiceError | null {
  const missing = NEEDED.find((name) => !(name in globalThis));
  const next = 'use a browser whose extensions and policies allow WebRTC.';
  return missing === undefined ? null : new VoiceError('unsupported', `There is no ${missing} here: ${next}`);
}

/** Whether this browser can run the client. False on a server, where importing the client is harmless all the same. */
export function isSupported(): boolean {
  return whyUnsupported() === null;
}
