/** Moving on while the server drains: soon, and so that nobody of the room misses anybody else of it. */
import type { Peer } from './peer.ts';
import type { People } from './people.ts';
import { within } from './time.ts';

/** Clients move spread over this time, milliseconds, or over a tenth of what they have. */
const SPREAD_MS = 1000;
/** The same of those whom the server does not wait for: it ends, or nobody is there to talk with. */
const SHORT_SPREAD_MS = 300;
/** How long a connection that stands waits for those of the room who are slower, milliseconds. */
const PATIENCE_MS = 5000;
/** How often it is looked whether the old connection is still there, milliseconds. */
const LOOK_MS = 100;
/** How long the old connection carries this client's voice on, to those who still listen there, milliseconds. */
const LINGER_MS = 2000;

export class Drain {
  private readonly move: () => void;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private spread: number | null = null;
  /** When the server ends, on the clock of `performance`. */
  private end = 0;
  private readonly lingering = new Map<Peer, ReturnType<typeof setTimeout>>();

  /** @param move makes another connection; the old one stays in use until {@link gathered}. */
  constructor(move: () => void) {
    this.move = move;
  }

  /** Whether the server of the connection in use shuts down. */
  get active(): boolean {
    return this.spread !== null;
  }

  /** It does, within so many milliseconds. @param alone whether nobody else is in the room. */
  begin(time: number, alone: boolean): void {
    clearTimeout(this.timer);
    this.spread = time === 0 || alone ? SHORT_SPREAD_MS : Math.min(SPREAD_MS, time / 10);
    this.end = performance.now() + time;
    this.timer = setTimeout(this.move, Math.random() * this.spread);
  }

  /**
   * The new connection stands and carries this client's voice beside the old one. Waits until everybody of the room can be heard
   * on it, but not for ever: some may not move by themselves.
   */
  async gathered(old: Peer | null, peer: Peer): Promise<void> {
    if (this.spread === null || old === null) return;
    const looks = [old.looks, peer.looks];
    let look = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      look = () => {
        // At the end the server may be gone; whoever listens there still hears nobody.
        const over = !old.stands || !peer.stands || performance.now() >= this.end;
        if (over || areAllThere(old.people, peer.people)) resolve();
      };
      for (const all of looks) all.add(look);
      look();
    });
    // A connection that is closed says nothing any more.
    const timer = setInterval(look, LOOK_MS);
    await within(Math.min(this.spread + PATIENCE_MS, Math.max(0, this.end - performance.now())), done);
    clearInterval(timer);
    for (const all of looks) all.delete(look);
  }

  /** Another connection is in use. @param old the one before, which is closed: soon while the server drains, else now. */
  moved(old: Peer | null): void {
    const { active } = this;
    clearTimeout(this.timer);
    this.spread = null;
    if (old === null) return;
    if (!active) return old.close();
    old.watcher = null;
    const timer = setTimeout(() => this.drop(old), LINGER_MS);
    this.lingering.set(old, timer);
  }

  /** Closes all that lingers. */
  close(): void {
    clearTimeout(this.timer);
    for (const peer of this.lingering.keys()) this.drop(peer);
  }

  private drop(peer: Peer): void {
    clearTimeout(this.lingering.get(peer));
    this.lingering.delete(peer);
    peer.close();
  }
}

/** Whether everybody of the room there is in it here as well. Of a large one only the number is known. */
function areAllThere(there: People, here: People): boolean {
  if (there.conversation === null || here.conversation === null) return true;
  // A move is under way, of which one connection is told before the other.
  if (there.conversation !== here.conversation) return false;
  if (!there.complete || !here.complete) return here.total >= there.total;
  const present = new Set([...here.participants.values()].map(keyOf));
  return [...there.participants.values()].every((one) => present.has(keyOf(one)));
}

function keyOf({ userid, clientid }: { userid: string; clientid: string }): string {
  return JSON.stringify([userid, clientid]);
}
