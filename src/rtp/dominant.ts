/**
 * The dominant speaker of a conversation: Ilana Volfin and Israel Cohen, "Dominant speaker identification for multipoint
 * videoconferencing", Computer Speech and Language 27 (2013).
 *
 * Each speaker's activity is looked at over three lengths of time. Immediate: how many of the sub-bands of the volume
 * one 20 ms frame fills. Medium: how many of the last {@link N2} frames were active in that sense; long: how many of the
 * last {@link N3} medium stretches were. The likelihood that so much activity is speech, against the speaker who is
 * dominant now, decides; a new one must be ahead in all three lengths at once. Unlike in the paper any sound above the
 * speaker's own noise makes a frame active: see {@link LEAST_BANDS}.
 */
import { OPUS_CLOCK_RATE, OPUS_FRAME_TICKS } from './packet.ts';

/** How often to look who is dominant, ticks: 300 ms. */
export const DECISION_TICKS = 0.3 * OPUS_CLOCK_RATE;

/** Sub-bands of a frame's volume, frames of a medium stretch, medium stretches of the long one. */
const N1 = 13;
const N2 = 5;
const N3 = 10;
const FRAMES = N2 * N3;
const MAX_VOLUME = 127;
/** Sub-bands that make a frame active, and active frames that make a medium stretch active. */
const MEDIUM_THRESHOLD = 7;
const LONG_THRESHOLD = 4;
/** How far ahead a challenger must be, as a logarithm of the ratio of likelihoods: immediate, medium, long. */
const C1 = 3;
const C2 = 2;
const C3 = 0;
/**
 * What any sound above its speaker's own noise fills: enough to be active. People and microphones differ by more than
 * speech does from noise, and a soft voice must be able to dominate a silent room.
 */
const LEAST_BANDS = MEDIUM_THRESHOLD + 1;
const LEAST_SCORE = 1e-10;
/** Longest silence between two packets that is filled in, frames. */
const MAX_GAP = FRAMES;

const IMMEDIATE = scores(N1, 0.78);
const MEDIUM = scores(N2, 24);
const LONG = scores(N3, 47);

/** One speaker's last second. */
export class Activity {
  /** Logarithms of the scores, as of the last {@link rate}. */
  immediate = 0;
  medium = 0;
  long = 0;
  /** Sub-bands filled, by frame. */
  private readonly filled = new Uint8Array(FRAMES);
  private next = 0;
  private last = 0;
  private started = false;

  /**
   * Takes the volume of a packet.
   *
   * @param volume 1 … 127 (loudest); 0 for what does not stand out of the speaker's own noise.
   * @param clock now, ticks.
   */
  hear(volume: number, clock: number): void {
    const frames = this.started ? this.framesSince(clock) : 1;
    this.started = true;
    this.last = clock;
    // A packet of 60 ms stands for three frames; more is silence in between.
    for (let i = 3; i < frames; i++) this.push(0);
    const bands = volume === 0 ? 0 : LEAST_BANDS + Math.floor(((N1 - LEAST_BANDS) * volume) / MAX_VOLUME);
    for (let i = 0; i < Math.min(3, Math.max(1, frames)); i++) this.push(bands);
  }

  /** Computes the scores of the second that ends now. @param clock ticks. */
  rate(clock: number): void {
    const silence = Math.max(0, this.framesSince(clock) - 1);
    let long = 0;
    let latest = 0;
    for (let stretch = 0; stretch < N3; stretch++) {
      let active = 0;
      for (let i = stretch * N2; i < (stretch + 1) * N2; i++) {
        if (this.bands(i - silence) > MEDIUM_THRESHOLD) active++;
      }
      if (stretch === 0) latest = active;
      if (active > LONG_THRESHOLD) long++;
    }
    this.immediate = IMMEDIATE[this.bands(-silence)]!;
    this.medium = MEDIUM[latest]!;
    this.long = LONG[long]!;
  }

  /** Sub-bands filled by the frame `age` frames ago; a negative age is in the silence since. */
  private bands(age: number): number {
    if (age < 0 || age >= FRAMES) return 0;
    return this.filled[(this.next - 1 - age + 2 * FRAMES) % FRAMES]!;
  }

  private framesSince(clock: number): number {
    const since = (clock - this.last) | 0;
    return since < 0 || since > MAX_GAP * OPUS_FRAME_TICKS ? MAX_GAP : Math.round(since / OPUS_FRAME_TICKS);
  }

  private push(bands: number): void {
    this.filled[this.next] = bands;
    this.next = (this.next + 1) % FRAMES;
  }
}

/**
 * How far a challenger is ahead of the dominant speaker; of several who are ahead the one who is furthest is dominant.
 *
 * @param dominant who is dominant so far; null for nobody. Both rated just now ({@link Activity.rate}).
 * @returns the lead over the medium length of time; 0 for one who is not ahead in all three.
 */
export function lead(challenger: Activity, dominant: Activity | null): number {
  const immediate = challenger.immediate - (dominant === null ? IMMEDIATE[0]! : dominant.immediate);
  const medium = challenger.medium - (dominant === null ? MEDIUM[0]! : dominant.medium);
  const long = challenger.long - (dominant === null ? LONG[0]! : dominant.long);
  return immediate > C1 && medium > C2 && long > C3 ? medium : 0;
}

/**
 * Logarithms of the likelihood ratio that `k` of `n` steps are active because somebody speaks (binomial with p = ½)
 * rather than by chance (exponential with λ).
 */
function scores(n: number, lambda: number): readonly number[] {
  const logFactorial = (k: number): number => {
    let sum = 0;
    for (let i = 2; i <= k; i++) sum += Math.log(i);
    return sum;
  };
  return Array.from({ length: n + 1 }, (_, k) => {
    const binomial = logFactorial(n) - logFactorial(k) - logFactorial(n - k) + n * Math.log(0.5);
    return Math.log(Math.max(LEAST_SCORE, binomial - Math.log(lambda) + lambda * k));
  });
}
