/** What is heard: slots, elements or a mix, volumes, the output device, and browsers that wait for a click. */
import { listDevices } from './devices.ts';
import { VoiceError } from './errors.ts';
import type { Peer } from './peer.ts';
import type { Participant } from './protocol.ts';
import { audioElement, OutputSlot } from './slot.ts';
import type { OutputMode } from './types.ts';

/** How long a context may take to start before it counts as blocked, milliseconds. */
const START_MS = 500;

interface OutputHooks {
  blocked(blocked: boolean): void;
  /** @param label of the output that vanished. */
  deviceLost(label: string): void;
  who(number: number): Participant | null;
}

export class Output {
  readonly slots: readonly OutputSlot[];
  readonly mixedElement: HTMLAudioElement | null = null;
  blocked = false;
  private readonly hooks: OutputHooks;
  private readonly context: AudioContext | null = null;
  private readonly volumes = new Map<string, number>();
  private deafened = false;
  private deviceId = '';
  private deviceLabel = '';

  constructor(mode: OutputMode, count: number, hooks: OutputHooks) {
    this.hooks = hooks;
    // In a mix they are silent: Chromium decodes only what an element plays.
    this.slots = Array.from({ length: count }, (_, index) => new OutputSlot(index, mode !== 'none'));
    if (mode !== 'mixed') return;
    this.context = new AudioContext();
    const mixed = this.context.createMediaStreamDestination();
    this.mixedElement = audioElement();
    this.mixedElement.srcObject = mixed.stream;
    for (const slot of this.slots) {
      slot.gain = this.context.createGain();
      slot.gain.connect(mixed);
      slot.element!.muted = true;
    }
  }

  /** Plays another connection. */
  attach(peer: Peer): void {
    this.slots.forEach((slot, i) => void slot.attach(peer.transceivers[i], !this.deafened, this.context));
    this.assign(peer.people.slots);
    this.resume().catch(() => undefined);
  }

  /** Says who is in which slot. @param numbers by mid. */
  assign(numbers: ReadonlyMap<string, number>): void {
    for (const slot of this.slots) {
      slot.number = (slot.mid === null ? undefined : numbers.get(slot.mid)) ?? 0;
      slot.participant = this.hooks.who(slot.number);
      if (slot.participant !== null) slot.setVolume(this.volumes.get(slot.participant.userid) ?? 1);
    }
  }

  /** @param volume 0 to 1. */
  setVolume(userid: string, volume: number): void {
    const bounded = Math.min(1, Math.max(0, Number.isFinite(volume) ? volume : 1));
    if (bounded === 1) this.volumes.delete(userid);
    else this.volumes.set(userid, bounded);
    for (const slot of this.slots) if (slot.participant?.userid === userid) slot.setVolume(bounded);
  }

  deafen(deafened: boolean): void {
    this.deafened = deafened;
    for (const { receiver } of this.slots) if (receiver !== null) receiver.track.enabled = !deafened;
  }

  /** Plays what does not play. @returns whether all does. */
  async resume(): Promise<boolean> {
    const elements = this.elements().filter((element) => element.srcObject !== null);
    const plays = await Promise.all([this.startContext(), ...elements.map(play)]);
    const blocked = plays.includes(false);
    if (blocked !== this.blocked) {
      this.blocked = blocked;
      this.hooks.blocked(blocked);
    }
    return !blocked;
  }

  /** @param deviceId '' for the default. @throws VoiceError `output-device` */
  async setDevice(deviceId: string): Promise<void> {
    const elements = this.mixedElement === null ? this.elements() : [this.mixedElement];
    if (!elements.every((element) => typeof element.setSinkId === 'function')) {
      throw new VoiceError('output-device', 'This browser plays on the system’s output only; choose it there.');
    }
    try {
      await Promise.all(elements.map((element) => element.setSinkId(deviceId)));
    } catch (error) {
      const text = `That output cannot be used: ${error instanceof Error ? error.message : error}.`;
      throw new VoiceError('output-device', `${text} Choose another one of devices().`, { cause: error });
    }
    this.deviceId = deviceId;
    // Not awaited: some browsers list devices to visible pages only.
    if (deviceId !== '')
      listDevices().then(
        ({ outputs }) => this.devicesChanged(outputs),
        () => undefined,
      );
  }

  /** The browser's list is another one. */
  devicesChanged(outputs: readonly MediaDeviceInfo[]): void {
    if (this.deviceId === '') return;
    const device = outputs.find((output) => output.deviceId === this.deviceId);
    if (device !== undefined) {
      this.deviceLabel = device.label;
      return;
    }
    this.setDevice('').catch(() => undefined);
    this.hooks.deviceLost(this.deviceLabel);
  }

  close(): void {
    for (const slot of this.slots) slot.close();
    if (this.mixedElement !== null) this.mixedElement.srcObject = null;
    this.context?.close().catch(() => undefined);
  }

  private elements(): HTMLAudioElement[] {
    const elements = this.slots.map(({ element }) => element);
    return [...elements, this.mixedElement].filter((element) => element !== null);
  }

  /** A context that may not start does not say so: its promise just waits. */
  private async startContext(): Promise<boolean> {
    const { context } = this;
    if (context === null || context.state === 'running') return true;
    const late = new Promise((resolve) => setTimeout(resolve, START_MS));
    await Promise.race([context.resume().catch(() => undefined), late]);
    return context.state === ('running' as AudioContextState);
  }
}

/** @returns false if the browser does not let it play. Whatever else comes between is none of the user's business. */
async function play(element: HTMLAudioElement): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, START_MS, true));
  const played = element.play().then(
    () => true,
    (error: unknown) => !(error instanceof DOMException && error.name === 'NotAllowedError'),
  );
  return Promise.race([played, late]);
}
