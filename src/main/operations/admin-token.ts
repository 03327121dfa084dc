/** Who may act by the operators' listener: whoever has the bearer token (RFC 6750), or without one this machine alone. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { RequestError } from '../errors.ts';
import { isLoopback } from '../ip-address.ts';
import { sameSecret } from '../secrets.ts';

/** The longest file with a token, bytes: the token, and a line feed or two. */
const MAX_FILE_BYTES = 300;

/**
 * Reads a token.
 *
 * @param path value of `ADMIN_TOKEN_FILE`.
 * @throws Error that names the variable and says what is wrong with the file.
 */
export function readToken(path: string): string {
  let text: string;
  try {
    text = beginningOf(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`ADMIN_TOKEN_FILE is a file that cannot be read (${code ?? message}): ${path}`);
  }
  const token = text.trim();
  if (token === '') throw new Error(`ADMIN_TOKEN_FILE is an empty file: ${path}`);
  if (/^[\x21-\x7e]{16,256}$/.test(token)) return token;
  throw new Error(`ADMIN_TOKEN_FILE has no token of 16 to 256 visible ASCII characters without spaces: ${path}`);
}

/** @throws Error if it is no file, such as a pipe, which nobody might ever write to. */
function beginningOf(path: string): string {
  // Opening a pipe would wait for its writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(file).isFile()) throw new Error('not a file');
    const bytes = Buffer.alloc(MAX_FILE_BYTES);
    return bytes.toString('latin1', 0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}

/** Decides who may act. */
export class OperatorAccess {
  private readonly path: string;
  private loopback = false;

  /** @param path value of `ADMIN_TOKEN_FILE`. @throws Error for operators if its file has no token. */
  constructor(path: string) {
    this.path = path;
    if (path !== '') readToken(path);
  }

  /** Learns where the listener listens. @param address an IP address. */
  listening(address: string): void {
    this.loopback = isLoopback(address);
  }

  /**
   * Checks that the sender of a request may act. The file is read anew, so that another token counts at once.
   *
   * @throws RequestError `bad-token` or `forbidden`
   */
  check({ headers }: Pick<IncomingMessage, 'headers'>): void {
    if (this.path === '') {
      if (this.loopback) return;
      const next = 'set ADMIN_TOKEN_FILE, and send what is in that file as Authorization: Bearer';
      throw new RequestError('forbidden', `Nobody may act here, because ADMIN_LISTEN is not on loopback: ${next}.`);
    }
    const [, given] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
    if (given !== undefined && sameSecret(given, this.expected())) return;
    const challenge = { 'WWW-Authenticate': given === undefined ? 'Bearer' : 'Bearer error="invalid_token"' };
    const what = given === undefined ? 'To act needs' : 'That is not';
    throw new RequestError('bad-token', `${what} the token of ADMIN_TOKEN_FILE, as Authorization: Bearer.`, challenge);
  }

  /** @throws RequestError `forbidden` if there is no token any more: then nobody may act. */
  private expected(): string {
    try {
      return readToken(this.path);
    } catch (error) {
      throw new RequestError('forbidden', `Nobody may act now: ${(error as Error).message}.`);
    }
  }
}
