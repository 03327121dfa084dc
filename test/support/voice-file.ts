/** A voice that never pauses, as a file that a browser takes for its microphone. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './proxies.ts';

const RATE = 48_000;
const SECONDS = 20;
const HARMONICS = 15;
const HEADER_BYTES = 44;

/**
 * Writes a WAV file (16 bits, mono). The pitch glides and four syllables a second swell, so that no filter takes it for
 * noise. Browsers repeat it. @returns the path.
 */
export function voiceFile(): string {
  const samples = new Int16Array(RATE * SECONDS);
  const wave = (hertz: number, at: number): number => Math.sin(2 * Math.PI * hertz * (at / RATE));
  let phase = 0;
  for (let i = 0; i < samples.length; i++) {
    phase += (2 * Math.PI * (140 + 25 * wave(2.3, i) + 10 * wave(0.7, i))) / RATE;
    const formant = 5 - 3 * wave(1.7, i);
    let sum = 0;
    for (let k = 1; k <= HARMONICS; k++) sum += Math.sin(k * phase) / (1 + Math.abs(k - formant));
    samples[i] = 5000 * (0.65 + 0.35 * wave(4.1, i)) * sum;
  }
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('RIFF', 0);
  header.writeUInt32LE(HEADER_BYTES - 8 + samples.byteLength, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(samples.byteLength, 40);
  const path = join(temporaryFolder('voice'), 'voice.wav');
  writeFileSync(path, Buffer.concat([header, Buffer.from(samples.buffer)]));
  return path;
}
