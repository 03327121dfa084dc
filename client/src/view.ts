/** What can be seen of a client at any moment, put together from its parts. */
import { Emitter } from './emitter.ts';
import type { Levels } from './levels.ts';
import type { Membership } from './membership.ts';
import type { Microphone } from './microphone.ts';
import type { Output } from './output.ts';
import type { Preferences } from './preferences.ts';
import type { Participant } from './protocol.ts';
import type { Scene } from './scene.ts';
import type { Session } from './session.ts';
import type { ClientEvents, ClientState, MicrophoneState, Slot, Speaker, Statistics } from './types.ts';

/** Events that say how things are; all others are over once they are told. */
const KEPT: readonly (keyof ClientEvents)[] = [
  'state',
  'conversation',
  'participants',
  'slots',
  'dominant',
  'muted',
  'microphone',
  'audioBlocked',
  'error',
];

export abstract class ClientView extends Emitter<ClientEvents> {
  protected abstract readonly session: Session;
  protected abstract readonly membership: Membership;
  protected abstract readonly mic: Microphone;
  protected abstract readonly output: Output;
  protected abstract readonly preferences: Preferences;
  protected abstract readonly levels: Levels;
  protected abstract readonly scene: Scene;
  protected abstract readonly latest: Statistics;

  constructor() {
    super(KEPT);
  }

  /** See {@link ClientState}. */
  get state(): ClientState {
    return this.session.state;
  }

  /** The conversation the user is in, as far as the client knows; null for none. */
  get conversation(): string | null {
    return this.membership.conversation;
  }

  /** The own number in the conversation; 0 in none. */
  get number(): number {
    return this.scene.people.number;
  }

  /** Everybody in the conversation that the server has told of, this client included, by number. */
  get participants(): ReadonlyMap<number, Participant> {
    return this.scene.people.participants;
  }

  /** How many are in the conversation, and whether `participants` holds them all: in large ones it does not. */
  get total(): number {
    return this.scene.people.total;
  }

  get complete(): boolean {
    return this.scene.people.complete;
  }

  /** The one who leads the conversation at the moment; null for nobody. */
  get dominant(): Participant | null {
    return this.scene.dominant;
  }

  /** The voices, as many as were asked for; the same objects for the client's whole life. */
  get slots(): readonly Slot[] {
    return this.output.slots;
  }

  /** Whose voices arrive at this moment, the loudest first. */
  get speakers(): readonly Speaker[] {
    return this.levels.speakers;
  }

  /** By the user; see {@link mute}. */
  get muted(): boolean {
    return this.preferences.muted;
  }

  /** By an operator. */
  get silenced(): boolean {
    return this.scene.people.silenced;
  }

  get deafened(): boolean {
    return this.preferences.deafened;
  }

  get microphone(): MicrophoneState {
    return this.mic.state;
  }

  /** The newest statistics. */
  get statistics(): Statistics {
    return this.latest;
  }

  /** Whether the browser waits for a click before it plays anything; see {@link resume}. */
  get audioBlocked(): boolean {
    return this.output.blocked;
  }

  /** The one element that plays everything, with output `mixed`; null otherwise. */
  get mixedElement(): HTMLAudioElement | null {
    return this.output.mixedElement;
  }
}
