/** The command line of `npm run record`. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

export interface Options {
  readonly conversation: string;
  /** A folder, which is made; it must be empty. */
  readonly out: string;
  /** Of the operators' listener. */
  readonly url: string;
  /** The operators' token; null for none. */
  readonly token: string | null;
  /** Length of a part, minutes. */
  readonly rotate: number;
  readonly mix: boolean;
}

/** The shortest part, minutes: each one holds files open, and stays in the manifest. */
const LEAST_ROTATE = 0.05;

export const USAGE = `npm run record -- --conversation ID --out FOLDER [OPTION…]

Records a conversation until it gets SIGINT or SIGTERM: one Ogg Opus file a speaker.

  --conversation ID   the conversation; nobody needs to be in it yet
  --out FOLDER        where to; it is made, and must be empty
  --url URL           the operators' listener (http://127.0.0.1:8081)
  --token-file FILE   a file with the operators' token (ADMIN_TOKEN_FILE)
  --rotate MINUTES    begins new files so often, 0.05 to 1440 (60)
  --mix               makes one file of all speakers of each part at its end, with ffmpeg
`;

/** Reads the command line. @throws Error that says what is wrong with it. */
export function readOptions(args: readonly string[]): Options {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ conversation: text, out: text, url: text, rotate: text, 'token-file': text },
      mix: { type: 'boolean' },
    },
  });
  const { conversation, out, url = 'http://127.0.0.1:8081', rotate = '60', mix = false } = values;
  if (conversation === undefined || conversation === '') throw new Error('--conversation is missing');
  if (out === undefined || out === '') throw new Error('--out is missing');
  if (!/^https?:\/\/[^/]/.test(url)) throw new Error('--url must begin with http:// or https://');
  if (!/^\d{1,4}(\.\d+)?$/.test(rotate) || Number(rotate) > 1440 || Number(rotate) < LEAST_ROTATE) {
    throw new Error(`--rotate must be a number of minutes from ${LEAST_ROTATE} to 1440`);
  }
  const file = values['token-file'];
  const token = file === undefined ? null : readFileSync(file, 'utf8').trim();
  return { conversation, out, url: url.replace(/\/$/, ''), token, rotate: Number(rotate), mix };
}
