/** The user's choices, which every new connection has to send again: muted, deafened, hand, pinned, excluded. */
import type { Peer } from './peer.ts';
import { keyOf } from './people.ts';
import type { Request, ServerEvent } from './protocol.ts';

type Choice = 'pin' | 'exclude';
/** What was sent on a connection. */
interface Sent {
  muted: boolean;
  deafened: boolean;
  hand: boolean;
}

export class Preferences {
  muted: boolean;
  deafened: boolean;
  /** Whether the hand is raised in this conversation. */
  hand = false;
  readonly #changed: () => void;
  readonly #sent = new WeakMap<Peer, Sent>();
  #peer: Peer | null = null;
  /** The connection that is about to be the current one. */
  #next: Peer | null = null;
  /** The conversation that the choices belong to. */
  #conversation: string | null = null;
  /** Keys of the pinned and excluded participants, since numbers change. */
  readonly #chosen: Record<Choice, readonly string[]> = { pin: [], exclude: [] };
  /** The numbers last requested on the current connection. */
  #asked: Record<Choice, string> = { pin: '', exclude: '' };

  constructor({ muted = false, deafened = false }: { muted?: boolean; deafened?: boolean }, changed: () => void) {
    this.muted = muted;
    this.deafened = deafened;
    this.#changed = changed;
  }

  mute(muted: boolean): void {
    if (this.muted === muted) return;
    this.muted = muted;
    this.#syncAll();
    this.#changed();
  }

  deafen(deafened: boolean): void {
    if (this.deafened === deafened) return;
    this.deafened = deafened;
    this.#syncAll();
    this.#changed();
  }

  /** Raises or lowers the hand. @param peer the current connection. @throws VoiceError */
  async raiseHand(raised: boolean, peer: Peer): Promise<void> {
    await peer.request({ type: 'hand', raised });
    this.#setHand(raised);
    const sent = this.#sent.get(peer);
    if (sent !== undefined) sent.hand = raised;
  }

  /** Pins or excludes participants. @param peer the current connection. @throws VoiceError */
  async choose(choice: Choice, numbers: readonly number[], peer: Peer): Promise<void> {
    const { participants } = peer.people;
    const keys = numbers.map((number) => {
      const participant = participants.get(number);
      return participant === undefined ? '' : keyOf(participant);
    });
    await peer.request({ type: choice, numbers });
    this.#chosen[choice] = keys.filter((key) => key !== '');
    this.#asked[choice] = String(numbers);
  }

  /** Sends mute and deafen on a newly established connection, before anybody can hear what must not be heard. */
  renew(peer: Peer): void {
    this.#next = peer;
    this.#sync(peer);
  }

  /** Makes a connection the current one. */
  attach(peer: Peer): void {
    this.#peer = peer;
    this.#next = null;
    this.#asked = { pin: '', exclude: '' };
    this.#sync(peer);
    this.#rechoose(peer);
  }

  /** Handles an event of the current connection. */
  handle(event: ServerEvent): void {
    if (this.#peer === null) return;
    if (event.type === 'snapshot') this.#asked = { pin: String(event.pinned), exclude: String(event.excluded) };
    if (event.type === 'snapshot' || event.type === 'participants') this.#rechoose(this.#peer);
    // Requests to unmute were refused as long as the user could not be heard, so send the current state again.
    const heard = (event.type === 'silenced' && !event.silenced) || (event.type === 'speak' && event.speak);
    if (lowersHand(event, this.#conversation)) this.#lower(this.#peer);
    if (heard) this.#ask(this.#peer, { type: 'mute', muted: this.muted });
  }

  /** Tells the next connection too: while a server drains, people may listen to either. */
  #syncAll(): void {
    this.#sync(this.#peer);
    this.#sync(this.#next);
  }

  /** Sends what a connection does not know yet. */
  #sync(peer: Peer | null): void {
    if (peer === null) return;
    let sent = this.#sent.get(peer);
    if (sent === undefined) {
      sent = { muted: false, deafened: false, hand: false };
      this.#sent.set(peer, sent);
    }
    if (sent.muted !== this.muted) this.#ask(peer, { type: 'mute', muted: this.muted });
    if (sent.deafened !== this.deafened) this.#ask(peer, { type: 'deafen', deafened: this.deafened });
    sent.muted = this.muted;
    sent.deafened = this.deafened;
  }

  /** Pins and excludes the same participants again, whose numbers may have changed. */
  #rechoose(peer: Peer): void {
    const { conversation, participants } = peer.people;
    // The connection knows no conversation yet; keep the choices.
    if (conversation === null) return;
    if (conversation !== this.#conversation) {
      this.#conversation = conversation;
      this.#lower(peer);
      this.#chosen.pin = [];
      this.#chosen.exclude = [];
      return;
    }
    this.#raiseAgain(peer);
    if (this.#chosen.pin.length + this.#chosen.exclude.length === 0) return;
    const numbers = new Map([...participants.values()].map((one) => [keyOf(one), one.number]));
    for (const choice of ['pin', 'exclude'] as const) {
      const wanted = this.#chosen[choice].map((key) => numbers.get(key)).filter((number) => number !== undefined);
      if (wanted.length === 0 || String(wanted) === this.#asked[choice]) continue;
      this.#asked[choice] = String(wanted);
      this.#ask(peer, { type: choice, numbers: wanted });
    }
  }

  /** Raises the hand on a new connection to the same conversation. */
  #raiseAgain(peer: Peer): void {
    const sent = this.#sent.get(peer);
    if (sent === undefined || sent.hand || !this.hand || peer.people.number === 0) return;
    sent.hand = true;
    this.#ask(peer, { type: 'hand', raised: true });
  }

  #lower(peer: Peer): void {
    const sent = this.#sent.get(peer);
    if (sent !== undefined) sent.hand = false;
    this.#setHand(false);
  }

  #setHand(raised: boolean): void {
    if (this.hand === raised) return;
    this.hand = raised;
    this.#changed();
  }

  /** Sends a request and ignores failures: the next connection repeats it, or events report the outcome. */
  #ask(peer: Peer, request: Request): void {
    peer.request(request).catch(() => undefined);
  }
}

/** Whether the server lowers the hand with this event. @param conversation where it was raised. */
function lowersHand(event: ServerEvent, conversation: string | null): boolean {
  if (event.type === 'moved') return event.conversation !== conversation;
  return event.type === 'left' || (event.type === 'speak' && event.speak);
}
