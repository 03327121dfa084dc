/** Shows the level of a microphone before anybody joins. */
import { captureTrack, microphoneError } from './capture.ts';
import { gaugeOf } from './gauge.ts';
import { INTERVAL_MS } from './own-voice.ts';
import type { MicrophoneOptions } from './types.ts';

/** A microphone that is being checked. */
export interface MicrophonePreview {
  readonly track: MediaStreamTrack;
  /** The id of the microphone in use; null if the browser does not say. */
  readonly deviceId: string | null;
  readonly label: string;
  /** Ends the check and releases the microphone; a track of the application goes on. */
  close(): void;
}

/**
 * Opens a microphone, so that the user can see whether it hears them, and sends nothing.
 *
 * @param onLevel is called ten times a second with the linear peak of the last 100 ms, 0 to 1; not where the browser
 *   cannot measure it, or not yet.
 * @throws VoiceError `microphone-denied`, `microphone-missing`, `microphone-busy`, `unsupported`
 */
export async function previewMicrophone(
  options: MicrophoneOptions,
  onLevel: (level: number) => void,
): Promise<MicrophonePreview> {
  const track = options.track ?? (await opened(options));
  const gauge = gaugeOf(track);
  let closed = false;
  const take = (level: number | null): void => {
    if (level !== null && !closed) onLevel(level);
  };
  const timer = setInterval(() => void gauge?.level().then(take, () => undefined), INTERVAL_MS);
  const close = (): void => {
    closed = true;
    clearInterval(timer);
    gauge?.close();
    if (track !== options.track) track.stop();
  };
  return { track, deviceId: track.getSettings().deviceId ?? null, label: track.label, close };
}

async function opened(options: MicrophoneOptions): Promise<MediaStreamTrack> {
  try {
    return await captureTrack(options);
  } catch (error) {
    throw microphoneError(error);
  }
}
