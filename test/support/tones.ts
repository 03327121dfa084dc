/** Tones as Opus packets, and what a recording of them sounds like; by Debian's package `opus-tools`. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readOggOpus } from '../../demo/speech/ogg.ts';
import type { Scenarios } from './scenario.ts';

export const RATE = 48_000;
const TOOLS = ['/usr/bin/opusenc', '/usr/bin/opusdec', '/usr/bin/opusinfo'];
/** Samples of which the loudness is taken at once: 2.5 ms. */
const STEP = 120;
/** Loudness from which on a step counts as sound, of 1. */
const SOUND = 0.05;

/** Adds a scenario that needs opus-tools. Without them it is skipped, or fails if `REQUIRE_TOOLS` is set. */
export function withOpusTools(test: Scenarios, name: string, body: () => Promise<void>, seconds: number): void {
  if (TOOLS.every((tool) => existsSync(tool)) || process.env['REQUIRE_TOOLS'] === '1') test(name, body, seconds);
  else test.skip(name, 'opus-tools is not installed');
}

/** When a tone sounds in each second; whole packets of 20 ms. */
export const PULSE = { from: 0.3, to: 0.9 };

/** Returns the packets of one second with a tone in it, which can be repeated. @param hertz a whole number. */
export function tonePackets(hertz: number): readonly Uint8Array[] {
  const samples = Buffer.alloc(2 * RATE * 3);
  for (let i = 0; i < samples.length / 2; i++) {
    const second = (i % RATE) / RATE;
    if (second < PULSE.from || second >= PULSE.to) continue;
    samples.writeInt16LE(Math.round(12_000 * Math.sin((2 * Math.PI * hertz * i) / RATE)), 2 * i);
  }
  const options = ['--quiet', '--raw', '--raw-rate', String(RATE), '--raw-chan', '1', '--bitrate', '32', '--hard-cbr'];
  const file = execFileSync(TOOLS[0]!, [...options, '--framesize', '20', '-', '-'], { input: samples });
  return readOggOpus(file).packets.slice(50, 100);
}

/** Decodes an Ogg Opus file. @returns samples at 48 kHz, -1 … 1. */
export function decode(path: string): Float32Array {
  const folder = mkdtempSync(join(tmpdir(), 'decoded-'));
  try {
    const wav = join(folder, 'sound.wav');
    execFileSync(TOOLS[1]!, ['--quiet', '--rate', String(RATE), '--no-dither', path, wav]);
    const bytes = readFileSync(wav);
    const channels = bytes.readUInt16LE(22);
    const data = bytes.subarray(bytes.indexOf('data', 12, 'latin1') + 8);
    return Float32Array.from({ length: Math.floor(data.length / 2 / channels) }, (_, i) => {
      return data.readInt16LE(2 * channels * i) / 32_768;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Returns what opusinfo says of a file. */
export function opusInfo(path: string): string {
  return execFileSync(TOOLS[2]!, [path], { encoding: 'utf8' });
}

/** Returns when there is sound, seconds. @param join pauses up to this length do not count, seconds. */
export function soundsOf(samples: Float32Array, join = 0.05): [from: number, to: number][] {
  const sounds: [number, number][] = [];
  for (let at = 0; at + STEP <= samples.length; at += STEP) {
    let sum = 0;
    for (let i = at; i < at + STEP; i++) sum += samples[i]! ** 2;
    if (Math.sqrt(sum / STEP) < SOUND) continue;
    const [from, to] = [at / RATE, (at + STEP) / RATE];
    const last = sounds.at(-1);
    if (last !== undefined && from - last[1] <= join) last[1] = to;
    else sounds.push([from, to]);
  }
  return sounds;
}

/** Returns how much of the sound is a tone, 0 … 1 (Goertzel's algorithm). @param from,to seconds. */
export function shareOf(hertz: number, samples: Float32Array, from: number, to: number): number {
  const [first, last] = [Math.round(from * RATE), Math.round(to * RATE)];
  const factor = 2 * Math.cos((2 * Math.PI * hertz) / RATE);
  let [one, two, energy] = [0, 0, 0];
  for (let i = first; i < last; i++) {
    [one, two] = [samples[i]! + factor * one - two, one];
    energy += samples[i]! ** 2;
  }
  const power = one ** 2 + two ** 2 - factor * one * two;
  return energy === 0 ? 0 : (2 * power) / (energy * (last - first));
}
