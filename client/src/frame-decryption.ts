/** Decrypts what other clients send, and judges whose sound can be played. */
import { deriveStreamKey, type FrameHeader, isSilence, open, readHeader, type StreamKey } from './frame-cipher.ts';
import type { KeyChain, KeyRing } from './key-chain.ts';
import { ReplayWindow, type StreamProgress } from './replay-window.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** How long a frame waits for the event that says whose it is, milliseconds: events come after packets. */
const EVENT_MS = 500;
/** Frames in a row that make somebody unintelligible: a tenth of a second. */
const BAD_FRAMES = 5;
/** Most streams whose progress is remembered. */
const MAX_STREAMS = 4096;
/** Most derived keys of a stream: those of a rotation, and of a ratchet meanwhile. */
const MAX_KEYS = 4;

/** Why somebody's sound cannot be played. */
export type DecryptionFailure = 'not-encrypted' | 'no-key' | 'wrong-key';

/** What became of frames. */
export interface FrameCounts {
  decrypted: number;
  /** Dropped, since they are not encrypted, or are none of the format. */
  notEncrypted: number;
  /** Dropped for want of their key. */
  noKey: number;
  /** Dropped, since they were not encrypted with this key, or not by the one whom the server names, or changed. */
  wrongKey: number;
  /** Dropped, since they came before. */
  replayed: number;
  /** Dropped, since nobody has said whose they are. */
  unknown: number;
}

interface Derived {
  readonly chain: KeyChain;
  readonly step: number;
  readonly key: StreamKey;
}

interface Stream extends StreamProgress {
  readonly userid: string;
  readonly derived: Derived[];
  keyId: number;
}

/** Who has which speaker number on one connection, and which of their frames came there. */
interface Connection {
  userids: ReadonlyMap<number, string>;
  readonly windows: Map<string, ReplayWindow>;
  /** Speaker numbers for which waiting was in vain. */
  readonly doubtful: Set<number>;
  readonly waiting: Set<() => void>;
}

/** @param reason null if the sound can be played again. */
type Report = (userid: string, reason: DecryptionFailure | null) => void;

export class FrameDecryption {
  readonly counts: FrameCounts = { decrypted: 0, notEncrypted: 0, noKey: 0, wrongKey: 0, replayed: 0, unknown: 0 };
  readonly #keys: KeyRing;
  readonly #report: Report;
  readonly #now: () => number;
  readonly #streams = new Map<string, Stream>();
  readonly #connections = new Map<number, Connection>();
  /** The latest connection that has ended. */
  #ended = 0;
  /** Frames in a row that could not be played, and what was reported, by userid. */
  readonly #verdicts = new Map<string, { bad: number; told: DecryptionFailure | null }>();

  constructor(keys: KeyRing, report: Report, now: () => number = () => performance.now()) {
    this.#keys = keys;
    this.#report = report;
    this.#now = now;
  }

