/** Reports participants, speakers and slots to the application, from the current connection or as they last were. */
import type { Output } from './output.ts';
import type { Peer } from './peer.ts';
import { NOBODY, type People } from './people.ts';
import type { Participant, ServerEvent } from './protocol.ts';
import type { ClientEvents } from './types.ts';

/** Measures the current connection periodically. */
interface Gauge {
  attach(peer: Peer): void;
  detach(): void;
}

export type Emit = <Name extends keyof ClientEvents>(name: Name, value: ClientEvents[Name]) => void;

export class Scene {
  people: People = NOBODY;
  readonly #output: Output;
  readonly #gauges: readonly Gauge[];
  readonly #emit: Emit;
  readonly #emitMuted: () => void;
  #away = true;
  /** What the application knows. */
  #whole = true;
  #recording = false;

  constructor(output: Output, gauges: readonly Gauge[], emit: Emit, emitMuted: () => void) {
    this.#output = output;
    this.#gauges = gauges;
    this.#emit = emit;
    this.#emitMuted = emitMuted;
  }

  get dominant(): Participant | null {
    return this.people.participants.get(this.people.dominant) ?? null;
  }

  /** Makes a connection the current one; {@link show} reports it. */
  take(peer: Peer): void {
    this.people = peer.people;
    this.#output.attach(peer);
    this.#measure(peer);
  }

  /** Reports everything. */
  show(): void {
    this.#emit('participants', this.people.participants);
    this.#emitSlots();
    this.#emit('dominant', this.dominant);
    this.#emitMuted();
    this.#emitCluster();
    this.#emitRecording();
  }

  /** Shows the connection again that seemed lost but has recovered. */
  recover(peer: Peer): void {
    if (!this.#away) return;
    this.people = peer.people;
    this.#measure(peer);
    this.show();
  }

  /** Shows that there is no connection: the participants stay, but nobody speaks, and all slots are empty. */
  leave(): void {
    if (this.#away) return;
    this.#away = true;
    this.people = this.people.quiet();
    for (const gauge of this.#gauges) gauge.detach();
    this.show();
  }

  /** Handles an event of the current connection. */
  handle(event: ServerEvent): void {
    // `recover` will show it.
    if (this.#away) return;
    switch (event.type) {
      case 'snapshot':
        return this.show();
      case 'participants':
      case 'speaking':
      case 'page':
        return this.#emit('participants', this.people.participants);
      case 'slots':
        return this.#emitSlots();
      case 'dominant':
        return this.#emit('dominant', this.dominant);
      case 'silenced':
      case 'speak':
        return this.#emitMuted();
      case 'cluster':
        return this.#emitCluster();
      case 'recording':
        return this.#emitRecording();
      default:
    }
  }

  /** Starts the gauges. @param peer its tracks must already be in the slots, since the gauges read those. */
  #measure(peer: Peer): void {
    this.#away = false;
    for (const gauge of this.#gauges) gauge.attach(peer);
  }

  #emitCluster(): void {
    const { whole } = this.people;
    if (whole === this.#whole) return;
    this.#whole = whole;
    this.#emit('cluster', { whole });
  }

  #emitRecording(): void {
    const { recording } = this.people;
    if (recording === this.#recording) return;
    this.#recording = recording;
    this.#emit('recording', recording);
  }

  #emitSlots(): void {
    this.#output.assign(this.people.slots);
    this.#emit('slots', this.#output.slots);
  }
}
