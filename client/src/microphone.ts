/** Manages the microphone: it is optional, can change while talking, and falls back to the default if it vanishes. */
import { captureApart, captureTrack, isBusy, microphoneError, processingOf } from './capture.ts';
import { VoiceError } from './errors.ts';
import type { OwnVoice } from './own-voice.ts';
import { Sending } from './sending.ts';
import { delay } from './time.ts';
import type { MicrophoneOptions, MicrophoneState, ProcessingOptions } from './types.ts';

/** How long a microphone may take from its opening to its first sound, milliseconds; until then the old one is sent. */
const WARM_UP_MS = 200;

const NONE: MicrophoneState = { track: null, deviceId: null, label: '', error: null };

export class Microphone {
  state: MicrophoneState = NONE;
  /** The options of the last successful start. */
  options: MicrophoneOptions = {};
  readonly #changed: (state: MicrophoneState) => void;
  readonly #lost: (label: string) => void;
  readonly #voice: OwnVoice;
  readonly sending = new Sending();
  #muted = false;
  /** Counts starts and stops: the result of an older one is discarded. */
  #generation = 0;
  #closed = false;
  /** Whether the browser has listed the current device. Some never are, so their absence means nothing. */
  #listed = false;

  /** @param lost called with the label of a device that vanished. */
  constructor(changed: (state: MicrophoneState) => void, lost: (label: string) => void, voice: OwnVoice) {
    this.#changed = changed;
    this.#lost = lost;
    this.#voice = voice;
  }

  /** Sends the microphone over a new connection too; older ones keep sending it until they are closed. */
  attach(sender: RTCRtpSender, pc: RTCPeerConnection): void {
    this.sending.attach(sender, pc);
  }

  /**
   * Starts the microphone, or changes its device, processing or track.
   *
   * @param capture opens it. @throws VoiceError
   */
  async start(options: MicrophoneOptions, capture = captureTrack): Promise<void> {
    // Nothing would ever stop it.
    if (this.#closed) throw new VoiceError('closed', 'This client is closed; create a new one.');
    const generation = ++this.#generation;
    let track: MediaStreamTrack;
    try {
      track = options.track ?? (await this.#capture(options, capture));
      if (options.track === undefined && this.state.track?.readyState === 'live') await delay(WARM_UP_MS);
    } catch (error) {
      const failure = microphoneError(error);
      // If another microphone is in use, it stays.
      if (generation === this.#generation && this.state.track === null) this.#setState({ ...NONE, error: failure });
      throw failure;
    }
    if (generation !== this.#generation) {
      if (options.track === undefined) track.stop();
      throw superseded();
    }
    const release = this.#releaser();
    this.options = options;
    // The old track is heard until the new one has taken its place.
    await this.#use(track);
    release();
  }

  /** Changes what is filtered out, and keeps the device. @throws VoiceError */
  async process(changes: ProcessingOptions): Promise<void> {
    const { track, deviceId } = this.state;
    if (track === null || this.options.track !== undefined) {
      throw new VoiceError('microphone-missing', 'The client has opened no microphone.');
    }
    const wanted = processingOf({ ...this.options, ...changes });
    const next = deviceId === null ? wanted : { ...wanted, deviceId };
    await track.applyConstraints(wanted).catch(() => undefined);
    if (this.state.track !== track) throw superseded();
    // Chromium does not change a live track, and opens a device a second time only in another frame with any filters. The
    // last resort is a gap.
    if (!this.#isProcessed(wanted)) await this.start(next, captureApart);
    if (!this.#isProcessed(wanted)) {
      this.#release();
      await this.start(next);
    }
    this.options = { ...this.options, ...wanted };
    if (!this.#isProcessed(wanted)) throw new VoiceError('unsupported', 'This browser does not change filters.');
  }

  /** Sends nothing, or sends again. The microphone stays on, and `state` as it is. */
  mute(muted: boolean): void {
    this.#muted = muted;
    this.sending.mute(muted);
    this.#watchVoice();
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

  async #capture(options: MicrophoneOptions, capture: typeof captureTrack): Promise<MediaStreamTrack> {
    try {
      return await capture(options);
    } catch (error) {
      const used = this.state.track !== null && this.options.track === undefined;
      if (!used || (!isBusy(error) && capture === captureTrack)) throw error;
      // Some systems allow only one microphone at a time, and some pages none to frames.
      this.#release();
      return captureTrack(options);
    }
  }

  /** @returns once the connections send it. */
  #use(track: MediaStreamTrack): Promise<void> {
    track.addEventListener('ended', () => this.#vanished(track), { once: true });
    const deviceId = this.options.track === undefined ? (track.getSettings().deviceId ?? null) : null;
    this.#listed = false;
    const used = this.#setState({ track, deviceId, label: track.label, error: null });
    if (deviceId === null) return used;
    // Find out whether it is listed at all, and so can vanish from the list.
    navigator.mediaDevices.enumerateDevices().then(
      (all) => {
        if (this.state.track === track) this.#listed = all.some((device) => device.deviceId === deviceId);
      },
      () => undefined,
    );
    return used;
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

  /** Whether the current track is filtered like this, as far as the browser says. */
  #isProcessed(wanted: Required<ProcessingOptions>): boolean {
    const settings = this.state.track?.getSettings() as ProcessingOptions | undefined;
    const found = processingOf({ ...wanted, ...settings });
    return String(Object.values(found)) === String(Object.values(wanted));
  }

  /** Stops the current track, unless the application supplied it. */
  #release(): void {
    this.#releaser()();
  }

  /** Returns a function that stops the track that is now the current one, unless the application supplied it. */
  #releaser(): () => void {
    const { track } = this.state;
    return this.options.track === track ? () => undefined : () => track?.stop();
  }

  #setState(state: MicrophoneState): Promise<void> {
    this.state = state;
    const used = this.sending.use(state.track);
    this.#watchVoice();
    this.#changed(state);
    return used;
  }

  #watchVoice(): void {
    this.#voice.watch(this.state.track, this.#muted);
  }
}

function superseded(): VoiceError {
  return new VoiceError('superseded', 'The microphone was changed or stopped in the meantime.');
}
