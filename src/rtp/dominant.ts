/**
 * The dominant speaker of a conversation, after Ilana Volfin and Israel Cohen, "Dominant speaker identification for
 * multipoint videoconferencing", Computer Speech and Language 27 (2013).
 *
 * Each speaker's activity is measured over three lengths of time. Immediate: how many of the volume's sub-bands one
 * 20 ms frame fills. Medium: how many of the last {@link N2} frames were active in that sense. Long: how many of the
 * last {@link N3} medium stretches were active. Each measure becomes the likelihood that so much activity is speech,
 * which is compared with that of the current dominant speaker. A new one must be ahead in all three at once. Unlike in
 * the paper, any sound above the speaker's own noise makes a frame active: see {@link LEAST_BANDS}.
 */
import { OPUS_CLOCK_RATE, OPUS_FRAME_TICKS } from './packet.ts';

/** How often the dominant speaker is determined, ticks: 300 ms. */
export const DECISION_TICKS = 0.3 * OPUS_CLOCK_RATE;

/** Sub-bands of a frame's volume, frames in a medium stretch, medium stretches in the long one. */
const N1 = 13;
const N2 = 5;
const N3 = 10;
const FRAMES = N2 * N3;
const MAX_VOLUME = 127;
/** A frame is active above this many filled sub-bands, and a medium stretch above this many active frames. */
const MEDIUM_THRESHOLD = 7;
const LONG_THRESHOLD = 4;
/** How far ahead a challenger must be, as the logarithm of the ratio of likelihoods: immediate, medium, long. */
const C1 = 3;
const C2 = 2;
const C3 = 0;
/**
 * Sub-bands that any sound above its speaker's own noise fills: enough to be active. People and microphones differ more
 * than speech differs from noise, and a soft voice must be able to dominate a quiet room.
 */
const LEAST_BANDS = MEDIUM_THRESHOLD + 1;
const LEAST_SCORE = 1e-10;
/** Longest gap between two packets that is filled in, frames. */
const MAX_GAP = FRAMES;

const IMMEDIATE = scores(N1, 0.78);
const MEDIUM = scores(N2, 24);
const LONG = scores(N3, 47);

/** One speaker's activity in the last second. */
export class Activity {
  /** Logarithms of the scores, as the last {@link rate} computed them. */
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
   * @param volume 1 … 127 (loudest); 0 if it does not stand out from the speaker's own noise.
   * @param clock now, ticks.
   */
  hear(volume: number, clock: number): void {
    const frames = this.started ? this.framesSince(clock) : 1;
    this.started = true;
    this.last = clock;
    // A packet of 60 ms counts as three frames; any more are a gap before it.
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

  /** Returns the sub-bands filled by the frame `age` frames ago; a negative age lies in the gap since. */
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
 * Returns how far a challenger is ahead of the dominant speaker. Of several who are ahead, the one with the largest
 * lead becomes dominant. Both must have been rated just now ({@link Activity.rate}).
 *
 * @param dominant the current dominant speaker; null for nobody.
 * @returns the lead over the medium length of time; 0 if the challenger is not ahead in all three.
 */
export function lead(challenger: Activity, dominant: Activity | null): number {
  const immediate = challenger.immediate - (dominant === null ? IMMEDIATE[0]! : dominant.immediate);
  const medium = challenger.medium - (dominant === null ? MEDIUM[0]! : dominant.medium);
  const long = challenger.long - (dominant === null ? LONG[0]! : dominant.long);
  return immediate > C1 && medium > C2 && long > C3 ? medium : 0;
}

/**
 * Returns, for each `k`, the logarithm of the ratio of two likelihoods: that `k` of `n` steps are active because
 * somebody speaks (binomial with p = ½), and that they are active by chance (exponential with λ).
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
