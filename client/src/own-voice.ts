/** Watches the user's own microphone while somebody listens: its level, its silence, and talk that nobody hears. */
import { type Gauge, gaugeOf } from './gauge.ts';
import type { Emit } from './scene.ts';

/** Interval of the measurements, milliseconds. */
export const INTERVAL_MS = 100;
/** Level that counts as talk, linear (-26 dB of full scale): above breath, keys and a fan. */
const LOUD = 0.05;
/** Measurements in a row that make it talk rather than a knock. */
const IN_A_ROW = 3;
/** Pause after which the talk is over, milliseconds: longer than those between sentences. */
const PAUSE_MS = 2000;
/** Peak below which all samples are 0 in 16 bits. Even a quiet room is louder. */
const NOTHING = 2 ** -16;
/** How long a microphone may deliver nothing, milliseconds. */
const SILENT_MS = 5000;

export interface OwnVoiceHooks {
  /** Whether anybody listens to this event. */
  readonly wanted: (name: 'level' | 'mutedTalk' | 'microphoneSilent') => boolean;
  readonly emit: Emit;
}

export class OwnVoice {
  /** As last measured, linear, 0 to 1; 0 while nothing is measured. */
  level = 0;
  readonly #hooks: OwnVoiceHooks;
  #timer: ReturnType<typeof setInterval> | undefined;
  #track: MediaStreamTrack | null = null;
  #muted = false;
  #gauge: Gauge | null = null;
  /** What the application knows. */
  readonly #told = { mutedTalk: false, microphoneSilent: false };
  /** Loud measurements in a row, and when the last one was. */
  #loud = 0;
  #heardAt = 0;
  /** Since when the microphone has delivered nothing. */
  #silentSince = 0;

  constructor(hooks: OwnVoiceHooks) {
    this.#hooks = hooks;
  }

  /** Watches a microphone's track. @param track null for none. @param muted whether it is not sent. */
  watch(track: MediaStreamTrack | null, muted: boolean): void {
    if (track === this.#track && muted === this.#muted) return;
    if (track !== this.#track) this.#stop();
    this.#track = track;
    this.#muted = muted;
    this.#loud = 0;
    this.#silentSince = performance.now();
    if (track === null || !muted) this.#tell('mutedTalk', false);
    this.#tell('microphoneSilent', false);
    this.update();
  }

  /** Starts or stops measuring, after listeners have come or gone. */
  update(): void {
    const { wanted } = this.#hooks;
    const needed = wanted('level') || wanted(this.#muted ? 'mutedTalk' : 'microphoneSilent');
    if (this.#track === null || !needed) return this.#stop();
    if (this.#gauge !== null) return;
    const gauge = gaugeOf(this.#track);
    if (gauge === null) return;
    this.#gauge = gauge;
    this.#silentSince = performance.now();
    this.#timer = setInterval(() => this.#measure(gauge), INTERVAL_MS);
  }

  #stop(): void {
    if (this.#gauge === null) return;
    clearInterval(this.#timer);
    this.#gauge.close();
    this.#gauge = null;
    this.#setLevel(0);
  }

  #measure(gauge: Gauge): void {
    gauge.level().then(
      (level) => {
        if (gauge === this.#gauge && level !== null) this.#take(level, performance.now());
      },
      () => undefined,
    );
  }

  #take(level: number, now: number): void {
    this.#setLevel(level);
    if (this.#muted) return this.#listenForTalk(level, now);
    // The system may mute a microphone, for example during a phone call.
    if (level >= NOTHING && !this.#track?.muted) this.#silentSince = now;
    this.#tell('microphoneSilent', now - this.#silentSince >= SILENT_MS);
  }

  #listenForTalk(level: number, now: number): void {
    this.#loud = level >= LOUD ? this.#loud + 1 : 0;
    if (this.#loud > 0) this.#heardAt = now;
    if (this.#loud >= IN_A_ROW) this.#tell('mutedTalk', true);
    else if (now - this.#heardAt > PAUSE_MS) this.#tell('mutedTalk', false);
  }

  #setLevel(level: number): void {
    this.level = level;
    this.#hooks.emit('level', level);
  }

  #tell(name: 'mutedTalk' | 'microphoneSilent', value: boolean): void {
    if (this.#told[name] === value) return;
    this.#told[name] = value;
    this.#hooks.emit(name, value);
  }
}
