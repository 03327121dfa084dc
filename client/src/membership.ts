/** Tracks which conversation the user is in, and restores the membership on a server that does not know it. */
import { Backoff } from './backoff.ts';
import { asVoiceError, VoiceError } from './errors.ts';
import { changeMembership, type Endpoint } from './http.ts';
import type { Peer } from './peer.ts';
import type { ServerEvent } from './protocol.ts';
import { delay, within } from './time.ts';
import type { ClientEvents } from './types.ts';

/** How long to retry a join or leave while the server cannot be reached, milliseconds. */
const RETRY_MS = 30_000;
/** How long to wait for a connection to report its conversation, milliseconds. */
const CONFIRM_MS = 3000;
/** Maximum number of join requests while a new connection waits to be used. */
const RESTORE_ATTEMPTS = 4;
/** How often such a join may succeed without taking effect on that connection. */
const RESTORE_ROUNDS = 3;
/** How long a request waits for the previous one, so that they arrive in order, milliseconds. */
const ORDER_MS = 1000;

type Change = ClientEvents['conversation'];

/** A change in progress. */
interface PendingChange {
  superseded: boolean;
  readonly aborter: AbortController;
}

export class Membership {
  conversation: string | null = null;
  readonly #api: Endpoint;
  readonly #changed: (change: Change) => void;
  /** The change in progress; a newer one supersedes it. */
  #pending: PendingChange | null = null;
  /** The target of the join in progress, which may already have taken effect. */
  #joining: string | null = null;
  /** Whether a server has accepted `conversation`. */
  #accepted = true;
  #closed = false;
  /** Settles with the request in progress. */
  #request: Promise<unknown> = Promise.resolve();
  /** How often `conversation` has changed. */
  #changes = 0;
  /** The value of `changes` when {@link restore} last ran. */
  #changesAtRestore = 0;
  /** Called after every event and every change. */
  readonly checks = new Set<() => void>();

  constructor(api: Endpoint, changed: (change: Change) => void) {
    this.#api = api;
    this.#changed = changed;
  }

  /** Sets the conversation that the first connection joins. */
  startIn(conversation: string): void {
    this.conversation = conversation;
    this.#accepted = false;
  }

  /** Joins a conversation. @param current returns the current connection. @throws VoiceError */
  async join(conversation: string, current: () => Peer | null): Promise<void> {
    await this.#change('POST', [conversation], () => isIn(current(), conversation));
  }

