/** Which conversation the user is in, and bringing them back into it after a connection to a server that has forgotten. */
import { Backoff } from './backoff.ts';
import { asVoiceError, VoiceError } from './errors.ts';
import { changeMembership, type Endpoint } from './http.ts';
import type { Peer } from './peer.ts';
import type { ServerEvent } from './protocol.ts';
import { delay, within } from './time.ts';
import type { ClientEvents } from './types.ts';

/** How long a join or leave is tried for while the server cannot be reached, milliseconds. */
const PATIENCE_MS = 30_000;
/** How long a connection may take to tell where it is, milliseconds. */
const TOLD_MS = 3000;
/** Joins that are tried while a connection waits to be taken into use. */
const RESTORE_ATTEMPTS = 4;
/** How often such a join may be answered with success and take no effect on that connection. */
const RESTORE_ROUNDS = 3;
/** How long a change waits for the one before it, so that they arrive in this order, milliseconds. */
const ORDER_MS = 1000;

type Change = ClientEvents['conversation'];

/** A change that is under way. */
interface Under {
  superseded: boolean;
  readonly aborter: AbortController;
}

export class Membership {
  conversation: string | null = null;
  private readonly api: Endpoint;
  private readonly changed: (change: Change) => void;
  /** Of what is under way; a newer one ends it. */
  private under: Under | null = null;
  /** Where a join that is under way goes, which may have taken effect already. */
  private going: string | null = null;
  /** Whether a server has taken `conversation` already. */
  private taken = true;
  private over = false;
  /** Ends with the request that is under way. */
  private request: Promise<unknown> = Promise.resolve();
  /** How often `conversation` has changed; and when the connection that is taken into use next was put there. */
  private changes = 0;
  private restored = 0;
  private readonly looks = new Set<() => void>();

  constructor(api: Endpoint, changed: (change: Change) => void) {
    this.api = api;
    this.changed = changed;
  }

  /** Where to go with the first connection. */
  want(conversation: string): void {
    this.conversation = conversation;
    this.taken = false;
  }

  /** @param current the connection in use at each moment. @throws VoiceError */
  async join(conversation: string, current: () => Peer | null): Promise<void> {
    await this.change('POST', [conversation], () => isIn(current(), conversation));
  }

  /** @param current as in {@link join}. @throws VoiceError */
  async leave(current: () => Peer | null): Promise<void> {
    const places = [this.going, this.conversation].filter((one) => one !== null);
    if (places.length === 0) return;
    await this.change('DELETE', [...new Set(places)], () => isOut(current(), places));
  }

  /**
   * A connection stands: puts it where the user is, if it is not there.
   *
   * @param yieldOld closes the one in use. An instance to which that one leads may have taken the join for itself.
   * @throws VoiceError if that is worth another attempt.
   */
  async restore(peer: Peer, yieldOld: () => void): Promise<void> {
    await within(TOLD_MS, peer.snapshot);
    const { conversation } = this;
    const there = peer.people.conversation;
    this.restored = this.changes;
    if (this.under !== null || there === conversation) return;
    // Another client of the same user has moved them meanwhile, to where this one follows.
    if (there !== null && this.taken) {
      this.set(there);
      this.restored = this.changes;
      return;
    }
    if (conversation === null) return;
    const overtaken = (): boolean => this.under !== null || this.conversation !== conversation || !peer.stands;
    for (let round = 1; ; round++) {
      try {
        await this.enter(conversation);
      } catch (error) {
        const known = asVoiceError(error, 'unreachable', 'The conversation could not be joined again');
        if (known.code === 'superseded') return;
        if (known.retryable) throw known;
        return this.set(null, { error: known });
      }
      const settled = (): boolean => overtaken() || peer.people.conversation === conversation;
      if (await this.told(TOLD_MS, settled, peer)) return;
      if (round === RESTORE_ROUNDS) throw untold(`POST ${conversation}`);
      yieldOld();
    }
  }

  /** Takes a connection into use. */
  attach(peer: Peer): void {
    const { conversation } = peer.people;
    if (this.under === null && conversation !== this.conversation) {
      // What has changed since it was put there was told to the connection before, and is newer.
      if (this.changes !== this.restored) this.settle(peer).catch(() => undefined);
      else if (conversation !== null) this.set(conversation);
    }
    this.look();
  }

  /** An event of the connection in use. */
  heard(event: ServerEvent): void {
    this.look();
    if (event.type === 'moved') this.set(event.conversation);
    else if (event.type === 'left' && event.conversation === this.conversation)
      this.set(null, { kicked: event.kicked });
  }

  close(error: VoiceError | null): void {
    this.over = true;
    this.supersede();
    this.under?.aborter.abort();
    if (error !== null) this.conversation = null;
  }

