/**
 * How a frame is encrypted end to end: AES-GCM, with the ideas of SFrame (RFC 9605) in a header that fits this server.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |1 1 1 1 1 1 1 1|0 1 0 0 0 0 0 0|    key id     |     step      |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                            counter                            |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                                                               |
 * +                           stream id                           +
 * |                                                               |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  encrypted frame, and the 16 bytes that authenticate it and the header  ...
 * ```
 * To an Opus decoder the first two bytes are a packet of code 3 without frames, which it must reject (RFC 6716, section
 * 3.2.5, requirement R5): a listener without the key hears silence, not noise. The server finds no duration in them and
 * takes the spacing of the timestamps.
 *
 * A stream is what one client sends in its life, over all of its connections, and its random id makes its key its own:
 * the counter never repeats with the same key. The key also depends on the userid, so that nobody's frames can be passed
 * off as somebody else's.
 */

const HEADER_BYTES = 16;
const TAG_BYTES = 16;
/** What encryption adds to a frame, bytes. The server knows this figure (`src/rtp/audio-level.ts`). */
export const OVERHEAD = HEADER_BYTES + TAG_BYTES;
const STREAM_ID_BYTES = 8;
const STREAM_ID_AT = 8;
const COUNTER_AT = 4;
const MARK = [0xff, 0x40] as const;
/** Frames of 20 ms of silence, which the server makes itself to end a voice. Nothing else passes without encryption. */
const SILENCE = [0xf8, 0xff, 0xfe] as const;
/** The last counter of a stream. After it another stream begins. */
export const MAX_COUNTER = 0xffff_fffe;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;

type Bytes = Uint8Array<ArrayBuffer>;

/** What precedes an encrypted frame. */
export interface FrameHeader {
  /** 0 … 255. */
  readonly keyId: number;
  /** How often the key was ratcheted, 0 … 255. */
  readonly step: number;
  /** Unique in the stream, 0 … {@link MAX_COUNTER}. */
  readonly counter: number;
  readonly streamId: Bytes;
}

/** The key of one stream. */
export interface StreamKey {
  readonly key: Awaited<ReturnType<typeof crypto.subtle.importKey>>;
  /** The counter changes its last bytes to make the nonce (RFC 9605, section 4.4.3). */
  readonly salt: Bytes;
}

/** Returns the id of a new stream. */
export function newStreamId(): Bytes {
  return crypto.getRandomValues(new Uint8Array(STREAM_ID_BYTES));
}

/** Returns whether a frame is exactly the silence that may pass unencrypted. */
export function isSilence(frame: Uint8Array): boolean {
  return frame.length === SILENCE.length && SILENCE.every((byte, i) => frame[i] === byte);
}

/** Returns the header of a frame, or null if it is not an encrypted one. Never throws. */
export function readHeader(frame: Bytes): FrameHeader | null {
  if (frame.length < OVERHEAD || frame[0] !== MARK[0] || frame[1] !== MARK[1]) return null;
  const view = new DataView(frame.buffer, frame.byteOffset);
  return {
    keyId: frame[2]!,
    step: frame[3]!,
    counter: view.getUint32(COUNTER_AT),
    streamId: frame.slice(STREAM_ID_AT, HEADER_BYTES),
  };
}

/** Derives the key of a stream from an application's key, as it is after its steps. */
export async function deriveStreamKey(
  base: Bytes,
  userid: string,
  { keyId, step, streamId }: Omit<FrameHeader, 'counter'>,
): Promise<StreamKey> {
  const info = `backend-webrtc frame ${keyId} ${step} ${userid}`;
  const bits = await derive(base, streamId, info, KEY_BYTES + NONCE_BYTES);
  const key = await crypto.subtle.importKey('raw', bits.slice(0, KEY_BYTES), 'AES-GCM', false, ['encrypt', 'decrypt']);
  return { key, salt: bits.slice(KEY_BYTES) };
}

/** Returns the next step of a key, from which nobody can return to the one before (RFC 9605, section 5.1). */
export function ratchet(base: Bytes): Promise<Bytes> {
  return derive(base, new Uint8Array(0), 'backend-webrtc ratchet', KEY_BYTES);
}

/** Encrypts a frame. Use each counter once. */
export async function seal(frame: Bytes, header: FrameHeader, { key, salt }: StreamKey): Promise<Bytes> {
  const sealed = new Uint8Array(frame.length + OVERHEAD);
  sealed.set([...MARK, header.keyId, header.step]);
  new DataView(sealed.buffer).setUint32(COUNTER_AT, header.counter);
  sealed.set(header.streamId, STREAM_ID_AT);
  const additionalData = sealed.slice(0, HEADER_BYTES);
  const iv = nonceOf(salt, header.counter);
  sealed.set(
    new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, key, frame)),
    HEADER_BYTES,
  );
  return sealed;
}

/** Decrypts a frame whose header has been read. @returns null if it was not encrypted with this key, or was changed. */
export async function open(frame: Bytes, { counter }: FrameHeader, { key, salt }: StreamKey): Promise<Bytes | null> {
  const additionalData = frame.slice(0, HEADER_BYTES);
  const iv = nonceOf(salt, counter);
  try {
    const algorithm = { name: 'AES-GCM', iv, additionalData };
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, frame.slice(HEADER_BYTES)));
  } catch {
    return null;
  }
}

function nonceOf(salt: Bytes, counter: number): Bytes {
  const nonce = salt.slice();
  const view = new DataView(nonce.buffer);
  const at = NONCE_BYTES - 4;
  view.setUint32(at, (view.getUint32(at) ^ counter) >>> 0);
  return nonce;
}

/** HKDF (RFC 5869) with SHA-256. */
async function derive(secret: Bytes, salt: Bytes, info: string, length: number): Promise<Bytes> {
  const material = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt, info: new TextEncoder().encode(info) };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, material, 8 * length));
}
