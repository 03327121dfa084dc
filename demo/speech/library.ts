/** Reads the bots' recorded sentences. */
import { readFileSync } from 'node:fs';
import { readOggOpus } from './ogg.ts';

/** The folder of the recordings, relative to the compiled file in `dist/demo/speech`. */
export const SPEECH = new URL('../../../demo/speech/', import.meta.url);

/** One sentence, ready to send: a packet for every 20 ms. */
export interface Sentence {
  readonly packets: readonly Uint8Array[];
  /** Level of each packet, -dBov (RFC 6464). */
  readonly levels: Uint8Array;
}

/** A speaker with their sentences. */
export interface Voice {
  readonly name: string;
  readonly sentences: readonly Sentence[];
}

/** Reads all recordings. @throws Error that names the file that is unusable. */
export function readVoices(): Voice[] {
  const all = JSON.parse(readFileSync(new URL('levels.json', SPEECH), 'utf8')) as Readonly<Record<string, string>>;
  const voices = new Map<string, Sentence[]>();
  for (const [file, hex] of Object.entries(all)) {
    const speaker = file.slice(0, file.indexOf('-'));
    const name = speaker.charAt(0).toUpperCase() + speaker.slice(1);
    voices.set(name, [...(voices.get(name) ?? []), readSentence(file, hex)]);
  }
  return [...voices].map(([name, sentences]) => ({ name, sentences }));
}

function readSentence(file: string, hex: string): Sentence {
  try {
    const { packets } = readOggOpus(readFileSync(new URL(`${file}.opus`, SPEECH)));
    const levels = new Uint8Array(Buffer.from(hex, 'hex'));
    if (levels.length !== packets.length) throw new Error('levels.json belongs to another recording');
    return { packets, levels };
  } catch (error) {
    throw new Error(`${file}.opus: ${(error as Error).message}; run demo/speech/make.sh to make it again`);
  }
}
