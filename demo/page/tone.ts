/** A test tone to replace a microphone. Its tune swells like syllables, so that the server ranks it like a voice. */

const RATE = 16_000;
/** Frequencies of the notes, Hz. A pause of two notes follows them. */
const NOTES = [440, 523.25, 587.33, 659.25, 587.33, 783.99, 659.25, 523.25] as const;
/** Length of a note, seconds. */
const NOTE_S = 0.3;
const LOUDNESS = 0.3;
/** How long an audio context may take to start, milliseconds. */
const START_MS = 1000;

export interface Tone {
  readonly track: MediaStreamTrack;
  stop(): void;
}

/**
 * Starts the test tone. Where the browser plays nothing before a click, as after a reload, the tone begins with the first
 * one.
 *
 * @throws Error if this browser supports neither way to make it.
 */
export async function startTone(): Promise<Tone> {
  const samples = tune();
  const context = new AudioContext();
  await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, START_MS))]);
  if (context.state === 'running') return fromContext(context, samples);
  try {
    const tone = await fromElement(samples);
    // There is no audio device for the context.
    void context.close();
    return tone;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotAllowedError') return withClick(context, samples);
    void context.close();
    throw error;
  }
}

function tune(): Float32Array<ArrayBuffer> {
  const perNote = RATE * NOTE_S;
  const samples = new Float32Array(perNote * (NOTES.length + 2));
  NOTES.forEach((frequency, note) => {
    for (let i = 0; i < perNote; i++) {
      const swell = Math.sin((Math.PI * i) / perNote) ** 2;
      const turn = (2 * Math.PI * frequency * i) / RATE;
      samples[note * perNote + i] = LOUDNESS * swell * (Math.sin(turn) + 0.3 * Math.sin(2 * turn));
    }
  });
  return samples;
}

/** Makes the tone in an audio context, which is silent until a click or a key lets the context start. */
function withClick(context: AudioContext, samples: Float32Array<ArrayBuffer>): Tone {
  const ended = new AbortController();
  for (const name of ['click', 'keydown'])
    window.addEventListener(name, () => void context.resume(), { signal: ended.signal });
  const { track, stop } = fromContext(context, samples);
  return {
    track,
    stop: () => {
      ended.abort();
      stop();
    },
  };
}

/** Makes the tone in an audio context. */
function fromContext(context: AudioContext, samples: Float32Array<ArrayBuffer>): Tone {
  const buffer = context.createBuffer(1, samples.length, RATE);
  buffer.copyToChannel(samples, 0);
  const source = new AudioBufferSourceNode(context, { buffer, loop: true });
  const output = context.createMediaStreamDestination();
  source.connect(output);
  source.start();
  return { track: output.stream.getAudioTracks()[0]!, stop: () => void context.close() };
}

/** Makes the tone in a media element, which plays even without an audio device. */
async function fromElement(samples: Float32Array): Promise<Tone> {
  const element: HTMLAudioElement & { captureStream?(): MediaStream; mozCaptureStream?(): MediaStream } = new Audio();
  const stream = element.captureStream?.() ?? element.mozCaptureStream?.();
  if (stream === undefined) throw new Error('This browser cannot make the test tone. Choose a microphone, or none.');
  const url = URL.createObjectURL(wav(samples));
  element.src = url;
  element.loop = true;
  await element.play();
  while (stream.getAudioTracks().length === 0) {
    await new Promise((resolve) => stream.addEventListener('addtrack', resolve, { once: true }));
  }
  const stop = (): void => {
    element.pause();
    URL.revokeObjectURL(url);
  };
  return { track: stream.getAudioTracks()[0]!, stop };
}

/** Returns the samples as a WAV file: PCM, mono, 16 bits. */
function wav(samples: Float32Array): Blob {
  const header = new DataView(new ArrayBuffer(44));
  const text = (at: number, value: string): void =>
    [...value].forEach((char, i) => void header.setUint8(at + i, char.charCodeAt(0)));
  const bytes = 2 * samples.length;
  text(0, 'RIFF');
  header.setUint32(4, 36 + bytes, true);
  text(8, 'WAVEfmt ');
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, RATE, true);
  header.setUint32(28, 2 * RATE, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  text(36, 'data');
  header.setUint32(40, bytes, true);
  const pcm = Int16Array.from(samples, (sample) => Math.round(sample * 32_767));
  return new Blob([header, pcm], { type: 'audio/wav' });
}
