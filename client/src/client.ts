/** The client as an application sees it. It delegates the work to its parts. */
import { ClientControls } from './controls.ts';
import { watchDevices } from './devices.ts';
import { asVoiceError, eventError, VoiceError } from './errors.ts';
import { Levels } from './levels.ts';
import { Membership } from './membership.ts';
import { Microphone } from './microphone.ts';
import { Output } from './output.ts';
import { OwnVoice } from './own-voice.ts';
import type { Peer } from './peer.ts';
import { Preferences } from './preferences.ts';
import type { ServerEvent } from './protocol.ts';
import { NO_STATISTICS } from './quality.ts';
import { Scene } from './scene.ts';
import { Secrecy } from './secrecy.ts';
import { Session } from './session.ts';
import { Meter } from './statistics.ts';
import { whyUnsupported } from './support.ts';
import type { ClientOptions, ClientState, ParticipantsPage, Statistics } from './types.ts';

/** Number of slots requested by default. */
const DEFAULT_SLOTS = 4;

/**
 * Creates a client and connects it.
 *
 * Resolves once the connection is established and the user is in `options.conversation`, if that is set. It does not
 * fail if the microphone is unavailable: the client listens, and `microphone.error` and the event `microphone` say why.
 *
 * @throws VoiceError if retrying is pointless, or if no attempt has succeeded within `connectTimeout`.
 */
export async function connect(options: ClientOptions): Promise<VoiceClient> {
  const client = new VoiceClient(options);
  await client.connect();
  return client;
}

/** Puts a user into conversations: it sends and plays audio, and reconnects automatically until it is closed. */
export class VoiceClient extends ClientControls {
  readonly #options: ClientOptions;
  protected readonly session: Session;
  protected readonly membership: Membership;
  protected readonly voice: OwnVoice;
  protected readonly mic: Microphone;
  protected readonly output: Output;
  protected readonly preferences: Preferences;
  protected readonly levels: Levels;
  protected readonly scene: Scene;
  protected readonly secrecy: Secrecy;
  readonly #meter: Meter;
  protected latest: Statistics = NO_STATISTICS;
  readonly #endDevices: () => void;

  /** @throws VoiceError `unsupported` outside of browsers, and in those that are too old. */
  constructor(options: ClientOptions) {
    const unsupported = whyUnsupported();
    if (unsupported !== null) throw unsupported;
    super();
    this.#options = options;
    const { levelInterval = 200 } = options;
    this.membership = new Membership(options, (change) => this.emit('conversation', change));
    this.preferences = new Preferences(options, () => this.#emitMuted());
    this.voice = new OwnVoice({
      wanted: (name) => this.hasListeners(name),
      emit: (name, value) => this.emit(name, value),
    });
    this.mic = new Microphone(
      (state) => {
        this.emit('microphone', state);
        // Browsers let a page play that captures the microphone. Playing may have begun before, and be refused just now.
        void this.output.resume();
      },
      (label) => this.emit('deviceLost', { kind: 'input', label }),
      this.voice,
    );
    this.output = new Output(options.output ?? 'elements', options.slots ?? DEFAULT_SLOTS, {
      blocked: (blocked) => this.emit('audioBlocked', blocked),
      deviceLost: (label) => this.emit('deviceLost', { kind: 'output', label }),
      who: (number) => this.scene.people.participants.get(number) ?? null,
    });
    this.secrecy = new Secrecy(options.encryption, {
      decryption: (change) => this.emit('decryption', change),
      failed: (error) => this.#report(error),
    });
    this.session = new Session(options, this.output.slots.length, {
      begun: () => this.secrecy.start(),
      made: (peer) => this.mic.attach(peer.sender, peer.pc),
      established: (peer) => this.#established(peer),
      promoted: (peer) => this.#promoted(peer),
      event: (event) => this.#handle(event),
      state: (state, error) => this.#changed(state, error),
      retry: (retry) => this.emit('retry', retry),
      stuck: (error) => this.#report(error),
    });
    this.levels = new Levels(this.output.slots, levelInterval, (all) => this.emit('speakers', all));
    this.#meter = new Meter(options.statisticsInterval ?? 2000, (statistics) => {
      const { quality } = this.latest;
      this.latest = statistics;
      this.emit('statistics', statistics);
      if (statistics.quality !== quality) this.emit('quality', statistics.quality);
    });
    this.scene = new Scene(
      this.output,
      [this.levels, this.#meter],
      (name, value) => this.emit(name, value),
      () => this.#emitMuted(),
    );
    this.#hush();
    this.output.deafen(this.preferences.deafened);
    if (options.outputDevice !== undefined) this.setOutput(options.outputDevice).catch((error) => this.#report(error));
    this.#endDevices = watchDevices(
      (devices) => {
        this.mic.devicesChanged(devices.inputs);
        this.output.devicesChanged(devices.outputs);
        this.emit('devices', devices);
      },
      (error) => this.#report(error),
    );
  }

