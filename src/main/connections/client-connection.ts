/** One client's connection: what is known of it from its request until everything that it held is released. */
import type { Publication } from '../../workers/protocol.ts';
import type { Claim } from '../claim.ts';
import type { TakenIndex } from '../conversations/index-pool.ts';
import type { Participant } from '../conversations/participant.ts';
import { Seat } from '../conversations/seat.ts';
import type { Seats } from '../conversations/seats.ts';
import { Throttle, type ThrottleLimits } from '../limits/throttle.ts';
import type { Receiver } from '../media/egress.ts';
import type { MediaPeer } from '../media/media-peer.ts';
import { RtcpState } from '../rtcp/rtcp.ts';
import type { EndReason, SetupFailure } from '../telemetry.ts';
import type { MembershipFetch } from './membership-fetch.ts';

/** Told what happens to one connection while its client is still on the websocket. */
export interface ConnectionWatcher {
  connected(): void;
  /** @param cause why it never stood, where the reason does not say it. */
  ended(reason: EndReason, detail: string, cause?: SetupFailure): void;
}

/** Waiting for the offer: it has no index yet, and no id. From the offer on it is signalling. */
type State = 'waiting' | 'signalling' | 'established' | 'ended';

export class ClientConnection implements Receiver, Participant {
  readonly isClient = true;
  /** -1 while it waits. */
  id = -1;
  index = -1;
  readonly claim: Claim;
  /** The same for all connections of the client. */
  readonly key: string;
  user = 0;
  publication: Publication | null = null;
  slotCount = 0;
  slotMids: readonly string[] = [];
  selfMuted = false;
  mutedByOperator = false;
  deafened = false;
  /** Nothing of the RED that it sends can be read; its client was told. */
  badRed = false;
  /** When that was, milliseconds. */
  badRedAt = 0;
  state: State = 'waiting';
  readonly seat: Seat;
  /** Null if this process' registry knows the membership. */
  membership: MembershipFetch | null = null;
  /** Null before the websocket is open, and once the connection is established. */
  watcher: ConnectionWatcher | null = null;
  peer: MediaPeer | null = null;
  /** ICE's, of the server's end; empty before the answer. */
  ufrag = '';
  readonly rtcp = new RtcpState();
  /** Of what it publishes. */
  readonly throttle: Throttle;
  /** When it was requested, milliseconds. */
  readonly since: number;
  /** When the answer was sent; 0 if it was not yet. */
  answeredAt = 0;
  /** When it stood first; 0 if it did not yet. */
  establishedAt = 0;
  /** RTP packets, whatever became of them. */
  packetsReceived = 0;

  constructor(claim: Claim, seats: Seats, limits: ThrottleLimits, since: number) {
    this.since = since;
    this.throttle = new Throttle(limits);
    this.claim = claim;
    this.key = JSON.stringify([claim.userid, claim.clientid]);
    this.seat = new Seat(this, seats);
  }

  /** Gives it its place among all. */
  begin({ id, index }: TakenIndex): void {
    this.index = index;
    this.id = id;
    this.state = 'signalling';
  }

  /** Its client is connected. @param user number of its user. @param now milliseconds. */
  establish(user: number, mutedByOperator: boolean, now: number): void {
    this.user = user;
    this.mutedByOperator = mutedByOperator;
    this.state = 'established';
    this.establishedAt = now;
    this.watcher = null;
    this.membership = null;
  }

  /** Whether its peer is connected, and only the membership is missing. */
  get awaitsMembership(): boolean {
    return this.membership?.awaited ?? false;
  }

  /** Its id as the log has it. */
  get logged(): number | null {
    return this.id < 0 ? null : this.id;
  }

  /** Whether ICE found a way to its client. */
  get reachable(): boolean {
    return this.peer?.reachable ?? false;
  }

  get muted(): boolean {
    return this.selfMuted || this.mutedByOperator;
  }

  get established(): boolean {
    return this.state === 'established';
  }

  send(packet: Uint8Array): boolean {
    return this.peer?.send(packet) ?? false;
  }
}
