/** What an application gives to the client and gets from it. */
import type { VoiceError } from './errors.ts';
import type { Participant } from './protocol.ts';
import type { Statistics } from './quality.ts';

export type { Statistics } from './quality.ts';

/** A token, or what is asked for one before every request: it may have expired since. */
export type TokenSource = string | (() => string | Promise<string>);

export interface MicrophoneOptions {
  /** A microphone of `devices()`; the browser's default if left out. */
  readonly deviceId?: string;
  /** All three are on if left out. */
  readonly echoCancellation?: boolean;
  readonly noiseSuppression?: boolean;
  readonly autoGainControl?: boolean;
  /** Send this instead of a microphone; it stays the application's to stop. */
  readonly track?: MediaStreamTrack;
}

/**
 * How the voices are played: `elements`, an audio element for each slot (robust everywhere); `mixed`, one element for all,
 * through an AudioContext (volumes work on iOS too); `none`, the application plays `slots[i].stream` itself.
 */
export type OutputMode = 'elements' | 'mixed' | 'none';

export interface ClientOptions {
  /** What stands before `/connect` and `/join`, `https://example.org/webrtc`; relative to the page. */
  readonly url: string;
  /** Left out where cookies say who somebody is. */
  readonly token?: TokenSource;
  /** Voices that are heard at a time, 4; the server may allow fewer. */
  readonly slots?: number;
  /** Conversation to join as soon as connected. */
  readonly conversation?: string;
  /** Whether to ask for the microphone at once, true. Without it one listens, and may start it at any time. */
  readonly microphone?: boolean | MicrophoneOptions;
  readonly muted?: boolean;
  readonly deafened?: boolean;
  readonly output?: OutputMode;
  /** An output of `devices()`. */
  readonly outputDevice?: string;
  /** How often `statistics` are taken, 2000 ms; 0 for never. */
  readonly statisticsInterval?: number;
  /** How often `speakers` and their levels are looked at, 200 ms; 0 for never. */
  readonly levelInterval?: number;
  /** Longest that one attempt may take, 15,000 ms. */
  readonly attemptTimeout?: number;
  /** How long the first connection is tried for, 30,000 ms. Once connected, it is tried for as long as there is hope. */
  readonly connectTimeout?: number;
  /** Pauses between attempts: from `first` (500 ms), doubled each time up to `most` (15,000 ms), each with jitter. */
  readonly backoff?: { readonly first?: number; readonly most?: number };
  /** For the peer connection: STUN and TURN servers of the client's own, say. */
  readonly rtc?: RTCConfiguration;
}

/**
 * `idle` before `connect`; `connecting` until it stands for the first time; `reconnecting` while there is no connection;
 * `closed` at the end, by `close` or for good reason.
 */
export type ClientState = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** One of the voices that can be heard at a time. It lasts as long as the client, over every reconnection. */
export interface Slot {
  readonly index: number;
  /** Always the same one; its track is another after a reconnection. */
  readonly stream: MediaStream;
  /** False if the server gave fewer slots than were asked for. */
  readonly available: boolean;
  /** Who is heard in it; 0 for nobody. */
  readonly number: number;
  /** The same, once known; null for nobody. */
  readonly participant: Participant | null;
  /** The element that plays it, with output `elements`. */
  readonly element: HTMLAudioElement | null;
}

/** Somebody whose voice arrives at this moment. */
export interface Speaker {
  readonly number: number;
  /** Null if the packets came before the event that says who it is. */
  readonly participant: Participant | null;
  readonly slot: Slot;
  /** Peak of the voice as it comes, whatever its volume here, 0 to 1, linear; null while nothing plays it in Chromium. */
  readonly level: number | null;
}

export interface Devices {
  /** Labels are empty until the microphone was permitted once. */
  readonly inputs: readonly MediaDeviceInfo[];
  /** Empty where outputs cannot be chosen. */
  readonly outputs: readonly MediaDeviceInfo[];
}

export interface MicrophoneState {
  /** What is sent; null while nothing is. */
  readonly track: MediaStreamTrack | null;
  /** Of the microphone in use; null if none is. */
  readonly deviceId: string | null;
  readonly label: string;
  /** Why there is none; null if there is one or none was wanted. */
  readonly error: VoiceError | null;
}

/** A page of the participants of a large conversation. */
export interface ParticipantsPage {
  readonly total: number;
  readonly participants: readonly Participant[];
  /** `after` of the next page; null at the end. */
  readonly next: number | null;
}

/** The events of a client, with what comes with each. */
export interface ClientEvents {
  /** `error` says why it is reconnecting or closed; null if that was planned. */
  state: { readonly state: ClientState; readonly error: VoiceError | null };
  /** An attempt failed; the next one is in `delay` milliseconds. */
  retry: { readonly attempt: number; readonly delay: number; readonly error: VoiceError };
  /** The user is in another conversation now, or in none; also by another of their clients. */
  conversation: { readonly conversation: string | null; readonly kicked: boolean; readonly error: VoiceError | null };
  /** Somebody joined, left, muted, or changed otherwise. */
  participants: ReadonlyMap<number, Participant>;
  /** Somebody else is in a slot. */
  slots: readonly Slot[];
  /** A few times a second while voices arrive, and once when they end. */
  speakers: readonly Speaker[];
  dominant: Participant | null;
  /** `muted`, `silenced` (by an operator) or `deafened` changed. */
  muted: { readonly muted: boolean; readonly silenced: boolean; readonly deafened: boolean };
  microphone: MicrophoneState;
  devices: Devices;
  /** A device in use vanished; the default takes its place. */
  deviceLost: { readonly kind: 'input' | 'output'; readonly label: string };
  /** The browser plays nothing until the user clicks; call `resume()` then. False once it plays. */
  audioBlocked: boolean;
  statistics: Statistics;
  /** The server shuts down; the client moves on by itself within so many milliseconds. */
  draining: { readonly within: number };
  /** Something went wrong that nobody waits for. */
  error: VoiceError;
}
