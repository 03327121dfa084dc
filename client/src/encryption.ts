/**
 * End-to-end encryption as the client uses it: starts the worker, gives it the frames, and brings it keys and people. It
 * is a module of its own (`client/dist/encryption.js`), which only clients that encrypt load.
 */
import type { Command, Notice, TransformOptions } from './encryption-messages.ts';
import type { VoiceError } from './errors.ts';
import type { DecryptionFailure, FrameCounts } from './frame-decryption.ts';
import type { EncryptionKey, EncryptionOptions } from './types.ts';

/** The worker's code, which `client/build.ts` puts here. */
declare const ENCRYPTION_WORKER: string;

/** How long the worker may take to start, milliseconds. */
const START_MS = 8000;
/** Fewest bytes of a key. */
const LEAST_BYTES = 16;
const MAX_ID = 255;

export interface EncryptionHooks {
  decryption(change: { userid: string; reason: DecryptionFailure | null }): void;
  /** Something is wrong with the application's keys, or with the worker. */
  failed(error: VoiceError): void;
  /** Makes an error of the client. (This module has none of the client's code, which it would have a second time.) */
  error(code: 'unsupported' | 'encryption', message: string): VoiceError;
}

type StreamsOwner = { createEncodedStreams(): { readable: ReadableStream; writable: WritableStream } };

/** Why this browser cannot encrypt; null if it can. */
function whyUnsupported(): string | null {
  if (globalThis.crypto?.subtle === undefined) return 'end-to-end encryption needs a page served over HTTPS';
  if (hasScriptTransform() || 'createEncodedStreams' in (globalThis.RTCRtpSender?.prototype ?? {})) return null;
  return 'this browser has no RTCRtpScriptTransform, which end-to-end encryption needs';
}

function hasScriptTransform(): boolean {
  return typeof RTCRtpScriptTransform === 'function';
}

/** Starts the encryption of a client. @throws VoiceError `unsupported` if this page cannot encrypt, `encryption` */
export async function startEncryption(options: EncryptionOptions, hooks: EncryptionHooks): Promise<Encryption> {
  const why = whyUnsupported();
  if (why !== null) throw hooks.error('unsupported', `Not connected: ${why}. Connect without it, or elsewhere.`);
  const encryption = new Encryption(options, hooks);
  const failure = await encryption.start();
  if (failure !== null) throw failed(hooks, failure);
  return encryption;
}

function failed(hooks: EncryptionHooks, text: string): VoiceError {
  return hooks.error('encryption', `End-to-end encryption: ${text}.`);
}

export class Encryption {
  /** What became of the frames of others; null until there are some. */
  counts: FrameCounts | null = null;
  readonly failures = new Map<string, DecryptionFailure>();
  readonly #options: EncryptionOptions;
  readonly #hooks: EncryptionHooks;
  #worker: Worker | null = null;
  #lastId = 0;
  readonly #answers = new Map<number, (key: EncryptionKey | null) => void>();
  #connections = 0;
  /** Who is on each connection. */
  readonly #people = new Map<number, ReadonlyMap<number, string>>();
  #keyId: number;

  constructor(options: EncryptionOptions, hooks: EncryptionHooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.#keyId = options.keyId ?? 0;
  }

  /** Starts the worker. @returns why that is impossible; null if it runs. */
  async start(): Promise<string | null> {
    const options = this.#options;
    const keyId = this.#keyId;
    const shared = 'key' in options;
    const wrong = shared ? whyBad(options) : idIsGood(keyId) ? null : badId(keyId);
    if (wrong !== null) return wrong;
    const url = options.worker ?? URL.createObjectURL(new Blob([ENCRYPTION_WORKER], { type: 'text/javascript' }));
    try {
      this.#worker = new Worker(url);
    } catch (error) {
      return blocked(String(error));
    }
    const failure = await this.#begin({ type: 'start', shared, keyId, userid: options.userid ?? null });
    if (options.worker === undefined) URL.revokeObjectURL(String(url));
    if (failure !== null) this.close();
    else if (shared) this.#supply('', keyId, options);
    return failure;
  }