  /** Takes who has which number on a connection. */
  setPeople(connection: number, userids: ReadonlyMap<number, string>): void {
    const one = this.#connection(connection);
    one.userids = userids;
    one.doubtful.clear();
    for (const wake of one.waiting) wake();
    const present = new Set([...this.#connections.values()].flatMap((all) => [...all.userids.values()]));
    for (const userid of this.#verdicts.keys()) if (!present.has(userid)) this.#verdicts.delete(userid);
  }

  /** Forgets a connection. */
  end(connection: number): void {
    for (const wake of this.#connections.get(connection)?.waiting ?? []) wake();
    this.#connections.delete(connection);
    this.#ended = Math.max(this.#ended, connection);
  }

  /**
   * Decrypts a frame. Call it for the frames of one slot one after the other.
   *
   * @param number of the speaker, from the packet. @returns null if the frame must not be played.
   */
  async decrypt(connection: number, number: number, frame: Bytes): Promise<Bytes | null> {
    if (isSilence(frame)) return frame;
    // Frames that were still on their way must not bring back what was forgotten.
    if (connection <= this.#ended && !this.#connections.has(connection)) return null;
    const one = this.#connection(connection);
    const header = readHeader(frame);
    if (header === null) {
      this.counts.notEncrypted++;
      return this.#refuse(one.userids.get(number), 'not-encrypted');
    }
    const id = String(header.streamId);
    const { userids } = one;
    let result = await this.#attempt(one, number, frame, header, id);
    // The event that tells who has this number may still be on its way. Numbers of earlier conversations are others.
    if (result === 'unknown' && (await this.#newsOf(one, number, userids))) {
      result = await this.#attempt(one, number, frame, header, id);
    }
    if (typeof result !== 'string') {
      this.counts.decrypted++;
      return result;
    }
    this.counts[COUNTED[result]]++;
    return result === 'unknown' || result === 'replayed' ? null : this.#refuse(one.userids.get(number), result);
  }

  async #attempt(
    one: Connection,
    number: number,
    frame: Bytes,
    header: FrameHeader,
    id: string,
  ): Promise<Bytes | DecryptionFailure | 'unknown' | 'replayed'> {
    const known = this.#streams.get(id);
    const userid = one.userids.get(number) ?? known?.userid;
    if (userid === undefined) return 'unknown';
    if (known !== undefined && known.userid !== userid) return 'wrong-key';
    const stream: Stream = known ?? { userid, highest: -1, derived: [], keyId: header.keyId };
    const window = one.windows.get(id) ?? new ReplayWindow(stream);
    if (!window.allows(header.counter)) return 'replayed';
    const derived = await this.#deriveFor(stream, header);
    if (derived === null) return 'no-key';
    const plain = await open(frame, header, derived.key);
    if (plain === null) return 'wrong-key';
    if (!window.allows(header.counter)) return 'replayed';
    this.#accept(one, id, stream, window, header, derived);
    return plain;
  }

  /** Notes an authentic frame: only such a one creates a stream. */
  #accept(
    one: Connection,
    id: string,
    stream: Stream,
    window: ReplayWindow,
    { keyId, step, counter }: FrameHeader,
    derived: Derived,
  ): void {
    if (counter > stream.highest && !this.#keys.shared) {
      if (keyId !== stream.keyId) this.#keys.retire(stream.userid, keyId, this.#now());
      // The step after it is theirs alone, and this one is given up.
      derived.chain.advance(step, this.#now()).catch(() => undefined);
    }
    if (counter > stream.highest) stream.keyId = keyId;
    window.take(counter);
    remember(this.#streams, id, stream);
    remember(one.windows, id, window);
    if (!stream.derived.includes(derived)) stream.derived.unshift(derived);
    stream.derived.length = Math.min(stream.derived.length, MAX_KEYS);
    this.#succeed(stream.userid);
  }

  async #deriveFor(stream: Stream, header: FrameHeader): Promise<Derived | null> {
    const now = this.#now();
    const chain = await this.#keys.of(stream.userid, header.keyId, now);
    if (chain === null) return null;
    const known = stream.derived.find((one) => one.chain === chain && one.step === header.step);
    // A step that is given up ends for streams that used it, too.
    if (known !== undefined && (header.step >= chain.step || chain.keeps(header.step, now))) return known;
    const base = await chain.at(header.step, now);
    if (base === null) return null;
    return { chain, step: header.step, key: await deriveStreamKey(base, stream.userid, header) };
  }

  /** Waits for the next events, once for each number. @param before what was known. @returns whether they came. */
  async #newsOf(one: Connection, doubt: number, before: Connection['userids']): Promise<boolean> {
    if (one.userids !== before) return true;
    if (one.doubtful.has(doubt)) return false;
    let wake = (): void => undefined;
    const told = new Promise<void>((resolve) => {
      wake = resolve;
    });
    one.waiting.add(wake);
    const timer = setTimeout(wake, EVENT_MS);
    await told;
    clearTimeout(timer);
    one.waiting.delete(wake);
    if (one.userids !== before) return true;
    // Otherwise wild numbers would fill it.
    if (one.doubtful.size >= MAX_STREAMS) one.doubtful.clear();
    one.doubtful.add(doubt);
    return false;
  }

  #refuse(userid: string | undefined, reason: DecryptionFailure): null {
    if (userid === undefined) return null;
    const verdict = this.#verdicts.get(userid) ?? { bad: 0, told: null };
    this.#verdicts.set(userid, verdict);
    if (++verdict.bad >= BAD_FRAMES && verdict.told === null) {
      verdict.told = reason;
      this.#report(userid, reason);
    }
    return null;
  }

  #succeed(userid: string): void {
    const verdict = this.#verdicts.get(userid);
    if (verdict === undefined) return;
    this.#verdicts.delete(userid);
    if (verdict.told !== null) this.#report(userid, null);
  }

  #connection(id: number): Connection {
    let one = this.#connections.get(id);
    if (one === undefined) {
      one = { userids: new Map(), windows: new Map(), doubtful: new Set(), waiting: new Set() };
      this.#connections.set(id, one);
    }
    return one;
  }
}

const COUNTED = {
  'not-encrypted': 'notEncrypted',
  'no-key': 'noKey',
  'wrong-key': 'wrongKey',
  replayed: 'replayed',
  unknown: 'unknown',
} as const;

/** Keeps a value, and forgets the oldest one beyond {@link MAX_STREAMS}. */
function remember<T>(all: Map<string, T>, id: string, value: T): void {
  if (all.has(id)) return;
  all.set(id, value);
  if (all.size > MAX_STREAMS) all.delete(all.keys().next().value!);
}
