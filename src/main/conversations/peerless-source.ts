/**
 * A participant without a peer: a source whose packets somebody else brings, another instance for example. It has no
 * slots, so nothing is sent to it, and a process that drains does not wait for it.
 */
import type { Publication } from '../../workers/protocol.ts';
import type { Claim } from '../claim.ts';
import { Throttle, type ThrottleLimits } from '../limits/throttle.ts';
import type { Ingress, Publisher } from '../media/ingress.ts';
import type { Conversation } from './conversations.ts';
import type { IndexPool, TakenIndex } from './index-pool.ts';
import type { Participant } from './participant.ts';
import { Seat } from './seat.ts';
import type { Seats } from './seats.ts';

/** What a source works with. */
export interface SourceParts {
  readonly indexes: IndexPool;
  readonly seats: Seats;
  readonly ingress: Pick<Ingress, 'take'>;
  readonly throttleLimits: ThrottleLimits;
}

export class PeerlessSource implements Participant, Publisher {
  readonly id: number;
  readonly claim: Claim;
  readonly user: number;
  readonly publication: Publication;
  readonly isClient = false;
  readonly slotCount = 0;
  readonly muted = false;
  readonly deafened = true;
  readonly seat: Seat;
  readonly throttle: Throttle;
  packetsReceived = 0;
  private readonly parts: SourceParts;
  private readonly index: number;

  private constructor(parts: SourceParts, { id, index }: TakenIndex, claim: Claim, user: number, sends: Publication) {
    this.parts = parts;
    this.id = id;
    this.index = index;
    this.claim = claim;
    this.user = user;
    this.publication = sends;
    this.throttle = new Throttle(parts.throttleLimits);
    this.seat = new Seat(this, parts.seats);
  }

  /**
   * Makes a source, which is in no conversation yet.
   *
   * @param claim its name to the others in its conversations.
   * @param user number of its user, from whose own connections its packets are kept.
   * @param sends what its packets are; they have one SSRC.
   * @returns null if no index is free.
   */
  static open(parts: SourceParts, claim: Claim, user: number, sends: Publication): PeerlessSource | null {
    const taken = parts.indexes.take();
    return taken === null ? null : new PeerlessSource(parts, taken, claim, user, sends);
  }

  /** Moves the source into a conversation, or out of all. */
  place(conversation: Conversation | null): void {
    this.seat.place(conversation);
  }

  /** Takes one RTP packet of the source. Allocates nothing. */
  packet(bytes: Uint8Array): void {
    this.parts.ingress.take(this, bytes);
  }

  /** Ends the source. Its index is free again once no worker knows it any more. */
  end(): void {
    this.seat.vacate(() => this.parts.indexes.give(this.index));
  }
}
