/** Keeps a connection: makes the first one, and another whenever it is lost or the server shuts down. */
import { Drain } from './drain.ts';
import { asVoiceError, givenUp, replaced, VoiceError } from './errors.ts';
import { Patience } from './patience.ts';
import { Peer } from './peer.ts';
import type { ServerEvent } from './protocol.ts';
import { watchPulse } from './pulse.ts';
import type { ClientEvents, ClientOptions, ClientState } from './types.ts';
import { watchWaking } from './wake.ts';

/** How long a connection may take to prove that it lives, milliseconds. */
const PROOF_MS = 2000;
/** How old the second attempt that is given up for a better one has to be, milliseconds; each further one twice that. */
const PATIENCE_MS = 2000;

/** What the session tells, and has done. */
export interface SessionHooks {
  /** A connection is made; its offer is not. */
  made(peer: Peer): void;
  /** It stands, and is to be put where the user is. */
  standing(peer: Peer): Promise<void>;
  /** It is the one in use now, and the one before is closed next. */
  promoted(peer: Peer): void;
  /** An event of the one in use. */
  event(event: ServerEvent): void;
  state(state: ClientState, error: VoiceError | null): void;
  retry(retry: ClientEvents['retry']): void;
  /** There will be no other connection, and the one in use stays as long as it lives. */
  stuck(error: VoiceError): void;
}

export class Session {
  state: ClientState = 'idle';
  /** The connection in use; null while there is none. */
  current: Peer | null = null;
  private readonly options: ClientOptions;
  private readonly slots: number;
  private readonly hooks: SessionHooks;
  private readonly patience: Patience;
  private attempting: Peer | null = null;
  private running = false;
  /** The connection in use has to be replaced even if it stands. */
  private due = false;
  /** The connection in use was told that the one under way takes its place. */
  private succeeded = false;
  /** When the attempt under way began, on the clock of `performance`. */
  private begun = 0;
  /** Attempts of this run that were given up for a better one. */
  private givenUp = 0;
  private readonly drain = new Drain(() => this.renew(null));
  private endWatch: (() => void) | null = null;
  private endPulse: (() => void) | null = null;
  private failure: VoiceError | null = null;

  constructor(options: ClientOptions, slots: number, hooks: SessionHooks) {
    this.options = options;
    this.slots = slots;
    this.hooks = hooks;
    this.patience = new Patience(options);
  }

  /** Connects for the first time. @throws VoiceError */
  async start(): Promise<void> {
    this.enter('connecting', null);
    this.endWatch = watchWaking(
      () => this.wake(),
      () => this.hide(),
    );
    await this.run(this.options.connectTimeout ?? 30_000);
    if (this.current === null) throw this.failure ?? new VoiceError('closed', 'The client was closed meanwhile.');
  }

  /** Connects anew, at once; what there is plays on until then. */
  renew(error: VoiceError | null): void {
    if (this.over || this.state === 'idle') return;
    this.due = true;
    this.patience.wanted();
    this.restart(error);
  }

  /** The end. @param error why, if it is not the application's doing. */
  close(error: VoiceError | null): void {
    if (this.over) return;
    this.failure = error;
    this.endWatch?.();
    this.endPulse?.();
    this.drain.close();
    this.attempting?.close();
    this.current?.close();
    this.current = null;
    this.enter('closed', error);
    this.patience.close();
  }

  private get over(): boolean {
    return this.state === 'closed';
  }

  private restart(error: VoiceError | null): void {
    if (this.running) this.patience.end();
    else this.run(Number.POSITIVE_INFINITY, error).catch(() => undefined);
  }

  /** Tries until it succeeds, or there is no hope. @param limit milliseconds. @param reason why there has to be another one. */
  private async run(limit: number, reason: VoiceError | null = null): Promise<void> {
    const until = performance.now() + limit;
    if (reason !== null && this.state === 'connected' && !this.due) this.enter('reconnecting', reason);
    this.running = true;
    this.givenUp = 0;
    this.patience.begin();
    try {
      if (reason !== null && this.patience.hurried && (await this.paused(reason))) return;
      while (!this.over) {
        const error = await this.attempt();
        if (error === null || this.over) return;
        if (!this.patience.hopes(error)) return await this.settleFor(error);
        // The one before ended when its successor stood, which was lost.
        if (this.current === null && this.state === 'connected') this.enter('reconnecting', error);
        if (performance.now() >= until) return this.close(givenUp(error, limit));
        if (await this.paused(error)) return;
      }
    } finally {
      this.running = false;
    }
  }

  /** Pauses between two attempts. @returns whether no other one is needed. */
  private async paused(error: VoiceError): Promise<boolean> {
    const pause = this.patience.next(error);
    this.hooks.retry({ attempt: this.patience.failures, delay: pause, error });
    if (!(await this.recovers(pause))) return false;
    this.enter('connected', null);
    return true;
  }

