/** The types that an application passes to the client and receives from it. */
import type { VoiceError } from './errors.ts';
import type { DecryptionFailure, FrameCounts } from './frame-decryption.ts';
import type { Participant } from './protocol.ts';
import type { Quality, Statistics } from './quality.ts';

export type { DecryptionFailure, FrameCounts } from './frame-decryption.ts';
export type { Quality, Statistics } from './quality.ts';

/** A token, or a function called before every request, since a token may expire. */
export type TokenSource = string | (() => string | Promise<string>);

/** What the browser filters out of the microphone's sound. Each is on by default. */
export interface ProcessingOptions {
  readonly echoCancellation?: boolean;
  readonly noiseSuppression?: boolean;
  readonly autoGainControl?: boolean;
}

export interface MicrophoneOptions extends ProcessingOptions {
  /** A microphone from `devices()`; the browser's default if omitted. */
  readonly deviceId?: string;
  /** Sent instead of a microphone. The application has to stop it. */
  readonly track?: MediaStreamTrack;
}

/**
 * How the voices are played. `elements`: an audio element for each slot (robust everywhere). `mixed`: one element for
 * all, through an AudioContext (volumes work on iOS too). `none`: the application plays `slots[i].stream` itself.
 */
export type OutputMode = 'elements' | 'mixed' | 'none';

/** A key for end-to-end encryption. */
export interface EncryptionKey {
  /** At least 16 random bytes. (A password is none: derive a key from it with PBKDF2.) */
  readonly key: Uint8Array;
  /** How often it has been ratcheted (default 0). */
  readonly step?: number;
}

interface EncryptionCommon {
  /** The id of the key to send with, 0 (default) to 255. */
  readonly keyId?: number;
  /** The user's own id. If omitted, the server is believed. */
  readonly userid?: string;
  /** Where `encryption-worker.js` is served, for pages whose policy forbids workers from `blob:`. */
  readonly worker?: string | URL;
}

/**
 * End-to-end encryption. `key`: everybody in the conversation has the same key. `keyFor`: each user has their own; it
 * may be async, and returns null for users whose key is not known.
 */
export type EncryptionOptions =
  | (EncryptionCommon & EncryptionKey)
  | (EncryptionCommon & {
      readonly keyFor: (
        userid: string,
        keyId: number,
      ) => Uint8Array | EncryptionKey | null | Promise<Uint8Array | EncryptionKey | null>;
    });

/** Whom the client cannot decrypt. */
export interface EncryptionState {
  /** Why somebody cannot be heard, by userid. */
  readonly undecryptable: ReadonlyMap<string, DecryptionFailure>;
  /** What became of the frames of others; null until there are some. */
  readonly frames: Readonly<FrameCounts> | null;
}

export interface ClientOptions {
  /** The part before `/connect`, `/ice` and `/join`, such as `https://example.org/webrtc`. May be relative to the page. */
  readonly url: string;
  /** Omitted if cookies identify the user. */
  readonly token?: TokenSource;
  /** Number of voices heard at a time (default 4); the server may allow fewer. */
  readonly slots?: number;
  /** Conversation to join as soon as the client is connected. */
  readonly conversation?: string;
  /** Whether to start the microphone at once (default true). Without it the client listens; start it at any time. */
  readonly microphone?: boolean | MicrophoneOptions;
  readonly muted?: boolean;
  readonly deafened?: boolean;
  readonly output?: OutputMode;
  /** An output from `devices()`. */
  readonly outputDevice?: string;
  /** Interval of the `statistics`, milliseconds (default 2000); 0 for never. */
  readonly statisticsInterval?: number;
  /** Interval of the `speakers` and their levels, milliseconds (default 200); 0 for never. */
  readonly levelInterval?: number;
  /** Timeout of one attempt, milliseconds (default 15,000). */
  readonly attemptTimeout?: number;
  /** How long to try the first connection, milliseconds (default 30,000). Reconnecting has no such limit. */
  readonly connectTimeout?: number;
  /** Pauses between attempts: from `first` (500 ms), doubling each time up to `most` (15,000 ms), with jitter. */
  readonly backoff?: { readonly first?: number; readonly most?: number };
  /**
   * Configuration of the peer connection, or a function called before every attempt, since credentials expire. The TURN
   * servers that the service names are added to its `iceServers`.
   */
  readonly rtc?: RTCConfiguration | (() => RTCConfiguration | Promise<RTCConfiguration>);
  /** Encrypts end to end, so that the server cannot hear; null or omitted for not. */
  readonly encryption?: EncryptionOptions | null;
}

