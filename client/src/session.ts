/** Keeps the client connected: opens the first connection, and another when it is lost or the server shuts down. */
import { Drain } from './drain.ts';
import type { Encryption } from './encryption.ts';
import { asVoiceError, givenUp, replaced, VoiceError } from './errors.ts';
import { configurationFor } from './ice.ts';
import { watchLiveness } from './liveness.ts';
import { Peer } from './peer.ts';
import type { ServerEvent } from './protocol.ts';
import { RetryPolicy } from './retry-policy.ts';
import type { ClientEvents, ClientOptions, ClientState } from './types.ts';
import { watchWaking } from './wake.ts';

/** How long the server may take to respond to a probe, milliseconds. */
const PROBE_TIMEOUT_MS = 2000;
/** Minimum age of the second attempt to abandon for a better one, milliseconds; it doubles for each further one. */
const ABANDON_AGE_MS = 2000;

/** Callbacks of a session. */
export interface SessionHooks {
  /** The first connection is about to be made. @returns the encryption, if the client encrypts. @throws VoiceError */
  begun(): Promise<Encryption | null>;
  /** A connection object exists, but has made no offer yet. */
  made(peer: Peer): void;
  /** The connection is established and must now be put into the user's conversation. */
  established(peer: Peer): Promise<void>;
  /** The connection is now the current one; the previous one will be closed next. */
  promoted(peer: Peer): void;
  /** An event arrived on the current connection. */
  event(event: ServerEvent): void;
  state(state: ClientState, error: VoiceError | null): void;
  retry(retry: ClientEvents['retry']): void;
  /** No new connection is possible; the current one is kept for as long as it lasts. */
  stuck(error: VoiceError): void;
}

export class Session {
  state: ClientState = 'idle';
  /** The current connection; null while there is none. */
  current: Peer | null = null;
  #encryption: Encryption | null = null;
  readonly #options: ClientOptions;
  readonly #slots: number;
  readonly #hooks: SessionHooks;
  readonly retryPolicy: RetryPolicy;
  #attempting: Peer | null = null;
  #running = false;
  /** Whether the current connection must be replaced even if it is established. */
  #due = false;
  /** Whether the current connection has heard that the one being opened replaces it. */
  #replacementAnnounced = false;
  /** When the attempt in progress began, by `performance.now()`. */
  #begun = 0;
  /** Attempts of this run that were abandoned for a better one. */
  #abandoned = 0;
  /** Aborted when the session closes. */
  readonly #aborter = new AbortController();
  readonly #drain = new Drain(() => this.renew(null));
  #endWatch: (() => void) | null = null;
  #endLiveness: (() => void) | null = null;
  #failure: VoiceError | null = null;

  constructor(options: ClientOptions, slots: number, hooks: SessionHooks) {
    this.#options = options;
    this.#slots = slots;
    this.#hooks = hooks;
    this.retryPolicy = new RetryPolicy(options);
  }

  /** Connects for the first time. @throws VoiceError */
  async start(): Promise<void> {
    this.#enter('connecting', null);
    this.#endWatch = watchWaking(
      () => this.#wake(),
      () => this.#hide(),
    );
    try {
      this.#encryption = await this.#hooks.begun();
    } catch (error) {
      this.close(asVoiceError(error, 'encryption', 'End-to-end encryption'));
    }
    if (!this.#over) await this.#run(this.#options.connectTimeout ?? 30_000);
    if (this.current === null)
      throw this.#failure ?? new VoiceError('closed', 'The client was closed in the meantime.');
  }

