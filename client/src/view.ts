/** The readable state of a client, assembled from its parts. */
import { Emitter } from './emitter.ts';
import type { Levels } from './levels.ts';
import type { Membership } from './membership.ts';
import type { Microphone } from './microphone.ts';
import type { Output } from './output.ts';
import type { OwnVoice } from './own-voice.ts';
import type { Preferences } from './preferences.ts';
import type { Participant } from './protocol.ts';
import type { Scene } from './scene.ts';
import type { Secrecy } from './secrecy.ts';
import type { Session } from './session.ts';
import type {
  ClientEvents,
  ClientState,
  EncryptionState,
  MicrophoneState,
  Slot,
  Speaker,
  Statistics,
} from './types.ts';

/** Events that describe a state: a listener hears the present value, whenever it is added. */
const STATES: readonly (keyof ClientEvents)[] = [
  'state',
  'conversation',
  'participants',
  'slots',
  'dominant',
  'muted',
  'microphone',
  'audioBlocked',
  'quality',
  'cluster',
  'recording',
];

export abstract class ClientView extends Emitter<ClientEvents> {
  protected abstract readonly session: Session;
  protected abstract readonly membership: Membership;
  protected abstract readonly mic: Microphone;
  protected abstract readonly output: Output;
  protected abstract readonly preferences: Preferences;
  protected abstract readonly voice: OwnVoice;
  protected abstract readonly levels: Levels;
  protected abstract readonly scene: Scene;
  protected abstract readonly secrecy: Secrecy;
  protected abstract readonly latest: Statistics;

  constructor() {
    super(STATES, ['error']);
  }

  /** Keeps frameworks such as Vue from wrapping the client into a proxy, which cannot reach its private members. */
  get [Symbol.toStringTag](): string {
    return 'VoiceClient';
  }

  /** See {@link ClientState}. */
  get state(): ClientState {
    return this.session.state;
  }

  /** The id of the conversation that the user is in, as far as the client knows; null for none. */
  get conversation(): string | null {
    return this.membership.conversation;
  }

  /** This client's number in the conversation; 0 if it is in none. */
  get number(): number {
    return this.scene.people.number;
  }

  /** The participants that the server has announced, including this client, by number. */
  get participants(): ReadonlyMap<number, Participant> {
    return this.scene.people.participants;
  }

  /** The number of participants in the conversation. */
  get total(): number {
    return this.scene.people.total;
  }

  /** Whether `participants` lists them all, which it does not in large conversations. */
  get complete(): boolean {
    return this.scene.people.complete;
  }

  /** Whether the server reaches all others of its cluster. If not, only some of the people can be heard and seen. */
  get whole(): boolean {
    return this.scene.people.whole;
  }

  /** Whether the conversation is recorded. Tell the user. */
  get recording(): boolean {
    return this.scene.people.recording;
  }

  /** The dominant speaker; null for nobody. */
  get dominant(): Participant | null {
    return this.scene.dominant;
  }

  /** The slots, as many as were requested; the same objects for the client's whole life. */
  get slots(): readonly Slot[] {
    return this.output.slots;
  }

  /** The participants whose voices are arriving now, the loudest first. */
  get speakers(): readonly Speaker[] {
    return this.levels.speakers;
  }

  /** Whether the user has muted this client; see {@link mute}. */
  get muted(): boolean {
    return this.preferences.muted;
  }

  /** Whether an operator has muted it. */
  get silenced(): boolean {
    return this.scene.people.silenced;
  }

  /** Whether the user may speak in this conversation. Without that right nothing is sent, and nothing would be heard. */
  get speak(): boolean {
    return this.scene.people.speak;
  }

  get deafened(): boolean {
    return this.preferences.deafened;
  }

  /** Whether this client raises its hand; see {@link raiseHand}. */
  get hand(): boolean {
    return this.preferences.hand;
  }

  protected get mutedState(): ClientEvents['muted'] {
    const { muted, silenced, speak, hand, deafened } = this;
    return { muted, silenced, speak, hand, deafened };
  }

  get microphone(): MicrophoneState {
    return this.mic.state;
  }

  /** The microphone's level, as in the event `level`, to which somebody has to listen; 0 otherwise. */
  get level(): number {
    return this.voice.level;
  }

  /** The volumes that are not 1, by userid; see {@link setVolume}. */
  get volumes(): ReadonlyMap<string, number> {
    return this.output.volumes;
  }

  /** When the next attempt to connect begins, milliseconds since 1970; null unless the client is pausing before it. */
  get retryAt(): number | null {
    return this.session.retryPolicy.pauseEnd;
  }

  /** The latest statistics. */
  get statistics(): Statistics {
    return this.latest;
  }

  /** Whom this client cannot decrypt; null if it does not encrypt. */
  get encryption(): EncryptionState | null {
    return this.secrecy.state;
  }

  /** Whether the browser blocks playback until the user clicks; see {@link resume}. */
  get audioBlocked(): boolean {
    return this.output.blocked;
  }

  /** The element that plays everything with output `mixed`; null otherwise. */
  get mixedElement(): HTMLAudioElement | null {
    return this.output.mixedElement;
  }
}