  /** Leaves the conversation. @param current returns the current connection. @throws VoiceError */
  async leave(current: () => Peer | null): Promise<void> {
    const places = [this.#joining, this.conversation].filter((one) => one !== null);
    if (places.length === 0) return;
    await this.#change('DELETE', [...new Set(places)], () => isOut(current(), places));
  }

  /**
   * Puts a newly established connection into the user's conversation, if it is not there yet.
   *
   * @param yieldOld closes the current connection, whose instance may have applied the join to that connection.
   * @throws VoiceError if another attempt may succeed.
   */
  async restore(peer: Peer, yieldOld: () => void): Promise<void> {
    await within(CONFIRM_MS, peer.snapshot);
    const { conversation } = this;
    const there = peer.people.conversation;
    this.#changesAtRestore = this.#changes;
    if (this.#pending !== null || there === conversation) return;
    // Another client of the same user has moved them meanwhile: follow.
    if (there !== null && this.#accepted) {
      this.#set(there);
      this.#changesAtRestore = this.#changes;
      return;
    }
    if (conversation === null) return;
    const overtaken = (): boolean => this.#pending !== null || this.conversation !== conversation || !peer.established;
    for (let round = 1; ; round++) {
      try {
        await this.#enter(conversation);
      } catch (error) {
        const known = asVoiceError(error, 'unreachable', 'Could not rejoin the conversation');
        if (known.code === 'superseded') return;
        if (known.retryable) throw known;
        return this.#set(null, { error: known });
      }
      const settled = (): boolean => overtaken() || peer.people.conversation === conversation;
      if (await this.#waitUntil(CONFIRM_MS, settled, peer)) return;
      if (round === RESTORE_ROUNDS) throw unconfirmed(`POST ${conversation}`);
      yieldOld();
    }
  }

  /** Makes a connection the current one. */
  attach(peer: Peer): void {
    const { conversation } = peer.people;
    if (this.#pending === null && conversation !== this.conversation) {
      // A change since `restore` was reported on the previous connection, and is newer.
      if (this.#changes !== this.#changesAtRestore) this.#settle(peer).catch(() => undefined);
      else if (conversation !== null) this.#set(conversation);
    }
    this.#check();
  }

  /** Handles an event of the current connection. */
  handle(event: ServerEvent): void {
    this.#check();
    if (event.type === 'moved') this.#set(event.conversation);
    else if (event.type === 'left' && event.conversation === this.conversation)
      this.#set(null, { kicked: event.kicked });
  }

  close(error: VoiceError | null): void {
    this.#closed = true;
    this.#supersede();
    this.#pending?.aborter.abort();
    if (error !== null) this.conversation = null;
  }

  /** Moves the current connection into the user's conversation, unless the server does so in time. */
  async #settle(peer: Peer): Promise<void> {
    const { conversation } = this;
    const changes = this.#changes;
    const there = (): boolean => peer.people.conversation === conversation;
    if (await this.#waitUntil(CONFIRM_MS, there, peer)) return;
    const other = peer.people.conversation;
    if (this.#pending !== null || this.#changes !== changes || !peer.established) return;
    if (conversation !== null) await this.#change('POST', [conversation], there);
    else if (other !== null) await this.#change('DELETE', [other], there);
  }

  /** @throws VoiceError */
  async #enter(conversation: string): Promise<void> {
    const pending = this.#begin();
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          await this.#ask('POST', conversation, pending);
          this.#accepted = true;
          return;
        } catch (error) {
          if (!(error instanceof VoiceError && error.retryable) || attempt === RESTORE_ATTEMPTS) throw error;
          await delay(Math.max(250 * attempt, error.retryAfter ?? 0));
          if (pending.superseded) throw superseded();
        }
      }
    } finally {
      this.#end(pending);
    }
  }

  /**
   * Repeats a request until it has succeeded and the current connection, if there is one, confirms it. A success alone
   * proves nothing: an instance that is shutting down may have applied it to the previous connection.
   *
   * @param holds whether the connection confirms the change; null without a connection. @throws VoiceError
   */
  async #change(
    method: 'POST' | 'DELETE',
    conversations: readonly string[],
    holds: () => boolean | null,
  ): Promise<void> {
    if (this.#closed) throw new VoiceError('closed', 'This client is closed; create a new one.');
    const pending = this.#begin();
    const target = method === 'POST' ? conversations[0]! : null;
    this.#joining = target;
    const backoff = new Backoff(250, 4000);
    const begun = performance.now();
    try {
      for (;;) {
        let failure: VoiceError;
        try {
          for (const one of conversations) await this.#ask(method, one, pending);
          this.#set(target);
          if ((await this.#waitUntil(CONFIRM_MS, () => pending.superseded || holds() !== false)) && !pending.superseded)
            return;
          failure = unconfirmed(`${method} ${conversations}`);
        } catch (error) {
          failure = asVoiceError(error, 'unreachable', `${method} ${conversations}`);
        }
        if (pending.superseded) throw superseded();
        if (!failure.retryable || performance.now() - begun > RETRY_MS) throw failure;
        await this.#waitUntil(backoff.next(failure.retryAfter ?? 0), () => pending.superseded || holds() === true);
        if (pending.superseded) throw superseded();
        // It was refused because no next instance could apply it too, but here it has taken effect.
        if (holds() === true) return this.#set(target);
      }
    } finally {
      this.#end(pending);
    }
  }

  /** Sends one request, after the previous one. @throws VoiceError */
  async #ask(method: 'POST' | 'DELETE', conversation: string, pending: PendingChange): Promise<void> {
    await within(ORDER_MS, this.#request);
    if (pending.superseded) throw superseded();
    const asked = changeMembership(this.#api, method, conversation, pending.aborter.signal);
    this.#request = asked.catch(() => undefined);
    await asked;
  }

  #begin(): PendingChange {
    this.#supersede();
    this.#joining = null;
    const pending = { superseded: false, aborter: new AbortController() };
    this.#pending = pending;
    return pending;
  }

  /** Supersedes the change in progress, and gives its request a moment to complete. */
  #supersede(): void {
    const pending = this.#pending;
    if (pending === null) return;
    pending.superseded = true;
    setTimeout(() => pending.aborter.abort(), ORDER_MS);
    this.#check();
  }

  #end(pending: PendingChange): void {
    if (this.#pending !== pending) return;
    this.#pending = null;
    this.#joining = null;
  }

  #set(
    conversation: string | null,
    { kicked = false, error = null }: { kicked?: boolean; error?: VoiceError | null } = {},
  ): void {
    this.#accepted = true;
    if (conversation === this.conversation && error === null) return;
    if (conversation !== this.conversation) this.#changes++;
    this.conversation = conversation;
    this.#changed({ conversation, kicked, error });
  }

  /**
   * Waits until a condition holds. It is checked after each event.
   *
   * @param milliseconds timeout. @returns whether it holds.
   */
  async #waitUntil(milliseconds: number, holds: () => boolean, peer?: Peer): Promise<boolean> {
    let check = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      check = () => {
        if (holds()) resolve();
      };
    });
    this.checks.add(check);
    peer?.checks.add(check);
    check();
    try {
      return await within(milliseconds, held);
    } finally {
      this.checks.delete(check);
      peer?.checks.delete(check);
    }
  }

  #check(): void {
    for (const check of this.checks) check();
  }
}

function superseded(): VoiceError {
  return new VoiceError('superseded', 'A newer join, leave or close replaced this one.');
}

/** The error for a request that succeeded but was not confirmed. */
function unconfirmed(what: string): VoiceError {
  const text = `${what} succeeded, but the connection did not confirm it: another instance may have answered`;
  return new VoiceError('timeout', `${text}. Try again.`, { retryable: true });
}

/** Whether a connection is in a conversation; null without a connection. */
function isIn(peer: Peer | null, conversation: string): boolean | null {
  return peer === null ? null : peer.people.conversation === conversation;
}

/** Whether a connection is in none of these conversations; null without a connection. */
function isOut(peer: Peer | null, conversations: readonly string[]): boolean | null {
  return peer === null ? null : !conversations.includes(peer.people.conversation ?? '');
}
