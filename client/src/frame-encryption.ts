/** Encrypts what this client sends. */
import { deriveStreamKey, isSilence, MAX_COUNTER, newStreamId, type StreamKey, seal } from './frame-cipher.ts';
import type { KeyChain, KeyRing } from './key-chain.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** What this client sends, over all of its connections, so that listeners know it again after a reconnection. */
interface Stream {
  readonly id: Bytes;
  /** The next counter. */
  counter: number;
}

/** The key of a stream at one step. */
interface Derived {
  readonly stream: Stream;
  readonly chain: KeyChain;
  readonly keyId: number;
  readonly step: number;
  readonly userid: string;
  readonly key: StreamKey;
}

export class FrameEncryption {
  /** The id of the user, as the others know it; null until it is known. Until then nothing is sent. */
  userid: string | null = null;
  /** The id of the key in use. */
  keyId = 0;
  readonly #keys: KeyRing;
  readonly #report: (keyId: number) => void;
  #stream: Stream = { id: newStreamId(), counter: 0 };
  #derived: Derived | null = null;
  #missing = false;

  /** @param report called when nothing can be sent, because the application has no key for this user. */
  constructor(keys: KeyRing, report: (keyId: number) => void) {
    this.#keys = keys;
    this.#report = report;
  }

  /** Encrypts a frame. @returns null if it must not be sent. */
  async encrypt(frame: Bytes): Promise<Bytes | null> {
    if (isSilence(frame)) return frame;
    if (this.#stream.counter > MAX_COUNTER) this.#stream = { id: newStreamId(), counter: 0 };
    const derived = await this.#current();
    if (derived === null) return null;
    const { stream, keyId, step, key } = derived;
    // Taken and counted without a wait in between: frames of two connections must not get the same one.
    const counter = stream.counter++;
    return counter > MAX_COUNTER ? null : seal(frame, { keyId, step, counter, streamId: stream.id }, key);
  }

  async #current(): Promise<Derived | null> {
    const { userid, keyId } = this;
    const stream = this.#stream;
    const derived = this.#derived;
    if (userid === null) return null;
    const chain = await this.#keys.of(userid, keyId, performance.now());
    if (chain === null) {
      if (!this.#missing) this.#report(keyId);
      this.#missing = true;
      return null;
    }
    this.#missing = false;
    const { step, key } = chain;
    if (derived?.chain === chain && derived.step === step && derived.userid === userid && derived.stream === stream)
      return derived;
    const streamKey = await deriveStreamKey(key, userid, { keyId, step, streamId: stream.id });
    this.#derived = { stream, chain, keyId, step, userid, key: streamKey };
    return this.#derived;
  }
}