  /** Pauses. @returns whether the connection in use proves meanwhile that it lives after all, and may stay. */
  private async recovers(pause: number): Promise<boolean> {
    const peer = this.current;
    let alive = false;
    peer?.answers(PROOF_MS).then((answered) => {
      alive = answered;
    });
    await this.patience.pause(pause);
    return alive && !this.due && peer === this.current && peer?.stands === true;
  }

  /** No attempt will succeed: what there is stays as long as it lives. */
  private async settleFor(error: VoiceError): Promise<void> {
    const peer = this.current;
    const stays = error.code !== 'replaced' && peer !== null && (await peer.answers(PROOF_MS));
    if (this.over) return;
    if (!stays || peer !== this.current) return this.close(error);
    this.due = false;
    this.enter('connected', null);
    this.hooks.stuck(error);
  }

  /** @returns why it failed; null if it did not. */
  private async attempt(): Promise<VoiceError | null> {
    let peer: Peer | null = null;
    try {
      peer = new Peer(this.options, this.slots);
      this.attempting = peer;
      this.succeeded = false;
      this.begun = performance.now();
      this.hooks.made(peer);
      await peer.open();
      await this.hooks.standing(peer);
      await this.drain.gathered(this.current, peer);
      if (peer.missed.some(({ type }) => type === 'replaced')) throw replaced();
      if (this.over || !peer.stands) throw new VoiceError('unreachable', 'Lost again at once.', { retryable: true });
      this.promote(peer);
      return null;
    } catch (error) {
      peer?.close();
      return asVoiceError(error, 'incompatible', 'The connection could not be made');
    } finally {
      this.attempting = null;
    }
  }

  private promote(peer: Peer): void {
    const before = this.current;
    this.current = peer;
    this.patience.stood();
    this.due = false;
    this.hooks.promoted(peer);
    this.drain.moved(before);
    this.endPulse?.();
    this.endPulse = watchPulse(peer, () => this.prove(peer));
    peer.watcher = {
      event: (event) => this.heard(peer, event),
      lost: (error, dead) => this.lost(peer, error, dead),
    };
    if (this.state !== 'connected') this.enter('connected', null);
    for (const event of peer.missed) this.heard(peer, event);
  }

  private heard(peer: Peer, event: ServerEvent): void {
    if (peer !== this.current) return;
    if (event.type === 'replaced') {
      if (!this.running) return this.close(replaced());
      this.succeeded = this.attempting !== null;
    }
    this.hooks.event(event);
    if (event.type === 'draining') this.drain.begin(event.within, peer.people.total <= 1);
  }

  /** Lets go of the connection in use, so that the server which it leads to sends its user on to the one of the next. */
  yield(): void {
    if (this.current === null) return;
    this.current.close();
    this.current = null;
    this.enter('reconnecting', null);
  }

  private lost(peer: Peer, error: VoiceError, dead: boolean): void {
    if (peer !== this.current) return;
    // The server ends it because the next one stands, which it may know first.
    const planned = this.due && this.attempting !== null && (this.succeeded || this.attempting.stands);
    if (dead) {
      peer.close();
      this.current = null;
      this.due = false;
      if (planned) return;
    }
    if (this.state === 'connected') this.enter('reconnecting', error);
    // Until now there was no hurry.
    if (this.drain.active) this.patience.reset();
    if (!this.running) this.patience.fell();
    this.restart(error);
  }

  /** Something has changed: what seemed lost may work, and what seemed to stand may be lost. */
  private wake(): void {
    const peer = this.current;
    if (this.patience.pausing) {
      this.patience.reset();
      this.patience.end();
    } else if (this.attempting !== null && !this.attempting.stands && this.state !== 'connecting') {
      this.giveUp(this.attempting);
    } else if (peer !== null) {
      this.prove(peer);
    } else if (this.state === 'reconnecting') {
      this.restart(null);
    }
  }

  /** Bad networks change all the time: attempts that are given up at each change would never come to an end. */
  private giveUp(attempting: Peer): void {
    const age = performance.now() - this.begun;
    if (this.givenUp > 0 && age < PATIENCE_MS * 2 ** (this.givenUp - 1)) return;
    this.givenUp++;
    attempting.close();
  }

  /** Asks whether a connection that seems to stand does. */
  private prove(peer: Peer): void {
    if (this.running || peer !== this.current) return;
    const error = new VoiceError('unreachable', 'The server does not answer any more.', { retryable: true });
    peer.answers(PROOF_MS).then((alive) => {
      if (!alive) this.lost(peer, error, !peer.stands);
    });
  }

  /** The page is left: the server need not wait to notice. It may come back out of the browser's cache. */
  private hide(): void {
    this.drain.close();
    this.yield();
  }

  private enter(state: ClientState, error: VoiceError | null): void {
    if (this.state === state) return;
    this.state = state;
    this.hooks.state(state, error);
  }
}