  /**
   * Connects. Call once: nothing would clean up what is started after {@link close}. See {@link connect}.
   *
   * @throws VoiceError
   */
  async connect(): Promise<void> {
    if (this.state !== 'idle') throw new VoiceError('closed', 'A client can connect only once; create a new one.');
    const { microphone = true, conversation } = this.#options;
    if (conversation !== undefined) this.membership.startIn(conversation);
    // Runs in parallel: connecting need not wait for the user's permission. Failures are reported as an event.
    if (microphone !== false) this.startMicrophone(microphone === true ? {} : microphone).catch(() => undefined);
    await this.session.start();
  }

  /**
   * Moves the user, with all of their clients, into a conversation. Retries after temporary failures.
   *
   * Resolves once the user is in the conversation and, if the client is connected, its participants are known.
   *
   * @throws VoiceError `forbidden`, `bad-conversation`, `conversation-full`, `unauthorized`; `superseded` by a newer
   * join or leave.
   */
  join(conversation: string): Promise<void> {
    return this.membership.join(conversation, () => this.session.current);
  }

  /** Takes the user out of the conversation; the client stays connected. @throws VoiceError */
  leave(): Promise<void> {
    return this.membership.leave(() => this.session.current);
  }

  /**
   * Raises the hand, so that others see that the user asks for the right to speak, or lowers it. It survives
   * reconnections, and is lowered once the user may speak, or leaves the conversation.
   *
   * @throws VoiceError `refused` without a conversation, `not-connected`, `closed`.
   */
  async raiseHand(raised: boolean): Promise<void> {
    await this.preferences.raiseHand(raised, this.#peer());
  }

  /**
   * Gives these participants slots before all others. Replaces earlier pins. Pins survive reconnections, by userid and
   * clientid, and end when the user leaves the conversation.
   *
   * @param numbers of known participants, at most 16, the most important first.
   * @throws VoiceError `refused` if one of them has left, `not-connected`, `closed`.
   */
  async pin(numbers: readonly number[]): Promise<void> {
    await this.preferences.choose('pin', numbers, this.#peer());
  }

  /** Never plays these participants, at most 100; otherwise like {@link pin}. @throws VoiceError */
  async exclude(numbers: readonly number[]): Promise<void> {
    await this.preferences.choose('exclude', numbers, this.#peer());
  }

  /**
   * Requests a page of participants, for conversations that are too large for the server to list everybody.
   *
   * @param after the `next` of the previous page, 0 for the first. @param limit 1 to 100.
   * @throws VoiceError
   */
  async page(after = 0, limit = 100): Promise<ParticipantsPage> {
    const answer = await this.#peer().request({ type: 'participants', after, limit });
    if (answer.type !== 'page') throw new VoiceError('refused', 'The server did not answer with a page.');
    const { total, participants, next } = answer;
    return { total, participants, next };
  }

  /** Reconnects at once; the old connection keeps playing until the new one is established. */
  reconnect(): void {
    this.session.renew(null);
  }

  /**
   * Closes the connection, the microphone and the outputs. The server keeps the user's membership for some minutes;
   * `await leave()` first to end that too.
   */
  close(): void {
    this.session.close(null);
  }

  protected override listenersChanged(): void {
    this.voice.update();
  }

  #peer(): Peer {
    const { current } = this.session;
    if (this.state === 'closed') throw new VoiceError('closed', 'This client is closed; create a new one.');
    if (current === null)
      throw new VoiceError('not-connected', 'There is no connection; wait for the state "connected".');
    return current;
  }

  async #established(peer: Peer): Promise<void> {
    this.preferences.renew(peer);
    await this.membership.restore(peer, () => this.session.yield());
  }

  #promoted(peer: Peer): void {
    this.scene.take(peer);
    this.preferences.attach(peer);
    this.membership.attach(peer);
    this.scene.show();
  }

  #handle(event: ServerEvent): void {
    this.membership.handle(event);
    this.preferences.handle(event);
    this.scene.handle(event);
    if (event.type === 'draining') this.emit('draining', { within: event.within });
    // Not a response to a request: the server objects to something this client sends.
    if (event.type === 'error' && event.id === undefined) this.#report(eventError(event));
  }

  #emitMuted(): void {
    this.#hush();
    this.emit('muted', this.mutedState);
  }

  /** Sends nothing as long as the server forwards nothing. All reasons for that come together here. */
  #hush(): void {
    this.mic.mute(this.muted || this.silenced || !this.speak);
  }

  #changed(state: ClientState, error: VoiceError | null): void {
    const { current } = this.session;
    if (state === 'reconnecting' || state === 'closed') this.scene.leave();
    else if (current !== null) this.scene.recover(current);
    if (state === 'closed') this.#end(error);
    this.emit('state', { state, error });
  }

  #end(error: VoiceError | null): void {
    this.#endDevices();
    this.membership.close(error);
    this.levels.close();
    this.#meter.close();
    this.mic.close();
    this.output.close();
    this.secrecy.close();
  }

  #report(error: unknown): void {
    this.emit('error', asVoiceError(error, 'server-error', 'Unexpected failure'));
  }
}
