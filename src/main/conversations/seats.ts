/**
 * Which worker serves which connection. A conversation is wholly on one worker; a connection that moves leaves the one
 * before it joins the next, so that its slots' rows have one writer at any time and its packets stay in order.
 */
import type { Publication } from '../../workers/protocol.ts';
import type { Claim } from '../claim.ts';
import type { Shard } from '../media/shard.ts';
import type { Rebuilt } from '../media/worker-supervisor.ts';
import type { Conversation } from './conversations.ts';

/**
 * Numbers of two conversations that follow one another are this far apart, so that what was under way while a client moved
 * (its request, a packet, a browser's memory of CSRCs) is about nobody in the next one. As many conversations later they
 * begin anew; the last one begins where 2^31 numbers are left.
 */
const NUMBERS_APART = 2 ** 16;
const BEGINNINGS = 2 ** 15;

/** What a seat needs to know of its connection. */
export interface Sitter {
  readonly id: number;
  readonly claim: Claim;
  /** Number of the user; packets never go to connections of the same user. */
  readonly user: number;
  readonly publication: Publication | null;
  readonly slotCount: number;
  /** Chosen by the client: nothing that it publishes is forwarded; it is sent nothing. */
  readonly muted: boolean;
  readonly deafened: boolean;
}

/** What a connection wants to hear of its conversation; people are given by their numbers in it. */
export interface Wishes {
  readonly pinned: readonly number[];
  readonly excluded: readonly number[];
}

/** A conversation that has connections, and where it is served. */
export interface Host {
  readonly conversation: Conversation;
  readonly shard: Shard;
  /** Everybody whom its worker may write for, those who are leaving included. */
  readonly seats: Set<Seat>;
  /** How many these are. */
  connections: number;
  /** The last speaker's number given out; none is given out twice while anybody is there to hear it. */
  lastNumber: number;
  /** Who has which number. */
  readonly sitters: Map<number, Sitter>;
  /** The number of the dominant speaker, 0 for nobody. */
  dominant: number;
}

/** One connection's place. */
export class Seat {
  /** The worker that its packets go to now; null while it is in no conversation or on its way to one. */
  shard: Shard | null = null;
  /** The connection's number as a speaker in its conversation; 0 while it is in none. */
  number = 0;
  private readonly sitter: Sitter;
  private readonly seats: Seats;
  private host: Host | null = null;
  private wanted: Conversation | null = null;
  private wishes: Wishes | null = null;
  private moving = false;
  private freed: (() => void) | null = null;

  constructor(sitter: Sitter, seats: Seats) {
    this.sitter = sitter;
    this.seats = seats;
  }

  /** The conversation's host; null while the connection is in none or on its way. */
  get current(): Host | null {
    return this.shard === null ? null : this.host;
  }

  /** Where the connection is or will be as soon as its worker has let go; null for no conversation. */
  get destination(): Conversation | null {
    return this.wanted;
  }

  /** Moves the connection into a conversation, or out of all. The last call wins. */
  place(conversation: Conversation | null): void {
    if (this.freed !== null) return;
    this.wanted = conversation;
    this.settle();
  }

  /** Gives the seat up for good. @param freed called once no worker writes for the connection any more. */
  vacate(freed: () => void): void {
    this.wanted = null;
    this.freed = freed;
    this.settle();
  }

  /** What a connection costs its worker: each slot is one packet to write for each packet heard. */
  get weight(): number {
    const { publication, slotCount } = this.sitter;
    return slotCount + (publication === null ? 0 : 1);
  }

  /** Changes what the connection hears, its sitter's `deafened` included. Ends with its place in the conversation. */
  listen(wishes: Wishes): void {
    if (this.shard === null) return;
    this.wishes = wishes;
    const { id, deafened } = this.sitter;
    this.shard.listen({ type: 'listen', connection: id, deafened, ...wishes });
  }

