/** Notices that the user talks although nobody hears it, so that the application can say so. */
import { Loudness } from './loudness.ts';

/** Level that counts as talk, linear (-26 dB of full scale): above breath, keys and a fan. */
const LOUD = 0.05;
/** Measurements in a row that make it talk rather than a knock. */
const IN_A_ROW = 2;
/** Pause after which the talk is over, milliseconds: longer than those between sentences. */
const PAUSE_MS = 2000;
/** Samples of one measurement where there is an analyser, 0.17 s at 48 kHz. */
const WINDOW = 8192;

interface Gauge {
  /** Returns a linear peak, 0 to 1; null if it cannot be measured now. */
  level(): Promise<number | null>;
  close(): void;
}

export class MutedTalk {
  readonly #interval: number;
  readonly #report: (talks: boolean) => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #track: MediaStreamTrack | null = null;
  #gauge: Gauge | null = null;
  #talks = false;
  #loud = 0;
  #heardAt = 0;

  /** @param interval in milliseconds; 0 for never. */
  constructor(interval: number, report: (talks: boolean) => void) {
    this.#interval = interval;
    this.#report = report;
  }

  /** Watches a microphone's track that is not sent. @param track null for none. */
  watch(track: MediaStreamTrack | null): void {
    if (track === this.#track || this.#interval <= 0) return;
    this.#track = track;
    clearInterval(this.#timer);
    this.#gauge?.close();
    this.#gauge = track === null ? null : (Loudness.of(track) ?? analyserOf(track));
    this.#loud = 0;
    if (track === null) this.#tell(false);
    if (this.#gauge !== null) this.#timer = setInterval(() => this.#measure(this.#gauge!), this.#interval);
  }

  close(): void {
    this.watch(null);
  }

  #measure(gauge: Gauge): void {
    gauge.level().then(
      (level) => {
        if (gauge === this.#gauge) this.#take(level ?? 0, performance.now());
      },
      () => undefined,
    );
  }

  #take(level: number, now: number): void {
    this.#loud = level >= LOUD ? this.#loud + 1 : 0;
    if (this.#loud > 0) this.#heardAt = now;
    if (this.#loud >= IN_A_ROW) this.#tell(true);
    else if (now - this.#heardAt > PAUSE_MS) this.#tell(false);
  }

  #tell(talks: boolean): void {
    if (talks === this.#talks) return;
    this.#talks = talks;
    this.#report(talks);
  }
}

/** Measures in browsers that have no MediaStreamTrackProcessor for sound. They let a page that captures sound do so. */
function analyserOf(track: MediaStreamTrack): Gauge | null {
  let context: AudioContext | null = null;
  const close = (): void => void context?.close().catch(() => undefined);
  try {
    context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: WINDOW });
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(WINDOW);
    const level = async (): Promise<number | null> => {
      if (context?.state !== 'running') return null;
      analyser.getFloatTimeDomainData(samples);
      return samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
    };
    return { level, close };
  } catch {
    // Too many contexts, or none at all: the event is a convenience.
    close();
    return null;
  }
}
