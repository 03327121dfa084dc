/** The stand-in for backend-auth as a process with a key of its own, and ways to make tokens with that key. */
import { execFile } from 'node:child_process';
import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Child, startChild } from './child.ts';
import { temporaryFolder } from './proxies.ts';

const FOLDER = fileURLToPath(new URL('../../../deploy/backend-auth/', import.meta.url));

export interface StandIn {
  readonly child: Child;
  readonly port: number;
  readonly url: string;
  /** The folder with its key. */
  readonly keys: string;
  /**
   * Makes a token with `node token.mjs`, as its operator would.
   *
   * @param seconds lifetime; negative for an expired token.
   */
  token(userid: string, seconds?: number): Promise<string>;
  /** Returns the private key, for tokens that token.mjs does not make. */
  privateKey(): KeyObject;
  stop(): Promise<number | null>;
}

export async function startStandIn(keys = temporaryFolder('keys')): Promise<StandIn> {
  const env = { ...process.env, KEY_DIR: keys };
  const child = startChild(process.execPath, [join(FOLDER, 'server.mjs')], {
    env: { ...env, HOST: '127.0.0.1', PORT: '0' },
  });
  const { port }: { port: number } = JSON.parse(await child.said('"listening"'));
  const token = async (userid: string, seconds = 3600): Promise<string> => {
    const args = [join(FOLDER, 'token.mjs'), userid, 'client', String(seconds)];
    return (await promisify(execFile)(process.execPath, args, { env })).stdout.trim();
  };
  const privateKey = (): KeyObject => createPrivateKey(readFileSync(join(keys, 'private.pem')));
  return { child, port, url: `http://127.0.0.1:${port}/`, keys, token, privateKey, stop: () => child.stop() };
}

/** Makes a token from any parts. @param signature a key to sign with, or a function that returns the signature. */
export function forge(
  header: object,
  payload: unknown,
  signature: KeyObject | ((signed: string) => string | Buffer),
): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part(header)}.${part(payload)}`;
  const made = typeof signature === 'function' ? signature(signed) : sign('sha256', Buffer.from(signed), signature);
  return `${signed}.${typeof made === 'string' ? made : made.toString('base64url')}`;
}
