/** End-to-end encryption as an option: loads it where it is wanted, and tells its failures as the client's errors. */
import type { Encryption } from './encryption.ts';
import { VoiceError } from './errors.ts';
import type { ClientEvents, EncryptionKey, EncryptionOptions, EncryptionState } from './types.ts';

interface SecrecyHooks {
  decryption(change: ClientEvents['decryption']): void;
  failed(error: VoiceError): void;
}

export class Secrecy {
  readonly #options: EncryptionOptions | null;
  readonly #hooks: SecrecyHooks;
  #encryption: Encryption | null = null;
  #closed = false;

  constructor(options: EncryptionOptions | null | undefined, hooks: SecrecyHooks) {
    this.#options = options ?? null;
    this.#hooks = hooks;
  }

  /** What the application can read; null without encryption. */
  get state(): EncryptionState | null {
    const encryption = this.#encryption;
    if (this.#options === null) return null;
    return { undecryptable: new Map(encryption?.failures), frames: encryption?.counts ?? null };
  }

  /** Starts it if it is wanted. @throws VoiceError `unsupported` if this page cannot encrypt, `encryption` */
  async start(): Promise<Encryption | null> {
    const options = this.#options;
    if (options === null) return null;
    let loaded: typeof import('./encryption.ts');
    try {
      loaded = await import('./encryption.ts');
    } catch (cause) {
      const text = 'encryption.js cannot be loaded; serve it beside client.js.';
      throw new VoiceError('unsupported', `End-to-end encryption: ${text}`, { cause });
    }
    this.#encryption = await loaded.startEncryption(options, {
      ...this.#hooks,
      error: (code, message) => new VoiceError(code, message),
    });
    if (this.#closed) this.close();
    return this.#encryption;
  }

  /** @throws VoiceError `encryption`, `not-connected`, `closed` */
  async setKey(keyId: number, key: EncryptionKey | null, delay: number): Promise<void> {
    await this.#running().setKey(keyId, key, delay);
  }

  /** @throws VoiceError `encryption`, `not-connected`, `closed` */
  async ratchet(): Promise<EncryptionKey> {
    return this.#running().ratchet();
  }

  close(): void {
    this.#closed = true;
    this.#encryption?.close();
  }

  #running(): Encryption {
    if (this.#closed) throw new VoiceError('closed', 'This client is closed; create a new one.');
    if (this.#options === null) throw new VoiceError('encryption', 'This client was made without encryption.');
    if (this.#encryption === null) throw new VoiceError('not-connected', 'Encryption starts with connect().');
    return this.#encryption;
  }
}