  /** Reconnects at once; the current connection keeps playing until then. */
  renew(error: VoiceError | null): void {
    if (this.#over || this.state === 'idle') return;
    this.#due = true;
    this.retryPolicy.requested();
    this.#restart(error);
  }

  /** Closes everything. @param error why, if the application did not ask for it. */
  close(error: VoiceError | null): void {
    if (this.#over) return;
    this.#failure = error;
    this.#aborter.abort();
    this.#endWatch?.();
    this.#endLiveness?.();
    this.#drain.close();
    this.#attempting?.close();
    this.current?.close();
    this.current = null;
    this.retryPolicy.close();
    this.#enter('closed', error);
  }

  get #over(): boolean {
    return this.state === 'closed';
  }

  #restart(error: VoiceError | null): void {
    if (this.#running) this.retryPolicy.end();
    else this.#run(Number.POSITIVE_INFINITY, error).catch(() => undefined);
  }

  /**
   * Tries to connect until it succeeds or retrying is pointless.
   *
   * @param limit how long, milliseconds. @param reason why a new connection is needed.
   */
  async #run(limit: number, reason: VoiceError | null = null): Promise<void> {
    const until = performance.now() + limit;
    if (reason !== null && this.state === 'connected' && !this.#due) this.#enter('reconnecting', reason);
    this.#running = true;
    this.#abandoned = 0;
    this.retryPolicy.begin();
    try {
      if (reason !== null && this.retryPolicy.flapping && (await this.#paused(reason))) return;
      while (!this.#over) {
        const error = await this.#attempt();
        if (error === null || this.#over) return;
        if (!this.retryPolicy.allows(error)) return await this.#settleFor(error);
        // The previous connection ended once its successor was established, and the successor was then lost.
        if (this.current === null && this.state === 'connected') this.#enter('reconnecting', error);
        if (performance.now() >= until) return this.close(givenUp(error, limit));
        if (await this.#paused(error)) return;
      }
    } finally {
      this.#running = false;
    }
  }

  /** Pauses between two attempts. @returns whether no further attempt is needed. */
  async #paused(error: VoiceError): Promise<boolean> {
    const pause = this.retryPolicy.next(error);
    const recovers = this.#recovers(pause);
    this.#hooks.retry({ attempt: this.retryPolicy.failures, delay: pause, error });
    if (!(await recovers)) return false;
    this.#enter('connected', null);
    return true;
  }

  /** Pauses. @returns whether the current connection has responded in the meantime and can be kept. */
  async #recovers(pause: number): Promise<boolean> {
    const peer = this.current;
    const answer = peer?.answers(PROBE_TIMEOUT_MS);
    await this.retryPolicy.pause(pause);
    const alive = await Promise.race([answer, false]);
    return alive === true && !this.#due && peer === this.current && peer?.established === true;
  }

  /** Keeps the current connection for as long as it lasts, since no attempt will succeed. */
  async #settleFor(error: VoiceError): Promise<void> {
    const peer = this.current;
    const stays = error.code !== 'replaced' && peer !== null && (await peer.answers(PROBE_TIMEOUT_MS));
    if (this.#over) return;
    if (!stays || peer !== this.current) return this.close(error);
    this.#due = false;
    this.#enter('connected', null);
    this.#hooks.stuck(error);
  }

  /** Makes one attempt. @returns why it failed; null if it succeeded. */
  async #attempt(): Promise<VoiceError | null> {
    let peer: Peer | null = null;
    try {
      this.#replacementAnnounced = false;
      this.#begun = performance.now();
      const configuration = await configurationFor(this.#options, this.#aborter.signal);
      if (this.#over) throw new VoiceError('closed', 'The client was closed in the meantime.');
      peer = new Peer(this.#options, this.#slots, configuration, this.#encryption);
      this.#attempting = peer;
      this.#hooks.made(peer);
      await peer.open(this.#begun);
      await this.#hooks.established(peer);
      await this.#drain.waitForOthers(this.current, peer);
      if (peer.missed.some(({ type }) => type === 'replaced')) throw replaced();
      if (this.#over || !peer.established)
        throw new VoiceError('unreachable', 'The new connection was lost at once.', { retryable: true });
      this.#promote(peer);
      return null;
    } catch (error) {
      peer?.close();
      return asVoiceError(error, 'incompatible', 'Could not connect');
    } finally {
      this.#attempting = null;
    }
  }

  #promote(peer: Peer): void {
    const before = this.current;
    this.current = peer;
    this.retryPolicy.established();
    this.#due = false;
    this.#hooks.promoted(peer);
    this.#drain.moved(before);
    this.#endLiveness?.();
    this.#endLiveness = watchLiveness(peer, () => this.#probe(peer));
    peer.watcher = {
      event: (event) => this.#handle(peer, event),
      lost: (error, dead) => this.#lost(peer, error, dead),
    };
    if (this.state !== 'connected') this.#enter('connected', null);
    for (const event of peer.missed) this.#handle(peer, event);
  }

  #handle(peer: Peer, event: ServerEvent): void {
    if (peer !== this.current) return;
    if (event.type === 'replaced') {
      if (!this.#running) return this.close(replaced());
      this.#replacementAnnounced = this.#attempting !== null;
    }
    this.#hooks.event(event);
    if (event.type === 'draining') this.#drain.begin(event.within, peer.people.total <= 1);
  }

  /** Closes the current connection, so that its server passes the user's requests on to the next instance. */
  yield(): void {
    if (this.current === null) return;
    this.current.close();
    this.current = null;
    this.#enter('reconnecting', null);
  }

  #lost(peer: Peer, error: VoiceError, dead: boolean): void {
    if (peer !== this.current) return;
    // The server closes it because the next one is established, which the server may know first.
    const planned =
      this.#due && this.#attempting !== null && (this.#replacementAnnounced || this.#attempting.established);
    if (dead) {
      peer.close();
      this.current = null;
      this.#due = false;
      if (planned) return;
    }
    if (this.state === 'connected') this.#enter('reconnecting', error);
    // While the old connection lasted, there was no hurry.
    if (this.#drain.active) this.retryPolicy.reset();
    if (!this.#running) this.retryPolicy.lost();
    this.#restart(error);
  }

  /** Reacts to a change of the network or machine: attempts may now succeed, and connections may be dead. */
  #wake(): void {
    const peer = this.current;
    if (this.retryPolicy.pausing) {
      this.retryPolicy.reset();
      this.retryPolicy.end();
    } else if (this.#attempting !== null && !this.#attempting.established && this.state !== 'connecting') {
      this.#abandon(this.#attempting);
    } else if (peer !== null) {
      this.#probe(peer);
    } else if (this.state === 'reconnecting') {
      this.#restart(null);
    }
  }

  /** Abandons an attempt, but not at every network change; otherwise none would ever complete on a bad network. */
  #abandon(attempting: Peer): void {
    const age = performance.now() - this.#begun;
    if (this.#abandoned > 0 && age < ABANDON_AGE_MS * 2 ** (this.#abandoned - 1)) return;
    this.#abandoned++;
    attempting.close();
  }

  /** Probes a connection that seems to be established. */
  #probe(peer: Peer): void {
    if (this.#running || peer !== this.current) return;
    const error = new VoiceError('unreachable', 'The server does not respond any more.', { retryable: true });
    peer.answers(PROBE_TIMEOUT_MS).then((alive) => {
      if (!alive) this.#lost(peer, error, !peer.established);
    });
  }

  /** Closes the connections when the page is left, so that the server need not time out. The page may be restored. */
  #hide(): void {
    this.#drain.close();
    this.yield();
  }

  #enter(state: ClientState, error: VoiceError | null): void {
    if (this.state === state) return;
    this.state = state;
    this.#hooks.state(state, error);
  }
}
