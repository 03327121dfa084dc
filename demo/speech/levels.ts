/**
 * Measures the level (RFC 6464) of each Opus frame that make.sh has encoded, from the sound before encoding.
 * `node dist/demo/speech/levels.js <directory with the WAV files>` writes levels.json to standard output.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SPEECH } from './library.ts';
import { readOggOpus } from './ogg.ts';

const WAV_HEADER_BYTES = 44;
/** Offset of the sample rate. */
const WAV_RATE = 24;
const OPUS_RATE = 48_000;
const FRAMES_PER_SECOND = 50;
/** The level of a frame without any sound, -dBov. */
const NO_SOUND = 127;

/**
 * Returns the levels of `count` frames in -dBov, as two hexadecimal digits each.
 *
 * @param preSkip samples at 48 kHz that the encoder put before the sound.
 */
function levelsOf(wav: Buffer, preSkip: number, count: number): string {
  const rate = wav.readUInt32LE(WAV_RATE);
  const samples = new Int16Array(wav.buffer.slice(wav.byteOffset + WAV_HEADER_BYTES, wav.byteOffset + wav.length));
  const perFrame = rate / FRAMES_PER_SECOND;
  const skipped = Math.round((preSkip * rate) / OPUS_RATE);
  let text = '';
  for (let frame = 0; frame < count; frame++) {
    const first = frame * perFrame - skipped;
    const power = samples
      .subarray(Math.max(0, first), Math.max(0, first + perFrame))
      .reduce((sum, sample) => sum + sample * sample, 0);
    const level = power === 0 ? NO_SOUND : Math.round(-10 * Math.log10(power / perFrame / 32_768 ** 2));
    text += Math.min(NO_SOUND, Math.max(0, level)).toString(16).padStart(2, '0');
  }
  return text;
}

const directory = process.argv[2] ?? '.';
const levels: Record<string, string> = {};
for (const file of readdirSync(SPEECH).sort()) {
  if (!file.endsWith('.opus')) continue;
  const name = basename(file, '.opus');
  const { preSkip, packets } = readOggOpus(readFileSync(new URL(file, SPEECH)));
  levels[name] = levelsOf(readFileSync(join(directory, `${name}.wav`)), preSkip, packets.length);
}
console.log(JSON.stringify(levels, null, 2));
