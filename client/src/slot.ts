/** A slot: one stream for the client's whole life, and what plays it. */
import type { Participant } from './protocol.ts';
import type { Slot } from './types.ts';

export class OutputSlot implements Slot {
  readonly index: number;
  readonly stream = new MediaStream();
  readonly element: HTMLAudioElement | null;
  available = false;
  number = 0;
  participant: Participant | null = null;
  /** Null while nothing is attached, or if the server did not grant this slot. */
  receiver: RTCRtpReceiver | null = null;
  mid: string | null = null;
  /** Its gain in the mix. */
  gain: GainNode | null = null;
  #source: MediaStreamAudioSourceNode | null = null;

  /** @param plays whether it has an element. */
  constructor(index: number, plays: boolean) {
    this.index = index;
    this.element = plays ? audioElement() : null;
  }

  /** Takes the track of another connection. @param mix plays it, with output `mixed`. */
  attach(transceiver: RTCRtpTransceiver | undefined, enabled: boolean, mix: AudioContext | null): void {
    const direction = transceiver?.currentDirection ?? 'inactive';
    this.available = direction === 'sendrecv' || direction === 'recvonly';
    this.receiver = this.available ? transceiver!.receiver : null;
    this.mid = this.available ? transceiver!.mid : null;
    for (const track of this.stream.getTracks()) this.stream.removeTrack(track);
    this.#source?.disconnect();
    this.#source = null;
    if (this.receiver === null) return;
    const { track } = this.receiver;
    track.enabled = enabled;
    this.stream.addTrack(track);
    if (mix !== null && this.gain !== null) {
      this.#source = mix.createMediaStreamSource(new MediaStream([track]));
      this.#source.connect(this.gain);
    }
    // Set it again, since WebKit does not notice that a stream has another track.
    if (this.element !== null) this.element.srcObject = this.stream;
  }

  setVolume(volume: number): void {
    if (this.gain !== null) this.gain.gain.value = volume;
    else if (this.element !== null) this.element.volume = volume;
  }

  close(): void {
    this.#source?.disconnect();
    for (const track of this.stream.getTracks()) this.stream.removeTrack(track);
    if (this.element !== null) this.element.srcObject = null;
    this.receiver = null;
    this.available = false;
    this.number = 0;
    this.participant = null;
  }
}

/** Creates an element that plays inline and automatically, as far as the browser allows it. */
export function audioElement(): HTMLAudioElement {
  const element = new Audio();
  element.autoplay = true;
  element.setAttribute('playsinline', '');
  return element;
}
