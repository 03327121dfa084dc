/** One client's connection, from its request until everything that it held is released. */
import type { Publication } from '../../workers/protocol.ts';
import type { Claim } from '../claim.ts';
import type { TakenIndex } from '../conversations/index-pool.ts';
import type { Participant } from '../conversations/participant.ts';
import type { Connected } from '../conversations/registry-types.ts';
import { Seat } from '../conversations/seat.ts';
import type { Seats } from '../conversations/seats.ts';
import { Throttle, type ThrottleLimits } from '../limits/throttle.ts';
import type { Receiver } from '../media/egress.ts';
import type { MediaPeer } from '../media/media-peer.ts';
import type { QualityWord } from '../rtcp/quality-word.ts';
import { RtcpState } from '../rtcp/reported.ts';
import type { EndReason, SetupFailure } from '../telemetry.ts';
import type { MembershipFetch } from './membership-fetch.ts';

/** Told of a connection's fate while its client is still on the websocket. */
export interface ConnectionWatcher {
  connected(): void;
  /** @param cause why the connection was never established, where the reason does not say so. */
  ended(reason: EndReason, detail: string, cause?: SetupFailure): void;
}

/** A connection that is waiting for its offer has neither index nor id. It is signalling from the offer on. */
type State = 'waiting' | 'signalling' | 'established' | 'ended';

/** Returns a text that no other client has. */
export function clientKey({ userid, clientid }: Claim): string {
  return JSON.stringify([userid, clientid]);
}

export class ClientConnection implements Receiver, Participant {
  readonly isClient = true;
  /** -1 while the connection waits for its offer; so is the index. */
  id = -1;
  index = -1;
  readonly claim: Claim;
  /** Id of the request for it; null if it has none. */
  readonly request: string | null;
  /** The same for all connections of the client. */
  readonly key: string;
  user = 0;
  publication: Publication | null = null;
  slotCount = 0;
  slotMids: readonly string[] = [];
  selfMuted = false;
  mutedByOperator = false;
  /** Whether the user may speak where they are. */
  maySpeak = true;
  deafened = false;
  /** Whether the client raises its hand. */
  hand = false;
  /** No RED of the client can be read, and it was told so. */
  badRed = false;
  /** When it was last told so, milliseconds. */
  badRedAt = 0;
  state: State = 'waiting';
  readonly seat: Seat;
  /** Null if this process' registry knows the membership. */
  membership: MembershipFetch | null = null;
  /** Null before the websocket is open, and once the connection is established. */
  watcher: ConnectionWatcher | null = null;
  peer: MediaPeer | null = null;
  /** ICE user fragment of the server's end; empty before the answer. */
  ufrag = '';
  readonly rtcp = new RtcpState();
  /** Bounds what the client publishes. */
  readonly throttle: Throttle;
  /** When it was requested, milliseconds. */
  readonly since: number;
  /** When the answer was sent; 0 before. */
  answeredAt = 0;
  /** When it was established; 0 before. */
  establishedAt = 0;
  /** RTP packets that came in, dropped ones included. */
  packetsReceived = 0;

  constructor(claim: Claim, request: string | null, seats: Seats, limits: ThrottleLimits, since: number) {
    this.since = since;
    this.throttle = new Throttle(limits);
    this.claim = claim;
    this.request = request;
    this.key = clientKey(claim);
    this.seat = new Seat(this, seats);
  }

  /** The offer came, and the connection gets its index. */
  begin({ id, index }: TakenIndex): void {
    this.index = index;
    this.id = id;
    this.state = 'signalling';
  }

  /** The client is connected. @param now milliseconds. */
  establish({ user, mutedByOperator, maySpeak }: Connected, now: number): void {
    this.user = user;
    this.mutedByOperator = mutedByOperator;
    this.maySpeak = maySpeak;
    this.state = 'established';
    this.establishedAt = now;
    this.watcher = null;
    this.membership = null;
  }

  /** What the others in its conversation are told of its quality. */
  get quality(): QualityWord | null {
    return this.rtcp.quality.word;
  }

  /** Whether the peer is connected and only the membership is missing. */
  get awaitsMembership(): boolean {
    return this.membership?.awaited ?? false;
  }

  /** The id for the log; null before there is one. */
  get logged(): number | null {
    return this.id < 0 ? null : this.id;
  }

  /** Whether ICE found a way to the client. */
  get reachable(): boolean {
    return this.peer?.reachable ?? false;
  }

  get muted(): boolean {
    return this.selfMuted || this.mutedByOperator || !this.maySpeak;
  }

  get established(): boolean {
    return this.state === 'established';
  }

  send(packet: Uint8Array): boolean {
    return this.peer?.send(packet) ?? false;
  }
}
