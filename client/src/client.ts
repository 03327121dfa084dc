/** The client as an application sees it; the parts do the work. */
import { listDevices, watchDevices } from './devices.ts';
import { asVoiceError, eventError, VoiceError } from './errors.ts';
import { Levels } from './levels.ts';
import { Membership } from './membership.ts';
import { Microphone } from './microphone.ts';
import { Output } from './output.ts';
import type { Peer } from './peer.ts';
import { Preferences } from './preferences.ts';
import type { ServerEvent } from './protocol.ts';
import { NO_STATISTICS } from './quality.ts';
import { Scene } from './scene.ts';
import { Session } from './session.ts';
import { Meter } from './statistics.ts';
import type { ClientOptions, ClientState, Devices, MicrophoneOptions, ParticipantsPage, Statistics } from './types.ts';
import { ClientView } from './view.ts';

/** Slots that are asked for if nobody says how many. */
const DEFAULT_SLOTS = 4;

/**
 * Makes a client and connects it.
 *
 * Resolves once the connection stands, and, if there is `options.conversation`, the user is in it. A microphone that cannot
 * be had is no failure: the client listens, `microphone.error` and the event `microphone` say why.
 *
 * @throws VoiceError if there is no hope, or none within `connectTimeout`.
 */
export async function connect(options: ClientOptions): Promise<VoiceClient> {
  const client = new VoiceClient(options);
  await client.connect();
  return client;
}

/** A user's place in conversations: it talks, listens, and reconnects by itself until it is closed. */
export class VoiceClient extends ClientView {
  private readonly options: ClientOptions;
  protected readonly session: Session;
  protected readonly membership: Membership;
  protected readonly mic: Microphone;
  protected readonly output: Output;
  protected readonly preferences: Preferences;
  protected readonly levels: Levels;
  protected readonly scene: Scene;
  private readonly meter: Meter;
  protected latest: Statistics = NO_STATISTICS;
  private readonly endDevices: () => void;

  constructor(options: ClientOptions) {
    super();
    this.options = options;
    this.membership = new Membership(options, (change) => this.emit('conversation', change));
    this.preferences = new Preferences(options, () => this.tellMuted());
    this.mic = new Microphone(
      (state) => this.emit('microphone', state),
      (label) => this.emit('deviceLost', { kind: 'input', label }),
    );
    this.output = new Output(options.output ?? 'elements', options.slots ?? DEFAULT_SLOTS, {
      blocked: (blocked) => this.emit('audioBlocked', blocked),
      deviceLost: (label) => this.emit('deviceLost', { kind: 'output', label }),
      who: (number) => this.scene.people.participants.get(number) ?? null,
    });
    this.session = new Session(options, this.output.slots.length, {
      made: (peer) => this.mic.attach(peer.sender, peer.pc),
      standing: (peer) => this.standing(peer),
      promoted: (peer) => this.promoted(peer),
      event: (event) => this.heard(event),
      state: (state, error) => this.changed(state, error),
      retry: (retry) => this.emit('retry', retry),
      stuck: (error) => this.report(error),
    });
    this.levels = new Levels(this.output.slots, options.levelInterval ?? 200, (all) => this.emit('speakers', all));
    this.meter = new Meter(options.statisticsInterval ?? 2000, (statistics) => {
      this.latest = statistics;
      this.emit('statistics', statistics);
    });
    this.scene = new Scene(
      this.output,
      [this.levels, this.meter],
      (name, value) => this.emit(name, value),
      () => this.tellMuted(),
    );
    this.mic.mute(this.preferences.muted);
    this.output.deafen(this.preferences.deafened);
    if (options.outputDevice !== undefined) this.setOutput(options.outputDevice).catch((error) => this.report(error));
    this.endDevices = watchDevices(
      (devices) => {
        this.mic.devicesChanged(devices.inputs);
        this.output.devicesChanged(devices.outputs);
        this.emit('devices', devices);
      },
      (error) => this.report(error),
    );
  }

  /**
   * Connects; to be called once, for what is begun after the end nobody would end. See {@link connect}.
   *
   * @throws VoiceError
   */
  async connect(): Promise<void> {
    if (this.state !== 'idle') throw new VoiceError('closed', 'A client connects once; make another one.');
    const { microphone = true, conversation } = this.options;
    if (conversation !== undefined) this.membership.want(conversation);
    // Beside the connecting, which need not wait for the user's permission; what fails is told as an event.
    if (microphone !== false) this.startMicrophone(microphone === true ? {} : microphone).catch(() => undefined);
    await this.session.start();
  }

  /**
   * Moves the user, with all of their clients, into a conversation. Passing troubles are overcome by trying again.
   *
   * Resolves once the user is in, and, if the client is connected, knows who else is.
   *
   * @throws VoiceError `forbidden`, `bad-conversation`, `conversation-full`, `unauthorized`; `superseded` by a newer join or leave.
   */
  join(conversation: string): Promise<void> {
    return this.membership.join(conversation, () => this.session.current);
  }

  /** Takes the user out of the conversation; the connection stands on. @throws VoiceError */
  leave(): Promise<void> {
    return this.membership.leave(() => this.session.current);
  }