  /** Tells a new worker, which knows nothing, of this seat. @returns false if it has no place there any more. */
  tellAgain(): boolean {
    if (this.host === null || this.moving) return false;
    this.tell(this.host);
    if (this.wishes !== null) this.listen(this.wishes);
    return true;
  }

  private settle(): void {
    if (this.moving) return;
    if (this.host !== null && this.host.conversation !== this.wanted) return this.leave(this.host);
    if (this.host === null && this.wanted !== null) this.join(this.wanted);
    if (this.host === null && this.freed !== null) this.freed();
  }

  private join(conversation: Conversation): void {
    const host = this.seats.enter(conversation, this);
    this.host = host;
    this.shard = host.shard;
    this.number = ++host.lastNumber;
    this.wishes = null;
    host.sitters.set(this.number, this.sitter);
    this.tell(host);
  }

  private tell({ conversation, shard }: Host): void {
    const { sitter } = this;
    shard.join({
      type: 'join',
      connection: sitter.id,
      conversation: conversation.key,
      user: sitter.user,
      number: this.number,
      publication: sitter.publication,
      slots: sitter.slotCount,
      muted: sitter.muted,
      deafened: sitter.deafened,
    });
  }

  private leave(host: Host): void {
    this.moving = true;
    this.shard = null;
    host.sitters.delete(this.number);
    this.number = 0;
    host.shard.leave(this.sitter.id, () => {
      this.moving = false;
      this.host = null;
      this.seats.exit(host, this);
      this.settle();
    });
  }
}

/** Places conversations on workers. */
export class Seats {
  private readonly hosts = new Map<number, Host>();
  private readonly leastLoaded: () => Shard;
  /** Which of the {@link BEGINNINGS} the next host's numbers have. */
  private beginning = 0;

  constructor(leastLoaded: () => Shard) {
    this.leastLoaded = leastLoaded;
  }

  /** Conversations that have connections. */
  get hosted(): number {
    return this.hosts.size;
  }

  /** Whether somebody can hear somebody: a conversation has connections of two users. */
  get talking(): boolean {
    for (const { sitters } of this.hosts.values()) {
      let user = 0;
      for (const sitter of sitters.values()) {
        if (user !== 0 && sitter.user !== user) return true;
        user = sitter.user;
      }
    }
    return false;
  }

  /** One connection more in a conversation, which gets a worker with its first. */
  enter(conversation: Conversation, seat: Seat): Host {
    const host = this.hosts.get(conversation.key) ?? this.open(conversation);
    host.seats.add(seat);
    host.connections++;
    host.shard.load += seat.weight;
    return host;
  }

  /** Takes note of who is foremost in a conversation. @param speaker number in the conversation, 0 for nobody. */
  dominantChanged(key: number, speaker: number): void {
    const host = this.hosts.get(key);
    if (host !== undefined) host.dominant = speaker;
  }

  private open(conversation: Conversation): Host {
    const lastNumber = this.beginning * NUMBERS_APART;
    this.beginning = (this.beginning + 1) % BEGINNINGS;
    const shard = this.leastLoaded();
    const sitters = new Map<number, Sitter>();
    const seats = new Set<Seat>();
    const host = { conversation, shard, seats, connections: 0, lastNumber, sitters, dominant: 0 };
    this.hosts.set(conversation.key, host);
    return host;
  }

  /** One connection less. */
  exit(host: Host, seat: Seat): void {
    host.shard.load -= seat.weight;
    host.seats.delete(seat);
    if (--host.connections === 0) this.hosts.delete(host.conversation.key);
  }

  /**
   * Tells a shard's new worker, which knows nothing, of all conversations that it serves. Everybody keeps their number,
   * their wishes and their place.
   */
  rebuild(shard: Shard): Rebuilt {
    let conversations = 0;
    let connections = 0;
    for (const host of this.hosts.values()) {
      if (host.shard !== shard) continue;
      conversations++;
      for (const seat of host.seats) if (seat.tellAgain()) connections++;
    }
    return { conversations, connections };
  }
}
