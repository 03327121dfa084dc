/** When the pulses in the packets of a tap sound, found another way than the recorder does. */
import type { TappedPacket } from '../../src/main/taps/wire.ts';
import { PULSE } from './tones.ts';

const FRAME_S = 0.02;
/** A longer pause between packets is one, seconds. */
const PAUSE_S = 0.15;
const FIRST = Math.round(PULSE.from / FRAME_S);
const COUNT = Math.round((PULSE.to - PULSE.from) / FRAME_S);
/** Packets before a pulse that a decoder needs. */
const RUN_UP = 5;

interface Timed {
  readonly payload: string;
  readonly time: number;
  readonly at: number;
}

/**
 * Returns when each pulse that came whole sounds, seconds since `begin`. A stretch without a pause, of arrivals or of
 * timestamps, lies where the fastest of its packets says.
 *
 * @param packets with an audio level. @param pattern of `tonePackets`. @param begin microseconds since 1970.
 */
export function pulsesOf(
  packets: readonly TappedPacket[],
  pattern: readonly Uint8Array[],
  begin: number,
): [from: number, to: number][] {
  const stretches: Timed[][] = [];
  for (const { bytes, arrival } of packets) {
    const buffer = Buffer.from(bytes);
    const time = buffer.readUInt32BE(4) / 48_000;
    const one = { payload: buffer.toString('base64', 20), time, at: (arrival - begin) / 1e6 };
    const last = stretches.at(-1)?.at(-1);
    const step = last === undefined ? Number.POSITIVE_INFINITY : one.time - last.time;
    if (Math.abs(step - FRAME_S) < 1e-6 && one.at - last!.at - step < PAUSE_S) stretches.at(-1)!.push(one);
    else stretches.push([one]);
  }
  const onset = Buffer.from(pattern[FIRST]!).toString('base64');
  return stretches.flatMap((stretch) => {
    const offset = Math.min(...stretch.map(({ at, time }) => at - time));
    return stretch.flatMap(({ payload, time }, i): [number, number][] => {
      const whole = payload === onset && i >= RUN_UP && i + COUNT < stretch.length;
      return whole ? [[time + offset, time + offset + PULSE.to - PULSE.from]] : [];
    });
  });
}

/** Returns how far the worst pulse is from the sound nearest to it, seconds, at either end. */
export function misalignment(
  sounds: readonly (readonly [number, number])[],
  pulses: readonly (readonly [number, number])[],
): number {
  const distances = pulses.map(([from, to]) =>
    Math.min(...sounds.map((sound) => Math.max(Math.abs(sound[0] - from), Math.abs(sound[1] - to)))),
  );
  return Math.max(0, ...distances);
}
