/** The keys that the application supplies, each a chain of steps that leads only forward. */
import { ratchet } from './frame-cipher.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** How long an old key or step is still good for what others send, milliseconds. */
export const KEEP_MS = 30_000;
/** How far ahead of the known step a frame may be: a wild step must not cost more than this many derivations. */
const MAX_AHEAD = 16;
const MAX_STEP = 255;

/** One key of the application, at its present step. Each chain is an object of its own, also for an equal key. */
export class KeyChain {
  step: number;
  key: Bytes;
  /** Steps before it that are still good, and until when, milliseconds. */
  readonly #kept: { step: number; key: Bytes; until: number }[] = [];

  constructor(key: Bytes, step: number) {
    this.key = key;
    this.step = step;
  }

  /** Returns the key at a step without going there; null if that is too far ahead or no longer kept. */
  async at(step: number, now: number): Promise<Bytes | null> {
    if (step < this.step) {
      return this.#kept.find((one) => one.step === step && one.until > now)?.key ?? null;
    }
    if (step > this.step + MAX_AHEAD) return null;
    let { key } = this;
    for (let at = this.step; at < step; at++) key = await ratchet(key);
    return key;
  }

  /** Returns whether an earlier step is still good. */
  keeps(step: number, now: number): boolean {
    return this.#kept.some((one) => one.step === step && one.until > now);
  }

  /** Goes to a later step, and forgets the present one after a while. @returns whether there is such a step. */
  async advance(step: number, now: number): Promise<boolean> {
    if (step <= this.step) return true;
    const key = step > MAX_STEP ? null : await this.at(step, now);
    // Another call may have been faster.
    if (key === null || step <= this.step) return key !== null;
    this.forget(now);
    this.#kept.push({ step: this.step, key: this.key, until: now + KEEP_MS });
    this.key = key;
    this.step = step;
    return true;
  }

  /** Forgets the steps that are no longer good. */
  forget(now: number): void {
    while (this.#kept.length > 0 && this.#kept[0]!.until <= now) this.#kept.shift();
  }
}

/** Longest wait for the application to supply a key, milliseconds. Frames wait too. */
const SUPPLY_MS = 400;
/** How long a key that the application did not have is not asked for again, milliseconds. */
const RETRY_MS = 2000;
/** Most keys that are kept. */
const MAX_CHAINS = 2000;

/** Asks the application for the key of a user. {@link KeyRing.supply} answers. */
export type AskForKey = (userid: string, keyId: number) => void;

/** All keys, by key id, and by user where each has their own. */
export class KeyRing {
  readonly #chains = new Map<string, KeyChain>();
  readonly #ask: AskForKey | null;
  /** Called when a key arrives, or when the application has none. */
  readonly #waiting = new Map<string, Set<() => void>>();
  /** When a key was refused, by name. */
  readonly #refused = new Map<string, number>();
  readonly #expiries = new Map<string, number>();

  /** @param ask null if everybody has the same key. */
  constructor(ask: AskForKey | null) {
    this.#ask = ask;
  }

  /** Whether everybody has the same key. */
  get shared(): boolean {
    return this.#ask === null;
  }

  /** Takes a key. @param userid whose it is; ignored where everybody has the same. @param key null if there is none. */
  supply(userid: string, keyId: number, key: Bytes | null, step: number, now: number): void {
    const name = this.#nameOf(userid, keyId);
    if (key === null) this.#refused.set(name, now);
    else {
      this.#refused.delete(name);
      this.#expiries.delete(name);
      this.#chains.delete(name);
      this.#chains.set(name, new KeyChain(key, step));
    }
    for (const wake of this.#waiting.get(name) ?? []) wake();
    for (const map of [this.#chains, this.#refused]) {
      if (map.size > MAX_CHAINS) map.delete(map.keys().next().value!);
    }
  }

  /** Returns the key of a user, and asks the application first if need be; null if it has none, or is slow. */
  async of(userid: string, keyId: number, now: number): Promise<KeyChain | null> {
    const name = this.#nameOf(userid, keyId);
    const known = this.#chains.get(name);
    if (known !== undefined && (this.#expiries.get(name) ?? Number.POSITIVE_INFINITY) > now) return known;
    if (this.#ask === null || known !== undefined) return null;
    const refused = this.#refused.get(name);
    if (refused !== undefined && now - refused < RETRY_MS) return null;
    await this.#wait(name, () => this.#ask!(userid, keyId));
    const chain = this.#chains.get(name) ?? null;
    if (chain === null && !this.#refused.has(name)) this.#refused.set(name, now);
    return chain;
  }

  /** Lets the other keys end after a while. @param userid whose. @param keyId the one that is in use now. */
  retire(userid: string, keyId: number, now: number): void {
    const current = this.#nameOf(userid, keyId);
    const end = current.indexOf(' ') + 1;
    this.#expiries.delete(current);
    for (const [name, chain] of this.#chains) {
      chain.forget(now);
      if (name === current || name.slice(name.indexOf(' ') + 1) !== current.slice(end)) continue;
      const expiry = this.#expiries.get(name);
      if (expiry === undefined) this.#expiries.set(name, now + KEEP_MS);
      else if (expiry <= now) {
        this.#chains.delete(name);
        this.#expiries.delete(name);
      }
    }
  }

  #nameOf(userid: string, keyId: number): string {
    return `${keyId} ${this.#ask === null ? '' : userid}`;
  }

  /** Asks, unless the question is open already, and waits for the answer. */
  async #wait(name: string, ask: () => void): Promise<void> {
    let all = this.#waiting.get(name);
    const first = all === undefined;
    all ??= new Set();
    this.#waiting.set(name, all);
    let wake = (): void => undefined;
    const answered = new Promise<void>((resolve) => {
      wake = resolve;
    });
    all.add(wake);
    if (first) ask();
    const timer = setTimeout(wake, SUPPLY_MS);
    await answered;
    clearTimeout(timer);
    all.delete(wake);
    if (all.size === 0) this.#waiting.delete(name);
  }
}
