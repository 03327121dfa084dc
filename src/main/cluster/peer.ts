/** Another instance, as its heartbeats show it. */
import { describe } from './identity.ts';
import type { Beat } from './messages/heartbeats.ts';

/** Longest silence of a living instance, milliseconds. */
export const MAX_SILENCE_MS = 3500;
/** Longest round trip that is believed, milliseconds. */
const MAX_RTT_MS = 60_000;

/** Another living instance. */
export interface Instance {
  readonly id: string;
  readonly incarnation: string;
  readonly version: string;
  readonly host: string;
  readonly draining: boolean;
  readonly connections: number;
  readonly conversations: number;
  /** Round trip to it over NATS, milliseconds; null until it is known. */
  readonly rttMs: number | null;
  /** Time since its latest heartbeat, milliseconds. */
  readonly silentMs: number;
  readonly relayedIn: number;
  readonly relayedOut: number;
  readonly dropped: number;
}

export class Peer {
  readonly incarnation: string;
  /** The latest heartbeat, without the others that it has seen: there are as many again of each. */
  private beat: Omit<Beat, 'seen'>;
  private heardAt: number;
  /** When it is dead unless it is heard before. */
  private deadline: number;
  private rtt: number | null = null;

  constructor(beat: Beat, now: number) {
    this.incarnation = beat.incarnation;
    this.beat = withoutSeen(beat);
    this.heardAt = now;
    this.deadline = now + MAX_SILENCE_MS;
  }

  get id(): string {
    return this.beat.id;
  }

  /** Whether it is ready to speak for the cluster. */
  get ready(): boolean {
    return this.beat.speaks === true;
  }

  get draining(): boolean {
    return this.beat.draining;
  }

  /** Names it for people. */
  get description(): string {
    return describe(this.beat);
  }

  /** @param self the incarnation that the round trip is to. */
  heard(beat: Beat, now: number, self: string): void {
    this.beat = withoutSeen(beat);
    this.heardAt = now;
    this.deadline = now + MAX_SILENCE_MS;
    const echo = beat.seen.find(([incarnation]) => incarnation === self);
    if (echo === undefined) return;
    // As in RTCP: only own clocks are compared with themselves, so they may differ.
    const [, sentAt, held] = echo;
    const rtt = now - sentAt - held;
    if (rtt > -1 && rtt <= MAX_RTT_MS) this.rtt = Math.max(0, Math.round(rtt * 100) / 100);
  }

  /** Gives it more time, because nothing was read for a while. */
  pardon(duration: number): void {
    this.deadline += duration;
  }

  isSilent(now: number): boolean {
    return now > this.deadline;
  }

  /** What it is told of itself in the next heartbeat. */
  echo(now: number): [incarnation: string, sentAt: number, heldMs: number] {
    return [this.incarnation, this.beat.sentAt, Math.round((now - this.heardAt) * 100) / 100];
  }

  look(now: number): Instance {
    const { id, incarnation, version, host, draining, connections, conversations } = this.beat;
    const { relayedIn, relayedOut, dropped } = this.beat;
    const silentMs = Math.max(0, Math.round(now - this.heardAt));
    const figures = { draining, connections, conversations, relayedIn, relayedOut, dropped };
    return { id, incarnation, version, host, ...figures, rttMs: this.rtt, silentMs };
  }
}

function withoutSeen({ seen: _, ...beat }: Beat): Omit<Beat, 'seen'> {
  return beat;
}
