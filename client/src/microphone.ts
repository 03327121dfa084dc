/** The microphone: optional, changeable while talking, and replaced by the default one when it vanishes. */
import { VoiceError, type VoiceErrorCode } from './errors.ts';
import type { MicrophoneOptions, MicrophoneState } from './types.ts';

const NONE: MicrophoneState = { track: null, deviceId: null, label: '', error: null };

/** By the names of DOMExceptions: what happened, and what to do. */
const FAILURES: Readonly<Record<string, readonly [VoiceErrorCode, string]>> = {
  NotAllowedError: [
    'microphone-denied',
    'The microphone is not permitted. Permit it in the address bar or in the system’s settings, and start it again.',
  ],
  SecurityError: ['microphone-denied', 'The page may not use the microphone: its policy or its frame forbids it.'],
  NotFoundError: ['microphone-missing', 'There is no microphone. Plug one in and start it again.'],
  OverconstrainedError: ['microphone-missing', 'That microphone is not there any more. Choose another one.'],
  NotReadableError: ['microphone-busy', 'Another program uses the microphone. Close that and start it again.'],
  AbortError: ['microphone-busy', 'The microphone could not be started. Start it again.'],
};

export class Microphone {
  state: MicrophoneState = NONE;
  /** As it was started last. */
  options: MicrophoneOptions = {};
  private readonly told: (state: MicrophoneState) => void;
  private readonly lost: (label: string) => void;
  private readonly senders = new Map<RTCRtpSender, RTCPeerConnection>();
  private muted = false;
  /** Of the last start or stop: what an older one gets is too late. */
  private turn = 0;
  private over = false;
  /** Whether the device in use was listed; some are not, and do not vanish. */
  private listed = false;

  /** @param lost told the label of a device that vanished. */
  constructor(told: (state: MicrophoneState) => void, lost: (label: string) => void) {
    this.told = told;
    this.lost = lost;
  }

  /** Sends what there is over a new connection; older ones get it as long as they live. */
  attach(sender: RTCRtpSender, pc: RTCPeerConnection): void {
    // Attempts that came to nothing, of which there are as many as the network is away for.
    for (const [old, { signalingState }] of this.senders) if (signalingState === 'closed') this.senders.delete(old);
    this.senders.set(sender, pc);
    this.give(sender);
  }

  /** Starts, or changes device, processing or track. @throws VoiceError */
  async start(options: MicrophoneOptions): Promise<void> {
    // Nobody would ever stop it.
    if (this.over) throw new VoiceError('closed', 'This client is closed; make another one.');
    const turn = ++this.turn;
    let track: MediaStreamTrack;
    try {
      track = options.track ?? (await this.capture(options));
    } catch (error) {
      const failure = microphoneError(error);
      // Whoever talks with another one talks on.
      if (turn === this.turn && this.state.track === null) this.enter({ ...NONE, error: failure });
      throw failure;
    }
    if (turn !== this.turn) {
      if (options.track === undefined) track.stop();
      throw new VoiceError('superseded', 'The microphone was changed or stopped meanwhile.');
    }
    this.release();
    this.options = options;
    this.use(track);
  }

  mute(muted: boolean): void {
    this.muted = muted;
    if (this.state.track !== null) this.state.track.enabled = !muted;
  }

  stop(): void {
    this.turn++;
    this.release();
    if (this.state.track !== null || this.state.error !== null) this.enter(NONE);
  }

  /** Stops it, and it cannot be started any more. */
  close(): void {
    this.over = true;
    this.stop();
    this.senders.clear();
  }

  /** The browser's list is another one. */
  devicesChanged(inputs: readonly MediaDeviceInfo[]): void {
    const { deviceId, track } = this.state;
    if (deviceId === null || this.options.track !== undefined) return;
    const there = inputs.some((input) => input.deviceId === deviceId);
    // A list without ids is that of a page without permission.
    if (there) this.listed = true;
    else if (this.listed && inputs.some((input) => input.deviceId !== '')) this.vanished(track);
  }

  private async capture(options: MicrophoneOptions): Promise<MediaStreamTrack> {
    try {
      return await captureTrack(options);
    } catch (error) {
      const busy = FAILURES[nameOf(error)]?.[0] === 'microphone-busy';
      const old = this.state.track;
      if (!busy || old === null || this.options.track !== undefined) throw error;
      // Some systems have one microphone at a time only.
      this.release();
      return captureTrack(options);
    }
  }

  private use(track: MediaStreamTrack): void {
    track.enabled = !this.muted;
    track.addEventListener('ended', () => this.vanished(track), { once: true });
    const deviceId = this.options.track === undefined ? (track.getSettings().deviceId ?? null) : null;
    this.listed = false;
    this.enter({ track, deviceId, label: track.label, error: null });
    if (deviceId === null) return;
    // Whether it is one that can vanish from the list.
    navigator.mediaDevices.enumerateDevices().then(
      (all) => {
        if (this.state.track === track) this.listed = all.some((device) => device.deviceId === deviceId);
      },
      () => undefined,
    );
  }

  private vanished(track: MediaStreamTrack | null): void {
    if (track === null || this.state.track !== track) return;
    const { label } = this.state;
    const { deviceId: _, track: own, ...processing } = this.options;
    this.release();
    this.enter({ ...NONE });
    this.lost(label);
    if (own === undefined) this.start(processing).catch(() => undefined);
  }

  /** Lets go of the track in use; what the application gave stays the application's. */
  private release(): void {
    const { track } = this.state;
    if (track === null || this.options.track === track) return;
    track.stop();
  }

  private enter(state: MicrophoneState): void {
    this.state = state;
    for (const sender of this.senders.keys()) this.give(sender);
    this.told(state);
  }

  private give(sender: RTCRtpSender): void {
    sender.replaceTrack(this.state.track).catch(() => this.senders.delete(sender));
  }
}

async function captureTrack(options: MicrophoneOptions): Promise<MediaStreamTrack> {
  const { deviceId, echoCancellation = true, noiseSuppression = true, autoGainControl = true } = options;
  if (navigator.mediaDevices === undefined) {
    throw new VoiceError('unsupported', 'There is no access to microphones here: serve the page over HTTPS.');
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

/** By its name alone: an OverconstrainedError is a DOMException in some browsers only. */
function nameOf(error: unknown): string {
  return error instanceof Error || error instanceof DOMException
    ? error.name
    : String((error as { name?: unknown })?.name);
}
