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

type Change = ClientEvents['conversation'];

export class Membership {
  conversation: string | null = null;
  private readonly api: Endpoint;
  private readonly changed: (change: Change) => void;
  /** Of what is under way; a newer one ends it. */
  private under: AbortController | null = null;
  /** Where a join that is under way goes, which may have taken effect already. */
  private going: string | null = null;
  /** Whether a server has taken `conversation` already. */
  private taken = true;
  private over = false;
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
    await this.change('POST', [conversation]);
    this.taken = true;
    this.set(conversation);
    await within(
      TOLD_MS,
      this.until(() => (current()?.people.conversation ?? conversation) === conversation),
    );
  }

  /** @throws VoiceError */
  async leave(): Promise<void> {
    const places = [this.going, this.conversation].filter((one) => one !== null);
    if (places.length === 0) return;
    await this.change('DELETE', [...new Set(places)]);
    this.set(null);
  }

  /** A connection stands: puts it where the user is, if it is not there. @throws VoiceError if that is worth another attempt. */
  async restore(peer: Peer): Promise<void> {
    await within(TOLD_MS, peer.snapshot);
    const { conversation } = this;
    const there = peer.people.conversation;
    if (this.under !== null || there === conversation) return;
    // Another client of the same user has moved them meanwhile, to where this one follows.
    if (there !== null && this.taken) return this.set(there);
    if (conversation === null) return;
    try {
      await this.enter(conversation);
    } catch (error) {
      const known = asVoiceError(error, 'unreachable', 'The conversation could not be joined again');
      if (known.code === 'superseded') return;
      if (known.retryable) throw known;
      return this.set(null, { error: known });
    }
    await within(
      TOLD_MS,
      this.until(() => peer.people.conversation === conversation, peer),
    );
  }

  /** Takes a connection into use. */
  attach(peer: Peer): void {
    const { conversation } = peer.people;
    if (conversation !== null && this.under === null) this.set(conversation);
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
    this.under?.abort();
    if (error !== null) this.conversation = null;
  }

  /** @throws VoiceError */
  private async enter(conversation: string): Promise<void> {
    const under = this.begin();
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          await changeMembership(this.api, 'POST', conversation, under.signal);
          this.taken = true;
          return;
        } catch (error) {
          if (!(error instanceof VoiceError && error.retryable) || attempt === RESTORE_ATTEMPTS) throw error;
          await delay(250 * attempt);
        }
      }
    } finally {
      this.end(under);
    }
  }

  /** @throws VoiceError */
  private async change(method: 'POST' | 'DELETE', conversations: readonly string[]): Promise<void> {
    if (this.over) throw new VoiceError('closed', 'This client is closed; make another one.');
    const under = this.begin();
    if (method === 'POST') this.going = conversations[0]!;
    const backoff = new Backoff(250, 4000);
    const begun = performance.now();
    try {
      for (;;) {
        try {
          for (const one of conversations) await changeMembership(this.api, method, one, under.signal);
          return;
        } catch (error) {
          const known = asVoiceError(error, 'unreachable', `${method} ${conversations}`);
          if (under.signal.aborted) throw superseded();
          if (!known.retryable || performance.now() - begun > PATIENCE_MS) throw known;
          await delay(backoff.next(known.retryAfter ?? 0));
          if (under.signal.aborted) throw superseded();
        }
      }
    } finally {
      this.end(under);
    }
  }

  private begin(): AbortController {
    this.under?.abort();
    this.going = null;
    this.under = new AbortController();
    return this.under;
  }

  private end(under: AbortController): void {
    if (this.under !== under) return;
    this.under = null;
    this.going = null;
  }

  private set(
    conversation: string | null,
    { kicked = false, error = null }: { kicked?: boolean; error?: VoiceError | null } = {},
  ): void {
    if (conversation === this.conversation && error === null) return;
    this.conversation = conversation;
    this.taken = true;
    this.changed({ conversation, kicked, error });
  }

  /** Waits until something holds; it is looked at after each event. */
  private until(holds: () => boolean, peer?: Peer): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.looks.delete(look);
        peer?.looks.delete(look);
        resolve();
      };
      this.looks.add(look);
      peer?.looks.add(look);
      look();
    });
  }

  private look(): void {
    for (const look of this.looks) look();
  }
}

function superseded(): VoiceError {
  return new VoiceError('superseded', 'A newer join, leave or close came before this one was done.');
}
