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
  /** Its gain in the mix, or in what {@link louder} plays. */
  gain: GainNode | null = null;
  /** Plays it in place of `element` once the volume has been above 1, which no element can do by itself. */
  louder: HTMLAudioElement | null = null;
  #source: MediaStreamAudioSourceNode | null = null;

  /** @param plays whether it has an element. */
  constructor(index: number, plays: boolean) {
    this.index = index;
    this.element = plays ? audioElement() : null;
  }

  /** Takes the track of another connection. */
  attach(transceiver: RTCRtpTransceiver | undefined, enabled: boolean): void {
    const direction = transceiver?.currentDirection ?? 'inactive';
    this.available = direction === 'sendrecv' || direction === 'recvonly';
    this.receiver = this.available ? transceiver!.receiver : null;
    this.mid = this.available ? transceiver!.mid : null;
    for (const track of this.stream.getTracks()) this.stream.removeTrack(track);
    this.#disconnect();
    if (this.receiver === null) return;
    const { track } = this.receiver;
    track.enabled = enabled;
    this.stream.addTrack(track);
    this.#connect();
    // Set it again, since WebKit does not notice that a stream has another track.
    if (this.element !== null) this.element.srcObject = this.stream;
  }

  /** Sends what is received to a gain. */
  amplify(gain: GainNode): void {
    this.gain = gain;
    this.#connect();
  }

  /**
   * Amplifies it from now on. The element goes on, muted while the other one plays, because Chromium decodes only what
   * an element plays; where the context does not run, it is the one that is heard.
   *
   * @returns the element that plays it amplified.
   */
  amplifyAlone(context: AudioContext): HTMLAudioElement {
    const amplified = context.createMediaStreamDestination();
    const gain = context.createGain();
    gain.connect(amplified);
    this.amplify(gain);
    const element = audioElement();
    this.louder = element;
    element.srcObject = amplified.stream;
    const choose = (): void => {
      const { state } = context;
      this.element!.muted = state === 'running' && !element.paused;
    };
    element.onplaying = choose;
    context.addEventListener('statechange', choose);
    return element;
  }

  setVolume(volume: number): void {
    if (this.gain !== null) this.gain.gain.value = volume;
    // While the other element is heard, this has no effect.
    if (this.element !== null) this.element.volume = Math.min(1, volume);
  }

  #connect(): void {
    const { gain, receiver } = this;
    if (gain === null || receiver === null) return;
    this.#source = (gain.context as AudioContext).createMediaStreamSource(new MediaStream([receiver.track]));
    this.#source.connect(gain);
  }

  #disconnect(): void {
    this.#source?.disconnect();
    this.#source = null;
  }

  close(): void {
    this.#disconnect();
    for (const track of this.stream.getTracks()) this.stream.removeTrack(track);
    for (const element of [this.element, this.louder]) if (element !== null) element.srcObject = null;
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
