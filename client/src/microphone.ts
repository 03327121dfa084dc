/** Manages the microphone: it is optional, can change while talking, and falls back to the default if it vanishes. */
import { VoiceError, type VoiceErrorCode } from './errors.ts';
import type { MutedTalk } from './muted-talk.ts';
import { Sending } from './sending.ts';
import type { MicrophoneOptions, MicrophoneState } from './types.ts';

const NONE: MicrophoneState = { track: null, deviceId: null, label: '', error: null };

/** Code and message by the name of the DOMException. */
const FAILURES: Readonly<Record<string, readonly [VoiceErrorCode, string]>> = {
  NotAllowedError: [
    'microphone-denied',
    'Access to the microphone was denied. Allow it in the address bar or the system settings, and start it again.',
  ],
  SecurityError: ['microphone-denied', 'This page may not use the microphone: its policy or its frame forbids it.'],
  NotFoundError: ['microphone-missing', 'No microphone was found. Plug one in and start it again.'],
  OverconstrainedError: ['microphone-missing', 'That microphone is no longer available. Choose another one.'],
  NotReadableError: ['microphone-busy', 'Another program is using the microphone. Close it and start again.'],
  AbortError: ['microphone-busy', 'The microphone could not be started. Start it again.'],
};

export class Microphone {
  state: MicrophoneState = NONE;
  /** The options of the last successful start. */
  options: MicrophoneOptions = {};
  readonly #changed: (state: MicrophoneState) => void;
  readonly #lost: (label: string) => void;
  readonly #mutedTalk: MutedTalk;
  readonly sending = new Sending();
  #muted = false;
  /** Counts starts and stops: the result of an older one is discarded. */
  #generation = 0;
  #closed = false;
  /** Whether the browser has listed the current device. Some never are, so their absence means nothing. */
  #listed = false;

  /** @param lost called with the label of a device that vanished. */
  constructor(changed: (state: MicrophoneState) => void, lost: (label: string) => void, mutedTalk: MutedTalk) {
    this.#changed = changed;
    this.#lost = lost;
    this.#mutedTalk = mutedTalk;
  }

  /** Sends the microphone over a new connection too; older ones keep sending it until they are closed. */
  attach(sender: RTCRtpSender, pc: RTCPeerConnection): void {
    this.sending.attach(sender, pc);
  }

  /** Starts the microphone, or changes its device, processing or track. @throws VoiceError */
  async start(options: MicrophoneOptions): Promise<void> {
    // Nothing would ever stop it.
    if (this.#closed) throw new VoiceError('closed', 'This client is closed; create a new one.');
    const generation = ++this.#generation;
    let track: MediaStreamTrack;
    try {
      track = options.track ?? (await this.#capture(options));
    } catch (error) {
      const failure = microphoneError(error);
      // If another microphone is in use, it stays.
      if (generation === this.#generation && this.state.track === null) this.#setState({ ...NONE, error: failure });
      throw failure;
    }
    if (generation !== this.#generation) {
      if (options.track === undefined) track.stop();
      throw new VoiceError('superseded', 'The microphone was changed or stopped in the meantime.');
    }
    this.#release();
    this.options = options;
    this.#use(track);
  }

  /** Sends nothing, or sends again. The microphone stays on, and `state` as it is. */
  mute(muted: boolean): void {
    this.#muted = muted;
    this.sending.mute(muted);
    this.#watchMuted();
  }

  stop(): void {
    this.#generation++;
    this.#release();
    if (this.state.track !== null || this.state.error !== null) this.#setState(NONE);
  }

  /** Stops it for good: it cannot be started again. */
  close(): void {
    this.#closed = true;
    this.stop();
    this.sending.close();
  }

  /** Takes the browser's new list of devices. */
  devicesChanged(inputs: readonly MediaDeviceInfo[]): void {
    const { deviceId, track } = this.state;
    if (deviceId === null || this.options.track !== undefined) return;
    const there = inputs.some((input) => input.deviceId === deviceId);
    // Without permission, the browser lists devices without ids.
    if (there) this.#listed = true;
    else if (this.#listed && inputs.some((input) => input.deviceId !== '')) this.#vanished(track);
  }

  async #capture(options: MicrophoneOptions): Promise<MediaStreamTrack> {
    try {
      return await captureTrack(options);
    } catch (error) {
      const busy = FAILURES[nameOf(error)]?.[0] === 'microphone-busy';
      const old = this.state.track;
      if (!busy || old === null || this.options.track !== undefined) throw error;
      // Some systems allow only one microphone at a time.
      this.#release();
      return captureTrack(options);
    }
  }

  #use(track: MediaStreamTrack): void {
    track.addEventListener('ended', () => this.#vanished(track), { once: true });
    const deviceId = this.options.track === undefined ? (track.getSettings().deviceId ?? null) : null;
    this.#listed = false;
    this.#setState({ track, deviceId, label: track.label, error: null });
    if (deviceId === null) return;
    // Find out whether it is listed at all, and so can vanish from the list.
    navigator.mediaDevices.enumerateDevices().then(
      (all) => {
        if (this.state.track === track) this.#listed = all.some((device) => device.deviceId === deviceId);
      },
      () => undefined,
    );
  }

  #vanished(track: MediaStreamTrack | null): void {
    if (track === null || this.state.track !== track) return;
    const { label } = this.state;
    const { deviceId: _, track: own, ...processing } = this.options;
    this.#release();
    this.#setState({ ...NONE });
    this.#lost(label);
    if (own === undefined) this.start(processing).catch(() => undefined);
  }

  /** Stops the current track, unless the application supplied it. */
  #release(): void {
    const { track } = this.state;
    if (track === null || this.options.track === track) return;
    track.stop();
  }

  #setState(state: MicrophoneState): void {
    this.state = state;
    this.sending.use(state.track);
    this.#watchMuted();
    this.#changed(state);
  }

  #watchMuted(): void {
    this.#mutedTalk.watch(this.#muted ? this.state.track : null);
  }
}

async function captureTrack(options: MicrophoneOptions): Promise<MediaStreamTrack> {
  const { deviceId, echoCancellation = true, noiseSuppression = true, autoGainControl = true } = options;
  if (navigator.mediaDevices === undefined) {
    throw new VoiceError('unsupported', 'Microphones are not available: serve the page over HTTPS.');
  }
  const audio: MediaTrackConstraints = { echoCancellation, noiseSuppression, autoGainControl };
  if (deviceId !== undefined && deviceId !== '') audio.deviceId = { exact: deviceId };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  return stream.getAudioTracks()[0]!;
}

function microphoneError(error: unknown): VoiceError {
  if (error instanceof VoiceError) return error;
  const [code, text] =
    FAILURES[nameOf(error)] ?? (['microphone-failed', `The microphone could not be started: ${error}.`] as const);
  return new VoiceError(code, text, { cause: error });
}

/** Returns the error's name. An OverconstrainedError is a DOMException in some browsers only. */
function nameOf(error: unknown): string {
  return error instanceof Error || error instanceof DOMException
    ? error.name
    : String((error as { name?: unknown })?.name);
}
