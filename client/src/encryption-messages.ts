/** What the client and its encryption worker tell each other. */
import type { DecryptionFailure, FrameCounts } from './frame-decryption.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** Which way the frames of a transform go, and on which connection. */
export interface TransformOptions {
  readonly side: 'send' | 'receive';
  readonly connection: number;
}

/** To the worker. */
export type Command =
  /** Comes first. @param shared whether everybody has the same key. */
  | { readonly type: 'start'; readonly shared: boolean; readonly keyId: number; readonly userid: string | null }
  /** The key of a user; null if there is none. */
  | { readonly type: 'key'; readonly userid: string; readonly keyId: number; key: Bytes | null; readonly step: number }
  /** Sends with another key. Answered with `done`. */
  | { readonly type: 'use'; readonly id: number; readonly keyId: number }
  /** Takes the key one step further. Answered with `done`. */
  | { readonly type: 'ratchet'; readonly id: number }
  | { readonly type: 'self'; readonly userid: string }
  | { readonly type: 'people'; readonly connection: number; readonly userids: ReadonlyMap<number, string> }
  | { readonly type: 'end'; readonly connection: number }
  /** The frames of a sender or receiver, where there is no `RTCRtpScriptTransform`. */
  | (TransformOptions & { readonly type: 'streams'; readable: ReadableStream; writable: WritableStream });

/** From the worker. */
export type Notice =
  | { readonly type: 'ready' }
  /** Asks for a key; answered with `key`. */
  | { readonly type: 'ask'; readonly userid: string; readonly keyId: number }
  | { readonly type: 'decryption'; readonly userid: string; readonly reason: DecryptionFailure | null }
  /** Nothing is sent, for want of this user's own key. */
  | { readonly type: 'unsent'; readonly keyId: number }
  | { readonly type: 'counts'; readonly counts: FrameCounts }
  /** @param key as it is now; null if there is none. */
  | { readonly type: 'done'; readonly id: number; readonly key: Bytes | null; readonly step: number };
