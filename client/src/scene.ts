/** Who is there, who speaks and who is in which slot, as the application is told: of the connection in use, or as it was before. */
import type { Output } from './output.ts';
import type { Peer } from './peer.ts';
import { NOBODY, type People } from './people.ts';
import type { Participant, ServerEvent } from './protocol.ts';
import type { ClientEvents } from './types.ts';

/** What looks at the connection in use again and again. */
interface Gauge {
  attach(peer: Peer): void;
  detach(): void;
}

export type Tell = <Name extends keyof ClientEvents>(name: Name, value: ClientEvents[Name]) => void;

export class Scene {
  people: People = NOBODY;
  private readonly output: Output;
  private readonly gauges: readonly Gauge[];
  private readonly tell: Tell;
  private readonly tellMuted: () => void;
  private away = true;

  constructor(output: Output, gauges: readonly Gauge[], tell: Tell, tellMuted: () => void) {
    this.output = output;
    this.gauges = gauges;
    this.tell = tell;
    this.tellMuted = tellMuted;
  }

  get dominant(): Participant | null {
    return this.people.participants.get(this.people.dominant) ?? null;
  }

  /** Takes a connection into use; {@link show} tells of it. */
  take(peer: Peer): void {
    this.people = peer.people;
    this.output.attach(peer);
    this.measure(peer);
  }

  /** Tells everything. */
  show(): void {
    this.tell('participants', this.people.participants);
    this.tellSlots();
    this.tell('dominant', this.dominant);
    this.tellMuted();
  }

  /** A connection that seemed lost is not. */
  recover(peer: Peer): void {
    if (!this.away) return;
    this.people = peer.people;
    this.measure(peer);
    this.show();
  }

  /** There is no connection: who was there is still shown, but nobody speaks, and nobody is in a slot. */
  leave(): void {
    if (this.away) return;
    this.away = true;
    this.people = this.people.quiet();
    for (const gauge of this.gauges) gauge.detach();
    this.show();
  }

  /** An event of the connection in use. */
  heard(event: ServerEvent): void {
    // It is shown once the connection has recovered.
    if (this.away) return;
    switch (event.type) {
      case 'snapshot':
        return this.show();
      case 'participants':
      case 'speaking':
      case 'page':
        return this.tell('participants', this.people.participants);
      case 'slots':
        return this.tellSlots();
      case 'dominant':
        return this.tell('dominant', this.dominant);
      case 'silenced':
        return this.tellMuted();
      default:
    }
  }

  /** @param peer whose tracks the slots have by now: the gauges look at these. */
  private measure(peer: Peer): void {
    this.away = false;
    for (const gauge of this.gauges) gauge.attach(peer);
  }

  private tellSlots(): void {
    this.output.assign(this.people.slots);
    this.tell('slots', this.output.slots);
  }
}