/**
 * `idle` before `connect`; `connecting` until the first connection is established; `reconnecting` while there is none;
 * `closed` for good, by `close` or after a fatal error.
 */
export type ClientState = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** One of the voices that can be heard at a time. A slot lasts as long as the client, across reconnections. */
export interface Slot {
  readonly index: number;
  /** Always the same stream; its track changes with a reconnection. */
  readonly stream: MediaStream;
  /** False if the server granted fewer slots than requested, and not this one. */
  readonly available: boolean;
  /** The number of the speaker in it; 0 for nobody. */
  readonly number: number;
  /** The speaker, once known; null for nobody. */
  readonly participant: Participant | null;
  /** The element that plays it with output `elements`. It is muted while a volume above 1 needs another one. */
  readonly element: HTMLAudioElement | null;
}

/** A participant whose voice is arriving now. */
export interface Speaker {
  readonly number: number;
  /** Null if the packets arrived before the event that says who it is. */
  readonly participant: Participant | null;
  readonly slot: Slot;
  /** Linear peak of the voice before any volume, 0 to 1. In Chromium it is null while nothing plays the voice. */
  readonly level: number | null;
}

export interface Devices {
  /** Labels are empty until the user has permitted the microphone once. */
  readonly inputs: readonly MediaDeviceInfo[];
  /** Empty if outputs cannot be selected. */
  readonly outputs: readonly MediaDeviceInfo[];
}

export interface MicrophoneState {
  /** The track that is sent, or will be after a mute; null for none. While muted it stays live, and its level shows. */
  readonly track: MediaStreamTrack | null;
  /** The id of the microphone in use; null for none. */
  readonly deviceId: string | null;
  readonly label: string;
  /** Why there is no microphone; null if there is one or none was requested. */
  readonly error: VoiceError | null;
}

/** A page of the participants of a large conversation. */
export interface ParticipantsPage {
  readonly total: number;
  readonly participants: readonly Participant[];
  /** The `after` of the next page; null at the end. */
  readonly next: number | null;
}

/** The events of a client, with their values. */
export interface ClientEvents {
  /** `error` says why the client is reconnecting or closed; null if that was planned. */
  state: { readonly state: ClientState; readonly error: VoiceError | null };
  /** An attempt failed; the next one follows in `delay` milliseconds. */
  retry: { readonly attempt: number; readonly delay: number; readonly error: VoiceError };
  /** The user is now in another conversation or in none. Another of their clients may have caused it. */
  conversation: { readonly conversation: string | null; readonly kicked: boolean; readonly error: VoiceError | null };
  /** A participant joined, left or changed. */
  participants: ReadonlyMap<number, Participant>;
  /** The speaker in a slot changed. */
  slots: readonly Slot[];
  /** Emitted a few times a second while voices arrive, and once when they stop. */
  speakers: readonly Speaker[];
  dominant: Participant | null;
  /** `muted`, `silenced` (by an operator), `speak` (whether the user may speak here), `hand` or `deafened` changed. */
  muted: {
    readonly muted: boolean;
    readonly silenced: boolean;
    readonly speak: boolean;
    readonly hand: boolean;
    readonly deafened: boolean;
  };
  /** True when the user talks although muted, silenced or without the right to speak, so that nobody hears it; false when that is over. */
  mutedTalk: boolean;
  microphone: MicrophoneState;
  /** Linear peak of the user's own microphone in the last 100 ms, 0 to 1, muted or not. */
  level: number;
  /** True when a microphone that is not muted has delivered nothing but digital silence for 5 s; false at the next sound. */
  microphoneSilent: boolean;
  devices: Devices;
  /** A device in use vanished; the default replaces it. */
  deviceLost: { readonly kind: 'input' | 'output'; readonly label: string };
  /** True if the browser plays nothing until the user clicks: call `resume()` then. False once it plays. */
  audioBlocked: boolean;
  statistics: Statistics;
  /** The `quality` in the statistics changed. */
  quality: Quality;
  /** The server will exit in `within` milliseconds; the client moves to another instance automatically. */
  draining: { readonly within: number };
  /** The server lost the others of its cluster, so that only some of the people can be heard, or found them again. */
  cluster: { readonly whole: boolean };
  /** The conversation is recorded from now on, or is not any more. */
  recording: boolean;
  /** A user cannot be decrypted, and why; or can be again, with `reason` null. Comes once for each change. */
  decryption: { readonly userid: string; readonly reason: DecryptionFailure | null };
  /** An error that no pending promise reports. */
  error: VoiceError;
}
