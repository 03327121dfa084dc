/**
 * A sound that Opus takes for speech: pulses of a voice, filtered by the formants of vowels, four syllables a second,
 * with a hiss before each. A tone would not do: Opus codes it as music, and its own error correction is for speech.
 */

const RATE = 48_000;
/** Length before the sound repeats, seconds. The vowel and the pitch change from syllable to syllable. */
const SECONDS = 2;
const SYLLABLES_PER_SECOND = 4;
const HISS_SECONDS = 0.05;
/** Formants of vowels, Hz. */
const VOWELS = [
  [730, 1090, 2440],
  [270, 2290, 3010],
  [570, 840, 2410],
  [530, 1840, 2480],
  [300, 870, 2240],
] as const;
const BANDWIDTHS = [80, 100, 140] as const;
const PEAK = 0.6;

/** Returns the sound as a data URL of a WAV file. */
export function speech(): string {
  const samples = voice();
  const file = Buffer.alloc(44 + 2 * samples.length);
  file.write('RIFF', 0);
  file.writeUInt32LE(file.length - 8, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(RATE, 24);
  file.writeUInt32LE(2 * RATE, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((sample, i) => void file.writeInt16LE(Math.round(32_767 * sample), 44 + 2 * i));
  return `data:audio/wav;base64,${file.toString('base64')}`;
}

function voice(): Float64Array {
  const samples = new Float64Array(RATE * SECONDS);
  const syllable = RATE / SYLLABLES_PER_SECOND;
  for (let begin = 0, n = 0; begin < samples.length; begin += syllable, n++) {
    const formants = VOWELS[n % VOWELS.length]!;
    const state = formants.map(() => [0, 0] as [number, number]);
    let phase = 0;
    for (let i = 0; i < syllable; i++) {
      const progress = i / syllable;
      phase += (105 + 15 * (n % 3) - 12 * progress) / RATE;
      const hissing = i < HISS_SECONDS * RATE;
      const pulse = phase >= 1 ? 1 : 0;
      if (phase >= 1) phase -= 1;
      let sound = hissing ? 0.05 * noise(begin + i) : pulse + 0.01 * noise(begin + i);
      if (!hissing) sound = formants.reduce((sum, hz, k) => sum + resonate(state[k]!, hz, BANDWIDTHS[k]!, sound), 0);
      samples[begin + i] = sound * Math.sin(Math.PI * progress) ** 0.5;
    }
  }
  const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  return samples.map((sample) => (sample * PEAK) / loudest);
}

/** Passes one sample through a resonator with two poles. */
function resonate(state: [number, number], hz: number, bandwidth: number, input: number): number {
  const radius = Math.exp((-Math.PI * bandwidth) / RATE);
  const output = input + 2 * radius * Math.cos((2 * Math.PI * hz) / RATE) * state[0] - radius ** 2 * state[1];
  state[1] = state[0];
  state[0] = output;
  return output;
}

/** Returns the i-th sample of a noise that is the same in every run, -1 … 1. */
function noise(i: number): number {
  const mixed = Math.imul(i ^ (i >>> 13), 0x9e3779b1);
  return (Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 0) / 2 ** 31 - 1;
}