  /** Adds what a connection has to be made with. */
  configure(configuration: RTCConfiguration): RTCConfiguration {
    return hasScriptTransform()
      ? configuration
      : ({ ...configuration, encodedInsertableStreams: true } as RTCConfiguration);
  }

  /** Encrypts what a connection sends and decrypts what it receives, from its first frame on. @returns its id. */
  attach(transceivers: readonly RTCRtpTransceiver[]): number {
    const connection = ++this.#connections;
    for (const transceiver of transceivers) {
      withoutRed(transceiver);
      this.#transform(transceiver.sender, { side: 'send', connection });
      this.#transform(transceiver.receiver, { side: 'receive', connection });
    }
    return connection;
  }

  /** Takes who has which number. @param self the number of this client. */
  setPeople(connection: number, userids: ReadonlyMap<number, string>, self: number): void {
    const userid = this.#options.userid ?? userids.get(self);
    if (userid !== undefined) this.#post({ type: 'self', userid });
    this.#post({ type: 'people', connection, userids });
    this.#people.set(connection, userids);
    const present = new Set([...this.#people.values()].flatMap((all) => [...all.values()]));
    for (const one of this.failures.keys()) if (!present.has(one)) this.failures.delete(one);
  }

  /** Forgets a connection. */
  end(connection: number): void {
    this.#people.delete(connection);
    this.#post({ type: 'end', connection });
  }

  /**
   * Receives with another key at once, and sends with it after a while.
   *
   * @param key null where each user has their own. @param delay milliseconds. @throws VoiceError `encryption`
   */
  async setKey(keyId: number, key: EncryptionKey | null, delay: number): Promise<void> {
    const failure = await this.#setKey(keyId, key, delay);
    if (failure !== null) throw this.#hooks.error('encryption', `Still sending with the old key: ${failure}.`);
  }

  /** @returns why the key cannot be used; null if it is used. */
  async #setKey(keyId: number, key: EncryptionKey | null, delay: number): Promise<string | null> {
    const shared = 'key' in this.#options;
    if (shared !== (key !== null)) return shared ? 'the new key is missing' : 'keyFor supplies the keys';
    const wrong = key !== null ? whyBad({ ...key, keyId }) : idIsGood(keyId) ? null : badId(keyId);
    if (wrong !== null) return wrong;
    if (key !== null) this.#supply('', keyId, key);
    await new Promise((resolve) => setTimeout(resolve, delay));
    const used = await this.#ask((id) => ({ type: 'use', id, keyId }));
    if (used === null) return `there is no key ${keyId} for this user, or the server has not said yet who that is`;
    this.#keyId = keyId;
    return null;
  }

  /** Takes the key one step further. @returns the key as it is then. @throws VoiceError `encryption` */
  async ratchet(): Promise<EncryptionKey> {
    const key = await this.#ask((id) => ({ type: 'ratchet', id }));
    if (key !== null) return key;
    throw this.#hooks.error('encryption', 'There is no key, or it was ratcheted 255 times: set another one.');
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = null;
    for (const answer of this.#answers.values()) answer(null);
    this.#answers.clear();
  }

  #begin(command: Command): Promise<string | null> {
    const worker = this.#worker!;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(blocked(`it did not start within ${START_MS} ms`)), START_MS);
      const settle = (failure: string | null): void => {
        clearTimeout(timer);
        worker.onerror = ({ message }) => this.#report(`the encryption worker failed: ${message}`);
        resolve(failure);
      };
      worker.onerror = ({ message }) => settle(blocked(message ?? 'it cannot be loaded'));
      worker.onmessage = ({ data }: MessageEvent<Notice>) => {
        if (data.type === 'ready') settle(null);
        else this.#take(data);
      };
      this.#post(command);
    });
  }

  #take(notice: Notice): void {
    switch (notice.type) {
      case 'ask':
        return void this.#fetchKey(notice.userid, notice.keyId);
      case 'decryption':
        if (notice.reason === null) this.failures.delete(notice.userid);
        else this.failures.set(notice.userid, notice.reason);
        return this.#hooks.decryption({ userid: notice.userid, reason: notice.reason });
      case 'unsent':
        return this.#report(`nobody hears this client: there is no key ${notice.keyId} for its user`);
      case 'counts':
        this.counts = notice.counts;
        return;
      case 'done': {
        const { id, key, step } = notice;
        this.#answers.get(id)?.(key === null ? null : { key, step });
        this.#answers.delete(id);
        return;
      }
      default:
    }
  }

  /** Gets a user's key from the application. */
  async #fetchKey(userid: string, keyId: number): Promise<void> {
    let key: EncryptionKey | null = null;
    try {
      if ('keyFor' in this.#options) {
        const found = (await this.#options.keyFor(userid, keyId)) ?? null;
        key = found === null || 'key' in found ? found : { key: found };
        const wrong = key === null ? null : whyBad({ ...key, keyId });
        if (wrong !== null) throw new Error(wrong);
      }
    } catch (error) {
      key = null;
      this.#report(`keyFor(${JSON.stringify(userid)}, ${keyId}) failed: ${(error as Error)?.message ?? error}`);
    }
    this.#supply(userid, keyId, key);
  }

  #supply(userid: string, keyId: number, key: EncryptionKey | null): void {
    // A copy, which the application cannot change.
    this.#post({
      type: 'key',
      userid,
      keyId,
      key: key === null ? null : new Uint8Array(key.key),
      step: key?.step ?? 0,
    });
  }

  #report(text: string): void {
    this.#hooks.failed(failed(this.#hooks, text));
  }

  #ask(command: (id: number) => Command): Promise<EncryptionKey | null> {
    const id = ++this.#lastId;
    if (this.#worker === null) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#post(command(id));
    });
  }

  #transform(end: RTCRtpSender | RTCRtpReceiver, options: TransformOptions): void {
    if (hasScriptTransform()) {
      end.transform = new RTCRtpScriptTransform(this.#worker!, options);
      return;
    }
    const { readable, writable } = (end as unknown as StreamsOwner).createEncodedStreams();
    this.#post({ type: 'streams', ...options, readable, writable }, [readable, writable]);
  }

  #post(command: Command, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(command, transfer);
  }
}

