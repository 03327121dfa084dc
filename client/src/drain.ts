/** Moves to another instance while the server drains: soon, and so that everybody keeps hearing everybody else. */
import type { Peer } from './peer.ts';
import { keyOf, type People } from './people.ts';
import { within } from './time.ts';

/** Clients spread their moves over this time, milliseconds, or over a tenth of the remaining time if that is less. */
const SPREAD_MS = 1000;
/** The same if the server does not wait: it is about to exit, or nobody else is in the conversation. */
const SHORT_SPREAD_MS = 300;
/** How long an established connection waits for slower participants to move, milliseconds. */
const GATHER_TIMEOUT_MS = 5000;
/** Poll interval for the state of the old connection, milliseconds. */
const POLL_MS = 100;
/** How long the old connection still carries this client's voice to those who listen there, milliseconds. */
const LINGER_MS = 2000;

export class Drain {
  readonly #move: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #spread: number | null = null;
  /** When the server exits, by `performance.now()`. */
  #end = 0;
  readonly #lingering = new Map<Peer, ReturnType<typeof setTimeout>>();

  /** @param move opens another connection; the old one stays in use until {@link waitForOthers} resolves. */
  constructor(move: () => void) {
    this.#move = move;
  }

  /** Whether the server of the current connection is shutting down. */
  get active(): boolean {
    return this.#spread !== null;
  }

  /**
   * Schedules the move: the server is shutting down.
   *
   * @param time until the server exits, milliseconds. @param alone whether nobody else is in the conversation.
   */
  begin(time: number, alone: boolean): void {
    clearTimeout(this.#timer);
    this.#spread = time === 0 || alone ? SHORT_SPREAD_MS : Math.min(SPREAD_MS, time / 10);
    this.#end = performance.now() + time;
    this.#timer = setTimeout(this.#move, Math.random() * this.#spread);
  }

  /**
   * Waits until every participant can be heard on the new connection, while both connections carry this client's voice.
   * The wait is bounded, since some clients may not move by themselves.
   */
  async waitForOthers(old: Peer | null, peer: Peer): Promise<void> {
    if (this.#spread === null || old === null) return;
    const checks = [old.checks, peer.checks];
    let check = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      check = () => {
        // By then the server may have exited, and those who still listen there hear nobody.
        const over = !old.established || !peer.established || performance.now() >= this.#end;
        if (over || areAllThere(old.people, peer.people)) resolve();
      };
      for (const all of checks) all.add(check);
      check();
    });
    // A closed connection reports nothing more, so poll as well.
    const timer = setInterval(check, POLL_MS);
    await within(Math.min(this.#spread + GATHER_TIMEOUT_MS, Math.max(0, this.#end - performance.now())), done);
    clearInterval(timer);
    for (const all of checks) all.delete(check);
  }

  /**
   * Records that another connection is in use, and closes the previous one.
   *
   * @param old the previous connection. It is closed at once, or after a while if the server is draining.
   */
  moved(old: Peer | null): void {
    const { active } = this;
    clearTimeout(this.#timer);
    this.#spread = null;
    if (old === null) return;
    if (!active) return old.close();
    old.watcher = null;
    const timer = setTimeout(() => this.#drop(old), LINGER_MS);
    this.#lingering.set(old, timer);
  }

  /** Closes all lingering connections. */
  close(): void {
    clearTimeout(this.#timer);
    for (const peer of this.#lingering.keys()) this.#drop(peer);
  }

  #drop(peer: Peer): void {
    clearTimeout(this.#lingering.get(peer));
    this.#lingering.delete(peer);
    peer.close();
  }
}

/** Whether everybody known on the old connection is known on the new one; in large conversations it compares totals. */
function areAllThere(there: People, here: People): boolean {
  if (there.conversation === null || here.conversation === null) return true;
  // A move is in progress, and one connection hears of it before the other.
  if (there.conversation !== here.conversation) return false;
  if (!there.complete || !here.complete) return here.total >= there.total;
  const present = new Set([...here.participants.values()].map(keyOf));
  return [...there.participants.values()].every((one) => present.has(keyOf(one)));
}
