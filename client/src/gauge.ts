/** Measures how loud a track of this machine is, in every browser. */
import { Loudness, peakOf } from './loudness.ts';

/** Samples of one measurement where there is an analyser, 0.17 s at 48 kHz. */
const WINDOW = 8192;

export interface Gauge {
  /** Returns a linear peak, 0 to 1; null if it cannot be measured now. */
  level(): Promise<number | null>;
  close(): void;
}

/** Starts measuring a microphone's track. @returns null if this browser cannot. */
export function gaugeOf(track: MediaStreamTrack): Gauge | null {
  const loudness = Loudness.of(track);
  if (loudness === null) return analyserOf(track);
  // What delivers no samples, not even silent ones, is silent.
  return { level: async () => (await loudness.level()) ?? 0, close: () => loudness.close() };
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
      return peakOf(samples);
    };
    return { level, close };
  } catch {
    // Too many contexts, or none at all: levels are a convenience.
    close();
    return null;
  }
}
