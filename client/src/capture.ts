/** Opens microphones, and explains why one cannot be opened. */
import { VoiceError, type VoiceErrorCode } from './errors.ts';
import type { MicrophoneOptions, ProcessingOptions } from './types.ts';

/** Code and message by the name of the DOMException. */
const FAILURES: Readonly<Record<string, readonly [VoiceErrorCode, string]>> = {
  NotAllowedError: [
    'microphone-denied',
    'Access to the microphone was denied. Allow it in the address bar or the system settings, and start it again.',
  ],
  SecurityError: ['microphone-denied', 'This page may not use the microphone: a policy forbids it.'],
  NotFoundError: ['microphone-missing', 'No microphone was found. Plug one in and start it again.'],
  OverconstrainedError: ['microphone-missing', 'That microphone is no longer available. Choose another one.'],
  NotReadableError: ['microphone-busy', 'Another program is using the microphone. Close it and start again.'],
  AbortError: ['microphone-busy', 'The microphone could not be started. Start it again.'],
};

/**
 * Opens a microphone.
 *
 * @param navigator of the frame in which to open it.
 * @throws VoiceError `unsupported`, or what the browser says: see {@link microphoneError}.
 */
export async function captureTrack(
  options: MicrophoneOptions,
  navigator = globalThis.navigator,
): Promise<MediaStreamTrack> {
  const { deviceId } = options;
  if (navigator?.mediaDevices === undefined) {
    throw new VoiceError('unsupported', 'Microphones are not available: serve the page over HTTPS.');
  }
  const audio: MediaTrackConstraints = { ...processingOf(options) };
  if (deviceId) audio.deviceId = { exact: deviceId };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  return stream.getAudioTracks()[0]!;
}

/**
 * Opens a microphone in a frame of its own, which goes with the track. If one is open already, Chromium gives a second
 * track of the same frame the filters of the first, unless both happen to go together.
 */
export async function captureApart(options: MicrophoneOptions): Promise<MediaStreamTrack> {
  const frame = document.createElement('iframe');
  frame.hidden = true;
  // Not into the body, whose content applications replace.
  document.documentElement.append(frame);
  // This also ends its tracks.
  const stop = (): void => frame.remove();
  try {
    return Object.assign(await captureTrack(options, frame.contentWindow!.navigator), { stop });
  } catch (error) {
    stop();
    throw error;
  }
}

/** Returns what is filtered out of the sound: everything, unless the options say otherwise. */
export function processingOf({
  echoCancellation = true,
  noiseSuppression = true,
  autoGainControl = true,
}: ProcessingOptions): Required<ProcessingOptions> {
  return { echoCancellation, noiseSuppression, autoGainControl };
}

/** Says what the browser's refusal of a microphone means. */
export function microphoneError(error: unknown): VoiceError {
  if (error instanceof VoiceError) return error;
  const [code, text] =
    FAILURES[nameOf(error)] ?? (['microphone-failed', `The microphone could not be started: ${error}.`] as const);
  return new VoiceError(code, text, { cause: error });
}

/** Says whether another program, or another track, has the microphone. */
export function isBusy(error: unknown): boolean {
  return FAILURES[nameOf(error)]?.[0] === 'microphone-busy';
}

/** Returns the error's name. An OverconstrainedError is a DOMException in some browsers only. */
function nameOf(error: unknown): string {
  return error instanceof Error || error instanceof DOMException
    ? error.name
    : String((error as { name?: unknown })?.name);
}