  /** Brings a connection in use to where the user is, unless that happens by itself. */
  private async settle(peer: Peer): Promise<void> {
    const { conversation, changes } = this;
    const there = (): boolean => peer.people.conversation === conversation;
    if (await this.told(TOLD_MS, there, peer)) return;
    const other = peer.people.conversation;
    if (this.under !== null || this.changes !== changes || !peer.stands) return;
    if (conversation !== null) await this.change('POST', [conversation], there);
    else if (other !== null) await this.change('DELETE', [other], there);
  }

  /** @throws VoiceError */
  private async enter(conversation: string): Promise<void> {
    const under = this.begin();
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          await this.ask('POST', conversation, under);
          this.taken = true;
          return;
        } catch (error) {
          if (!(error instanceof VoiceError && error.retryable) || attempt === RESTORE_ATTEMPTS) throw error;
          await delay(Math.max(250 * attempt, error.retryAfter ?? 0));
          if (under.superseded) throw superseded();
        }
      }
    } finally {
      this.end(under);
    }
  }

  /**
   * Asks until it is done: until it was answered with success, and the connection in use, if there is one, says so as well. An instance
   * that shuts down may answer for the connection before.
   *
   * @param holds whether the connection says so; null without a connection. @throws VoiceError
   */
  private async change(
    method: 'POST' | 'DELETE',
    conversations: readonly string[],
    holds: () => boolean | null,
  ): Promise<void> {
    if (this.over) throw new VoiceError('closed', 'This client is closed; make another one.');
    const under = this.begin();
    const target = method === 'POST' ? conversations[0]! : null;
    this.going = target;
    const backoff = new Backoff(250, 4000);
    const begun = performance.now();
    try {
      for (;;) {
        let failure: VoiceError;
        try {
          for (const one of conversations) await this.ask(method, one, under);
          this.set(target);
          if ((await this.told(TOLD_MS, () => under.superseded || holds() !== false)) && !under.superseded) return;
          failure = untold(`${method} ${conversations}`);
        } catch (error) {
          failure = asVoiceError(error, 'unreachable', `${method} ${conversations}`);
        }
        if (under.superseded) throw superseded();
        if (!failure.retryable || performance.now() - begun > PATIENCE_MS) throw failure;
        await this.told(backoff.next(failure.retryAfter ?? 0), () => under.superseded || holds() === true);
        if (under.superseded) throw superseded();
        // Refused, since the next instance was to do it as well and there is none; but done.
        if (holds() === true) return this.set(target);
      }
    } finally {
      this.end(under);
    }
  }

  /** One request, after the one before. @throws VoiceError */
  private async ask(method: 'POST' | 'DELETE', conversation: string, under: Under): Promise<void> {
    await within(ORDER_MS, this.request);
    if (under.superseded) throw superseded();
    const asked = changeMembership(this.api, method, conversation, under.aborter.signal);
    this.request = asked.catch(() => undefined);
    await asked;
  }

  private begin(): Under {
    this.supersede();
    this.going = null;
    const under = { superseded: false, aborter: new AbortController() };
    this.under = under;
    return under;
  }

  /** A newer one takes the place of what is under way, whose request may come to its end first. */
  private supersede(): void {
    const { under } = this;
    if (under === null) return;
    under.superseded = true;
    setTimeout(() => under.aborter.abort(), ORDER_MS);
    this.look();
  }

  private end(under: Under): void {
    if (this.under !== under) return;
    this.under = null;
    this.going = null;
  }

  private set(
    conversation: string | null,
    { kicked = false, error = null }: { kicked?: boolean; error?: VoiceError | null } = {},
  ): void {
    this.taken = true;
    if (conversation === this.conversation && error === null) return;
    if (conversation !== this.conversation) this.changes++;
    this.conversation = conversation;
    this.changed({ conversation, kicked, error });
  }

  /**
   * Waits until something holds, but no longer than so many milliseconds. It is looked at after each event.
   *
   * @returns whether it does.
   */
  private async told(milliseconds: number, holds: () => boolean, peer?: Peer): Promise<boolean> {
    let look = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      look = () => {
        if (holds()) resolve();
      };
    });
    this.looks.add(look);
    peer?.looks.add(look);
    look();
    try {
      return await within(milliseconds, held);
    } finally {
      this.looks.delete(look);
      peer?.looks.delete(look);
    }
  }

  private look(): void {
    for (const look of this.looks) look();
  }
}

function superseded(): VoiceError {
  return new VoiceError('superseded', 'A newer join, leave or close came before this one was done.');
}

/** The request succeeded, and nothing came of it. */
function untold(what: string): VoiceError {
  const text = `${what} was answered, and the connection heard nothing of it: another instance may have answered`;
  return new VoiceError('timeout', `${text}. Try again.`, { retryable: true });
}

/** Whether a connection is in a conversation; null without a connection. */
function isIn(peer: Peer | null, conversation: string): boolean | null {
  return peer === null ? null : peer.people.conversation === conversation;
}

/** Whether it is in none of these; null without a connection. */
function isOut(peer: Peer | null, conversations: readonly string[]): boolean | null {
  return peer === null ? null : !conversations.includes(peer.people.conversation ?? '');
}
