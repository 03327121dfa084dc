/** Plays the slots, through elements or a mix; handles volumes, the output device, and blocked autoplay. */
import { listDevices } from './devices.ts';
import { VoiceError } from './errors.ts';
import type { Peer } from './peer.ts';
import type { Participant } from './protocol.ts';
import { audioElement, OutputSlot } from './slot.ts';
import type { OutputMode } from './types.ts';

/** The largest volume, linear (6 dB). */
const MAX_VOLUME = 2;
/** How long a context may take to start before it counts as blocked, milliseconds. */
const START_MS = 500;

interface OutputHooks {
  blocked(blocked: boolean): void;
  /** @param label of the vanished output. */
  deviceLost(label: string): void;
  who(number: number): Participant | null;
}

export class Output {
  readonly slots: readonly OutputSlot[];
  readonly mixedElement: HTMLAudioElement | null = null;
  blocked = false;
  readonly #hooks: OutputHooks;
  /** By userid, without those that are 1. */
  volumes: ReadonlyMap<string, number> = new Map();
  /** Of the mix, or of the slots that are amplified. */
  #context: AudioContext | null = null;
  #deafened = false;
  #deviceId = '';
  #deviceLabel = '';

  constructor(mode: OutputMode, count: number, hooks: OutputHooks) {
    this.#hooks = hooks;
    // Wherever the user clicks, browsers allow it then.
    addEventListener('click', this.#clicked, true);
    // A mix needs elements too, muted ones: Chromium decodes only tracks that an element plays.
    this.slots = Array.from({ length: count }, (_, index) => new OutputSlot(index, mode !== 'none'));
    if (mode !== 'mixed') return;
    const context = new AudioContext();
    this.#context = context;
    const mixed = context.createMediaStreamDestination();
    this.mixedElement = audioElement();
    this.mixedElement.srcObject = mixed.stream;
    for (const slot of this.slots) {
      const gain = context.createGain();
      gain.connect(mixed);
      slot.amplify(gain);
      slot.element!.muted = true;
    }
  }

  /** Plays another connection. */
  attach(peer: Peer): void {
    this.slots.forEach((slot, i) => void slot.attach(peer.transceivers[i], !this.#deafened));
    this.assign(peer.people.slots);
    void this.resume();
  }

  /** Assigns speakers to slots. @param numbers by mid. */
  assign(numbers: ReadonlyMap<string, number>): void {
    for (const slot of this.slots) {
      slot.number = (slot.mid === null ? undefined : numbers.get(slot.mid)) ?? 0;
      slot.participant = this.#hooks.who(slot.number);
      if (slot.participant !== null) this.#play(slot, this.volumes.get(slot.participant.userid) ?? 1);
    }
  }

  /** Sets a user's volume. @param volume 0 to 2. */
  setVolume(userid: string, volume: number): void {
    const bounded = Math.min(MAX_VOLUME, Math.max(0, Number.isFinite(volume) ? volume : 1));
    const volumes = new Map(this.volumes).set(userid, bounded);
    if (bounded === 1) volumes.delete(userid);
    this.volumes = volumes;
    for (const slot of this.slots) if (slot.participant?.userid === userid) this.#play(slot, bounded);
  }

  deafen(deafened: boolean): void {
    this.#deafened = deafened;
    for (const { receiver } of this.slots) if (receiver !== null) receiver.track.enabled = !deafened;
  }

  readonly #clicked = (): void => {
    if (this.blocked) void this.resume();
  };

  /** Starts whatever is not playing. Never rejects. @returns whether everything plays. */
  async resume(): Promise<boolean> {
    const elements = this.#elements().filter((element) => element.srcObject !== null);
    const plays = await Promise.all([this.#startContext(), ...elements.map(play)]);
    const blocked = plays.includes(false);
    if (blocked !== this.blocked) {
      this.blocked = blocked;
      this.#hooks.blocked(blocked);
    }
    return !blocked;
  }

  /** Plays on another device. @param deviceId '' for the default. @throws VoiceError `output-device` */
  async setDevice(deviceId: string): Promise<void> {
    const elements = this.mixedElement === null ? this.#elements() : [this.mixedElement];
    if (!elements.every((element) => typeof element.setSinkId === 'function')) {
      throw new VoiceError('output-device', 'This browser cannot select an output; choose it in the system settings.');
    }
    try {
      await Promise.all(elements.map((element) => element.setSinkId(deviceId)));
    } catch (error) {
      const text = `This output cannot be used: ${error instanceof Error ? error.message : error}.`;
      throw new VoiceError('output-device', `${text} Choose another one from devices().`, { cause: error });
    }
    this.#deviceId = deviceId;
    // Not awaited: some browsers list devices only to visible pages.
    if (deviceId !== '')
      listDevices().then(
        ({ outputs }) => this.devicesChanged(outputs),
        () => undefined,
      );
  }

  /** Takes the browser's new list of devices. */
  devicesChanged(outputs: readonly MediaDeviceInfo[]): void {
    if (this.#deviceId === '') return;
    const device = outputs.find((output) => output.deviceId === this.#deviceId);
    if (device !== undefined) {
      this.#deviceLabel = device.label;
      return;
    }
    this.setDevice('').catch(() => undefined);
    this.#hooks.deviceLost(this.#deviceLabel);
  }

  close(): void {
    removeEventListener('click', this.#clicked, true);
    for (const slot of this.slots) slot.close();
    if (this.mixedElement !== null) this.mixedElement.srcObject = null;
    this.#context?.close().catch(() => undefined);
  }

  /** Plays a slot at a volume. Once it was above 1, it stays amplified: changing back and forth would be heard. */
  #play(slot: OutputSlot, volume: number): void {
    if (volume > 1 && slot.gain === null && slot.element !== null) {
      this.#context ??= new AudioContext();
      const element = slot.amplifyAlone(this.#context);
      element.setSinkId?.(this.#deviceId).catch(() => undefined);
      void this.resume();
    }
    slot.setVolume(volume);
  }

  #elements(): HTMLAudioElement[] {
    const elements = this.slots.flatMap(({ element, louder }) => [element, louder]);
    return [...elements, this.mixedElement].filter((element) => element !== null);
  }

  /** Starts the context. A blocked context does not reject: its promise just stays pending. */
  async #startContext(): Promise<boolean> {
    const context = this.#context;
    if (context === null || context.state === 'running') return true;
    // Amplified slots are heard without it, too.
    const needed = this.mixedElement !== null;
    const late = new Promise((resolve) => setTimeout(resolve, START_MS));
    await Promise.race([context.resume().catch(() => undefined), late]);
    return !needed || context.state === ('running' as AudioContextState);
  }
}

/** Plays an element. @returns false if the browser blocks it; other failures are not for the user to resolve. */
async function play(element: HTMLAudioElement): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, START_MS, true));
  const played = element.play().then(
    () => true,
    (error: unknown) => !(error instanceof DOMException && error.name === 'NotAllowedError'),
  );
  return Promise.race([played, late]);
}