/** Takes RED out of an offer: the server could not read what is encrypted, and would drop it. */
function withoutRed(transceiver: RTCRtpTransceiver): void {
  const codecs = RTCRtpReceiver.getCapabilities?.('audio')?.codecs ?? [];
  const rest = codecs.filter(({ mimeType }) => mimeType.toLowerCase() !== 'audio/red');
  if (rest.length < codecs.length) transceiver.setCodecPreferences(rest);
}

/** Why a key cannot be used; null if it can. */
function whyBad({ key, keyId = 0, step = 0 }: EncryptionKey & { readonly keyId?: number | undefined }): string | null {
  if (!(key instanceof Uint8Array) || key.length < LEAST_BYTES) {
    return `a key is a Uint8Array of at least ${LEAST_BYTES} random bytes`;
  }
  if (!idIsGood(keyId)) return badId(keyId);
  return idIsGood(step) ? null : `a step is a whole number from 0 to ${MAX_ID}, not ${step}`;
}

function idIsGood(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id <= MAX_ID;
}

function badId(keyId: number): string {
  return `a key id is a whole number from 0 to ${MAX_ID}, not ${keyId}`;
}

function blocked(why: string): string {
  return `the encryption worker cannot start (${why}); the page's policy must allow it: worker-src blob:, or serve it and set encryption.worker`;
}
