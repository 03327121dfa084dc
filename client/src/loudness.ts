/**
 * Measures how loud the voice on a received track is, before any volume is applied.
 *
 * Chromium measures the `audioLevel` of `inbound-rtp` after the volume of the elements that play the track, so it is 0
 * if they are muted. A MediaStreamTrackProcessor reads the samples before that, and needs no AudioContext, which would
 * wait for a click. Firefox has no such processor, but its `audioLevel` is that of the voice itself.
 */
import { within } from './time.ts';

/** Number of 10 ms frames measured. The buffer drops the oldest ones, so these are the newest. */
const FRAMES = 10;
/** How long to wait for frames, milliseconds: a track that nothing plays has none. */
const FRAME_TIMEOUT_MS = 50;
/** How long a measurement stays valid, milliseconds: on a busy machine frames may be late. */
const FRESH_MS = 1000;

/** As in Chromium. TypeScript's library lacks it, since the standard defines it for video only. */
type Processor = new (init: {
  track: MediaStreamTrack;
  maxBufferSize: number;
}) => { readonly readable: ReadableStream<AudioData> };

const { MediaStreamTrackProcessor: Processor } = globalThis as { MediaStreamTrackProcessor?: Processor };

export class Loudness {
  readonly #reader: ReadableStreamDefaultReader<AudioData>;
  #reading: Promise<void> | null = null;
  #peak: number | null = null;
  #measured = 0;

  /** Starts measuring a track. @returns null if the browser does not support that. */
  static of(track: MediaStreamTrack): Loudness | null {
    if (Processor === undefined) return null;
    try {
      return new Loudness(new Processor({ track, maxBufferSize: FRAMES }).readable.getReader());
    } catch {
      // This browser supports video only.
      return null;
    }
  }

  private constructor(reader: ReadableStreamDefaultReader<AudioData>) {
    this.#reader = reader;
  }

  /** Returns the peak of the newest 100 ms, 0 to 1; null if there are no samples, not even silent ones. */
  async level(): Promise<number | null> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    const inTime = await within(FRAME_TIMEOUT_MS, this.#reading);
    return inTime || performance.now() - this.#measured < FRESH_MS ? this.#peak : null;
  }

  close(): void {
    this.#reader.cancel().catch(() => undefined);
  }

  async #read(): Promise<void> {
    let peak: number | null = null;
    for (let i = 0; i < FRAMES; i++) {
      const { value } = await this.#reader.read();
      if (value === undefined) break;
      peak = Math.max(peak ?? 0, peakOf(samplesOf(value)));
      value.close();
    }
    this.#peak = peak;
    this.#measured = performance.now();
  }
}

function samplesOf(data: AudioData): Float32Array {
  const samples = new Float32Array(data.numberOfFrames);
  data.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
  return samples;
}

/** Returns the linear peak of samples. */
export function peakOf(samples: Float32Array): number {
  return samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
}
