/** What the client needs of its surroundings. */
import { VoiceError } from './errors.ts';

/** Nothing works without these. Microphones are not among them: without one, the client listens. */
function missing(): string | undefined {
  return ['RTCPeerConnection', 'WebSocket', 'MediaStream'].find((name) => !(name in globalThis));
}

/** Whether this browser can run the client. False on a server, where importing the client is harmless all the same. */
export function isSupported(): boolean {
  return missing() === undefined;
}

/** @throws VoiceError `unsupported`, which names what is missing. */
export function requireSupport(): void {
  const name = missing();
  if (name)
    throw new VoiceError(
      'unsupported',
      `There is no ${name} here: use a browser whose extensions and policies allow WebRTC.`,
    );
}
