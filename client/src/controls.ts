/** What the user can switch on a client: mute, volumes, microphone, output and key. Its parts do the work. */
import { listDevices } from './devices.ts';
import type { Devices, EncryptionKey, MicrophoneOptions, ProcessingOptions } from './types.ts';
import { ClientView } from './view.ts';

export abstract class ClientControls extends ClientView {
  /**
   * Mutes or unmutes: falls silent at once, tells the server, so that others see it, and sends nothing more. The
   * microphone stays on, so that unmuting takes no time. Survives reconnections.
   */
  mute(muted: boolean): void {
    this.preferences.mute(muted);
  }

  /** Deafens or undeafens: stops playing at once, and tells the server to send nothing. Survives reconnections. */
  deafen(deafened: boolean): void {
    this.output.deafen(deafened);
    this.preferences.deafen(deafened);
  }

  /**
   * Sets how loud a user is played, in whichever slot.
   *
   * @param volume 0 to 2, linear. Above 1 an AudioContext amplifies the voice. On iOS, volumes below 1 work only with
   *   output `mixed`. With output `none` it does nothing.
   */
  setVolume(userid: string, volume: number): void {
    this.output.setVolume(userid, volume);
  }

  /**
   * Lists microphones and outputs. Labels are empty until the user has permitted the microphone once.
   *
   * @throws VoiceError `unsupported`
   */
  devices(): Promise<Devices> {
    return listDevices();
  }

  /**
   * Starts the microphone, or changes its device or processing, or sends the application's own track instead. Nothing is
   * renegotiated. Listeners hear no gap when the device changes; for its processing see {@link setProcessing}.
   *
   * @throws VoiceError `microphone-denied`, `microphone-missing`, `microphone-busy`, `unsupported`, `closed`
   */
  startMicrophone(options: MicrophoneOptions = {}): Promise<void> {
    return this.mic.start(options);
  }

  /**
   * Switches to another microphone and keeps the processing. It also replaces a track of the application.
   *
   * @throws VoiceError
   */
  setInput(deviceId: string): Promise<void> {
    const { track: _, ...processing } = this.mic.options;
    return this.mic.start({ ...processing, deviceId });
  }

  /**
   * Changes what the browser filters out of the microphone's sound, also during a call: the device stays.
   * Listeners hear no pause, unless the page's policy forbids the microphone to frames, and the speaker uses Chromium.
   *
   * @param processing what is omitted stays as it is.
   * @throws VoiceError `microphone-missing` if no microphone is on, or the track is the application's own; `unsupported`
   *   if the browser does not do it; otherwise like {@link startMicrophone}
   */
  setProcessing(processing: ProcessingOptions): Promise<void> {
    return this.mic.process(processing);
  }

  /** Stops the microphone, so that its indicator light goes off. The client keeps listening. */
  stopMicrophone(): void {
    this.mic.stop();
  }

  /** Plays on another output; '' is the default. @throws VoiceError `output-device` if it cannot be selected. */
  setOutput(deviceId: string): Promise<void> {
    return this.output.setDevice(deviceId);
  }

  /**
   * Encrypts with another key. Frames of others that use it can be decrypted at once; those with the old key for 30 s
   * more.
   *
   * @param keyId 0 to 255. @param key null with `keyFor`, which is then asked for it.
   * @param delay how long to send with the old key still, until everybody has the new one, milliseconds.
   * @throws VoiceError `encryption` if it cannot be used, `not-connected`, `closed`
   */
  setEncryptionKey(keyId: number, key: EncryptionKey | Uint8Array | null = null, delay = 0): Promise<void> {
    return this.secrecy.setKey(keyId, key instanceof Uint8Array ? { key } : key, delay);
  }

  /**
   * Replaces the key by one derived from it, from which nobody finds the way back. Others can follow by themselves.
   *
   * @returns the key as it is now, for those who come later. @throws VoiceError `encryption`, `not-connected`, `closed`
   */
  ratchetEncryptionKey(): Promise<EncryptionKey> {
    return this.secrecy.ratchet();
  }

  /** Plays audio that the browser blocked. Call it from a click or tap. @returns whether everything plays now. */
  resume(): Promise<boolean> {
    return this.output.resume();
  }
}
