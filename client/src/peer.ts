/** One connection, from its offer until it is closed. A reconnection is a new one. */
import type { Encryption } from './encryption.ts';
import { VoiceError, WAYS_OUT } from './errors.ts';
import { People } from './people.ts';
import { EVENTS_LABEL, type Request, readEvents, type ServerEvent } from './protocol.ts';
import { Requests } from './requests.ts';
import { signal } from './signalling.ts';
import type { ClientOptions } from './types.ts';

/** How long the state may be `disconnected` before the connection counts as lost, milliseconds. */
const DISTURBED_MS = 2500;

/** Callbacks of an established connection. */
export interface PeerWatcher {
  /** Called after `people` has taken the event. */
  event(event: ServerEvent): void;
  /** @param dead false if the connection may still recover. */
  lost(error: VoiceError, dead: boolean): void;
}

export class Peer {
  readonly pc: RTCPeerConnection;
  /** The sender of the microphone's track. */
  readonly sender: RTCRtpSender;
  /** One for each slot, in order. */
  readonly transceivers: readonly RTCRtpTransceiver[];
  readonly people = new People();
  /** Resolves with the first snapshot. */
  readonly snapshot: Promise<void>;
  watcher: PeerWatcher | null = null;
  /** Called after every event and every change of state. */
  readonly checks = new Set<() => void>();
  /** Events about the connection itself that arrived before there was a watcher. */
  readonly missed: ServerEvent[] = [];
  readonly #options: ClientOptions;
  /** Carries the events. */
  readonly channel: RTCDataChannel;
  readonly #requests: Requests;
  readonly #aborter = new AbortController();
  readonly #encryption: Encryption | null;
  /** By which the encryption knows this connection. */
  readonly #secret: number = 0;
  #disturbed: ReturnType<typeof setTimeout> | undefined;

  /** @param slots number of voices to receive at a time. */
  constructor(options: ClientOptions, slots: number, configuration: RTCConfiguration, encryption: Encryption | null) {
    this.#options = options;
    this.#encryption = encryption;
    this.pc = new RTCPeerConnection(encryption?.configure(configuration) ?? configuration);
    this.channel = this.pc.createDataChannel(EVENTS_LABEL);
    // Offered without a track, so that the microphone can start, stop and change without renegotiation.
    const first = this.pc.addTransceiver('audio', { direction: slots > 0 ? 'sendrecv' : 'sendonly' });
    this.sender = first.sender;
    const transceivers = slots > 0 ? [first] : [];
    for (let i = 1; i < slots; i++) transceivers.push(this.pc.addTransceiver('audio', { direction: 'recvonly' }));
    this.transceivers = transceivers;
    // Before anything can be sent.
    if (encryption !== null) this.#secret = encryption.attach(slots > 0 ? transceivers : [first]);
    this.#requests = new Requests((text) => this.channel.send(text));
    this.snapshot = this.#listen();
    this.pc.onconnectionstatechange = () => this.#changed();
  }

  /** Whether ICE and DTLS are done and the events channel is open. */
  get established(): boolean {
    return this.pc.connectionState === 'connected' && this.channel.readyState === 'open';
  }

  /**
   * Connects. Resolves once the connection is established.
   *
   * @param begun when the attempt began, by `performance.now()`. @throws VoiceError
   */
  async open(begun: number): Promise<void> {
    const { pc } = this;
    const offer = pc.setLocalDescription();
    // It is awaited later; until then a rejection must not count as unhandled.
    offer.catch(() => undefined);
    const { answered, refused } = signal(this.#options, pc, offer, this.#aborter.signal);
    const timeout = this.#options.attemptTimeout ?? 15_000;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(lateness(timeout, pc)), begun + timeout - performance.now());
      this.#aborter.signal.addEventListener('abort', () => reject(abandoned()), { once: true });
    });
    try {
      await Promise.race([this.#establish(answered), refused, late]);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends a request. @returns the response. @throws VoiceError `refused`, `not-connected`, `timeout` */
  request(request: Request): Promise<ServerEvent> {
    return this.#requests.ask(request);
  }

  /** Checks whether the server still responds. @param within timeout, milliseconds. */
  async answers(within: number): Promise<boolean> {
    if (!this.established) return false;
    try {
      // Changes nothing. Outside of conversations it is refused, which is a response, too.
      await this.#requests.ask({ type: 'participants', limit: 1 }, within);
      return true;
    } catch (error) {
      return error instanceof VoiceError && error.code === 'refused';
    }
  }

  /** Closes the connection without notifying the watcher. */
  close(): void {
    this.watcher = null;
    clearTimeout(this.#disturbed);
    this.#aborter.abort();
    this.#requests.close();
    this.pc.close();
    this.#encryption?.end(this.#secret);
  }

  async #establish(answered: Promise<void>): Promise<void> {
    await answered;
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (this.established) resolve();
        else if (this.pc.connectionState === 'failed') reject(blocked());
        else return;
        this.checks.delete(check);
      };
      this.checks.add(check);
      check();
    });
  }

  #listen(): Promise<void> {
    const channel = this.channel;
    channel.onclose = () => this.#lose('The server closed the connection', true);
    return new Promise((resolve) => {
      channel.onopen = () => this.#changed();
      channel.onmessage = ({ data }) => {
        for (const event of readEvents(data)) {
          this.people.take(event);
          if (changesPeople(event)) this.#introduce();
          if (event.type === 'snapshot') resolve();
          if (this.watcher !== null) this.watcher.event(event);
          else if (event.type === 'replaced' || event.type === 'draining') this.missed.push(event);
          this.#requests.handle(event);
        }
        for (const check of this.checks) check();
      };
    });
  }

  /** Tells the encryption who has which number. */
  #introduce(): void {
    const { participants, number } = this.people;
    const userids = new Map([...participants].map(([of, { userid }]) => [of, userid]));
    this.#encryption?.setPeople(this.#secret, userids, number);
  }

  #changed(): void {
    for (const check of this.checks) check();
    clearTimeout(this.#disturbed);
    const { connectionState } = this.pc;
    if (connectionState === 'failed') this.#lose('The path to the server is lost', true);
    if (connectionState === 'disconnected') {
      this.#disturbed = setTimeout(() => this.#lose('The server does not respond', false), DISTURBED_MS);
    }
  }

  #lose(what: string, dead: boolean): void {
    this.watcher?.lost(new VoiceError('unreachable', `${what}.`, { retryable: true }), dead);
  }
}

function changesPeople({ type }: ServerEvent): boolean {
  return type === 'snapshot' || type === 'participants' || type === 'page';
}

function abandoned(): VoiceError {
  return new VoiceError('superseded', 'The attempt was abandoned for a better one.', { retryable: true });
}

function lateness(timeout: number, { iceConnectionState, remoteDescription }: RTCPeerConnection): VoiceError {
  if (remoteDescription !== null && iceConnectionState !== 'connected' && iceConnectionState !== 'completed')
    return blocked();
  return new VoiceError('timeout', `Not connected within ${timeout} ms: the network or the server is slow.`, {
    retryable: true,
  });
}

function blocked(): VoiceError {
  const text =
    'The server responds, but no media gets through: the network blocks UDP, or the server announces a wrong address.';
  return new VoiceError('media-blocked', `${text} ${WAYS_OUT}`, { retryable: true });
}
