/**
 * How loud the voice is that a track receives, before any volume.
 *
 * Chromium's `audioLevel` of `inbound-rtp` is measured behind the volume of the elements that play the track: 0 if they are
 * muted. What a MediaStreamTrackProcessor reads comes before it, and needs no AudioContext, which would wait for a click. Where
 * there is none, in Firefox, `audioLevel` is of the voice itself.
 */
import { within } from './time.ts';

/** Frames that are looked at, of 10 ms each. The oldest ones give way, so that these are the newest. */
const FRAMES = 10;
/** A track that nothing plays has no frames, and may be waited for so long, milliseconds. */
const PATIENCE_MS = 50;
/** On a busy machine frames may be late; what was measured holds for so long, milliseconds. */
const FRESH_MS = 1000;

/** As in Chromium; not in TypeScript's library, since the standard has it for video only. */
type Processor = new (init: {
  track: MediaStreamTrack;
  maxBufferSize: number;
}) => { readonly readable: ReadableStream<AudioData> };

const { MediaStreamTrackProcessor: Processor } = globalThis as { MediaStreamTrackProcessor?: Processor };

export class Loudness {
  private readonly reader: ReadableStreamDefaultReader<AudioData>;
  private reading: Promise<void> | null = null;
  private peak: number | null = null;
  private measured = 0;

  /** Listens to a track. @returns null where the browser cannot. */
  static of(track: MediaStreamTrack): Loudness | null {
    if (Processor === undefined) return null;
    try {
      return new Loudness(new Processor({ track, maxBufferSize: FRAMES }).readable.getReader());
    } catch {
      // Video only.
      return null;
    }
  }

  private constructor(reader: ReadableStreamDefaultReader<AudioData>) {
    this.reader = reader;
  }

  /** Peak of the newest 100 ms, from 0 to 1; null if there is nothing to be heard, not even silence. */
  async level(): Promise<number | null> {
    this.reading ??= this.read().finally(() => {
      this.reading = null;
    });
    const inTime = await within(PATIENCE_MS, this.reading);
    return inTime || performance.now() - this.measured < FRESH_MS ? this.peak : null;
  }

  close(): void {
    this.reader.cancel().catch(() => undefined);
  }

  private async read(): Promise<void> {
    let peak: number | null = null;
    for (let i = 0; i < FRAMES; i++) {
      const { value } = await this.reader.read();
      if (value === undefined) break;
      peak = Math.max(peak ?? 0, peakOf(value));
      value.close();
    }
    this.peak = peak;
    this.measured = performance.now();
  }
}

function peakOf(data: AudioData): number {
  const samples = new Float32Array(data.numberOfFrames);
  data.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
  return samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
}
