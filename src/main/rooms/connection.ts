/** One connection: what is known of a client from its request to the release of the last thing it held. */
import { performance } from 'node:perf_hooks';
import { connectionId, type Publication } from '../../workers/protocol.ts';
import type { Claim } from '../http/claim.ts';
import type { Receiver } from '../media/egress.ts';
import type { Peer } from '../media/peer.ts';
import { Throttle, type ThrottleLimits } from '../media/throttle.ts';
import { RtcpState } from '../rtcp/rtcp.ts';
import { Seat, type Seats, type Sitter } from './seats.ts';

/** Why a connection ended. */
export type EndReason = 'replaced' | 'gone' | 'flooded' | 'signalling' | 'draining' | 'full';

/** Told what happens to one connection while its client is still on the websocket. */
export interface ConnectionWatcher {
  connected(): void;
  ended(reason: EndReason, detail: string): void;
}

type State = 'reserved' | 'signalling' | 'established' | 'ended';

export class Connection implements Receiver, Sitter {
  readonly id: number;
  readonly index: number;
  readonly claim: Claim;
  user = 0;
  publication: Publication | null = null;
  slotCount = 0;
  slotMids: readonly string[] = [];
  selfMuted = false;
  silenced = false;
  deafened = false;
  state: State = 'reserved';
  readonly seat: Seat;
  readonly watcher: { current: ConnectionWatcher | null } = { current: null };
  peer: Peer | null = null;
  readonly rtcp = new RtcpState();
  /** Of what it publishes. */
  readonly throttle: Throttle;
  readonly since = performance.now();
  /** When it stood first; 0 if it did not yet. */
  establishedAt = 0;
  /** RTP packets, whatever became of them. */
  packetsReceived = 0;

  constructor(index: number, generation: number, claim: Claim, seats: Seats, limits: ThrottleLimits) {
    this.throttle = new Throttle(limits);
    this.index = index;
    this.id = connectionId(index, generation);
    this.claim = claim;
    this.seat = new Seat(this, seats);
  }

  get muted(): boolean {
    return this.selfMuted || this.silenced;
  }

  get established(): boolean {
    return this.state === 'established';
  }

  send(packet: Uint8Array): boolean {
    return this.peer?.send(packet) ?? false;
  }
}