  /** Stops or resumes sending: at once here, and at the server, so that others see it. Outlasts everything. */
  mute(muted: boolean): void {
    this.mic.mute(muted);
    this.preferences.mute(muted);
  }

  /** Stops or resumes hearing: at once here, and at the server, which then sends nothing. Outlasts everything. */
  deafen(deafened: boolean): void {
    this.output.deafen(deafened);
    this.preferences.deafen(deafened);
  }

  /**
   * These have slots before all others; replaces what was pinned, and ends with the conversation. Kept over reconnections,
   * by userid and clientid.
   *
   * @param numbers of participants that are known, 16 at most, the most important first.
   * @throws VoiceError `refused` if one of them is gone, `not-connected`, `closed`.
   */
  async pin(numbers: readonly number[]): Promise<void> {
    await this.preferences.choose('pin', numbers, this.peer());
  }

  /** These are never heard; otherwise like {@link pin}, 100 at most. @throws VoiceError */
  async exclude(numbers: readonly number[]): Promise<void> {
    await this.preferences.choose('exclude', numbers, this.peer());
  }

  /**
   * Asks for a page of the participants, for conversations that are too large to be told of everybody.
   *
   * @param after the `next` of the page before, 0 for the first. @param limit 1 to 100.
   * @throws VoiceError
   */
  async page(after = 0, limit = 100): Promise<ParticipantsPage> {
    const answer = await this.peer().request({ type: 'participants', after, limit });
    if (answer.type !== 'page') throw new VoiceError('refused', 'The server did not answer with a page.');
    const { total, participants, next } = answer;
    return { total, participants, next };
  }

  /** How loud a user is played, 0 to 1, whichever slot they are in. (iOS obeys with output `mixed` only.) */
  setVolume(userid: string, volume: number): void {
    this.output.setVolume(userid, volume);
  }

  /** Microphones and outputs. Labels are empty until the microphone was permitted once. @throws VoiceError `unsupported` */
  devices(): Promise<Devices> {
    return listDevices();
  }

  /**
   * Starts the microphone, or changes it while talking: device, processing, or a track of the application's own.
   * Without a gap for the listeners; nothing is negotiated.
   *
   * @throws VoiceError `microphone-denied`, `microphone-missing`, `microphone-busy`, `unsupported`, `closed`
   */
  startMicrophone(options: MicrophoneOptions = {}): Promise<void> {
    return this.mic.start(options);
  }

  /** Switches to another microphone, from a track of the application's own too, and keeps the processing. @throws VoiceError */
  setInput(deviceId: string): Promise<void> {
    const { track: _, ...processing } = this.mic.options;
    return this.mic.start({ ...processing, deviceId });
  }

  /** Stops the microphone for good: its light goes out, and the client listens on. */
  stopMicrophone(): void {
    this.mic.stop();
  }

  /** Plays on another output; '' is the default one. @throws VoiceError `output-device` where that cannot be chosen. */
  setOutput(deviceId: string): Promise<void> {
    return this.output.setDevice(deviceId);
  }

  /** Plays what was blocked; to be called when the user clicks or taps. @returns whether it plays now. */
  resume(): Promise<boolean> {
    return this.output.resume();
  }

  /** Connects anew, at once; the old connection plays on until the new one stands. */
  reconnect(): void {
    this.session.renew(null);
  }

  /**
   * Ends everything: connection, microphone, sound. The user's membership stays with the server for some minutes;
   * `await leave()` before ends it too.
   */
  close(): void {
    this.session.close(null);
  }

  private peer(): Peer {
    const { current } = this.session;
    if (this.state === 'closed') throw new VoiceError('closed', 'This client is closed; make another one.');
    if (current === null)
      throw new VoiceError('not-connected', 'There is no connection; wait for the state connected.');
    return current;
  }

  private async standing(peer: Peer): Promise<void> {
    this.preferences.renew(peer);
    await this.membership.restore(peer, () => this.session.yield());
  }

  private promoted(peer: Peer): void {
    this.scene.take(peer);
    this.preferences.attach(peer);
    this.membership.attach(peer);
    this.scene.show();
  }

  private heard(event: ServerEvent): void {
    this.membership.heard(event);
    this.preferences.heard(event);
    this.scene.heard(event);
    if (event.type === 'draining') this.emit('draining', { within: event.within });
    // Not an answer to a request: something that this client sends is wrong.
    if (event.type === 'error' && event.id === undefined) this.report(eventError(event));
  }

  private tellMuted(): void {
    this.emit('muted', { muted: this.muted, silenced: this.silenced, deafened: this.deafened });
  }

  private changed(state: ClientState, error: VoiceError | null): void {
    const { current } = this.session;
    if (state === 'reconnecting' || state === 'closed') this.scene.leave();
    else if (current !== null) this.scene.recover(current);
    if (state === 'closed') this.end(error);
    this.emit('state', { state, error });
  }

  private end(error: VoiceError | null): void {
    this.endDevices();
    this.membership.close(error);
    this.levels.close();
    this.meter.close();
    this.mic.close();
    this.output.close();
  }

  private report(error: unknown): void {
    this.emit('error', asVoiceError(error, 'server-error', 'Something failed'));
  }
}
