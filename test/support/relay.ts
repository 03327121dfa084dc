/**
 * A bad network between one client and the server: a UDP relay that loses, delays, reorders, duplicates and corrupts
 * packets, as `tc netem` would, and can change the address from which the server sees the client, as a NAT may.
 */
import type { Socket } from 'node:dgram';
import { below, type Random } from './prng.ts';
import { boundSocket, LOOPBACK } from './udp.ts';

/** What the network does to each packet, independently of the others. */
export interface Impairments {
  /** Packets lost, %. */
  readonly loss?: number;
  /** Delay, milliseconds; jitter adds up to this much more, so that packets overtake each other. */
  readonly delay?: number;
  readonly jitter?: number;
  /** Packets delivered twice, %. */
  readonly duplicates?: number;
  /** Packets with one bit flipped, %. */
  readonly corruption?: number;
}

export type Direction = 'up' | 'down';

/** Counts of the RTP packets of one direction, by what happened to them. */
export interface Traffic {
  sent: number;
  lost: number;
  duplicated: number;
  corrupted: number;
  /** Numbers of the packets that arrived intact, in order of arrival, counted from the first one sent. */
  readonly intact: number[];
}

export class Relay {
  readonly traffic = { up: noTraffic(), down: noTraffic() };
  /** Lets nothing pass. */
  blackhole = false;
  /** Lets only STUN pass: ICE finds a path, and DTLS fails. */
  stunOnly = false;
  private readonly impairments: Record<Direction, Impairments> = { up: {}, down: {} };
  private readonly firsts: Record<Direction, number> = { up: -1, down: -1 };
  private readonly random: Random;
  private readonly near: Socket;
  private far: Socket;
  private readonly server: number;
  private client = 0;

  private constructor(random: Random, server: number, near: Socket, far: Socket) {
    this.random = random;
    this.server = server;
    this.near = near;
    this.far = far;
    near.on('message', (packet, { port }) => {
      this.client = port;
      this.carry('up', packet);
    });
    this.attach();
  }

  /** Opens a relay to a server with a single media port. @param server that port. */
  static async open(random: Random, server: number): Promise<Relay> {
    return new Relay(random, server, await boundSocket(), await boundSocket());
  }

  /** The port that the client uses instead of the server's. */
  get port(): number {
    return this.near.address().port;
  }

  /** Sets the impairments from now on, of both directions or of one. */
  set(impairments: Impairments, directions: readonly Direction[] = ['up', 'down']): void {
    for (const direction of directions) this.impairments[direction] = impairments;
  }

  /** Moves the client to another port, as the server sees it; packets to the old port are lost. */
  async rebind(): Promise<void> {
    const old = this.far;
    this.far = await boundSocket();
    this.attach();
    old.close();
  }

  close(): void {
    this.near.close();
    this.far.close();
  }

  private attach(): void {
    this.far.on('message', (packet) => this.carry('down', packet));
  }

  private carry(direction: Direction, packet: Buffer): void {
    if (this.blackhole || (this.stunOnly && !isStun(packet))) return;
    const { loss = 0, duplicates = 0, corruption = 0 } = this.impairments[direction];
    const number = this.number(direction, packet);
    const traffic = this.traffic[direction];
    if (number !== null) traffic.sent++;
    if (this.happens(loss)) {
      if (number !== null) traffic.lost++;
      return;
    }
    if (this.happens(duplicates)) {
      if (number !== null) traffic.duplicated++;
      this.deliver(direction, Buffer.from(packet), number);
    }
    if (!this.happens(corruption)) return this.deliver(direction, packet, number);
    if (number !== null) traffic.corrupted++;
    const bit = below(this.random, packet.length * 8);
    packet[bit >> 3]! ^= 1 << (bit & 7);
    this.deliver(direction, packet, null);
  }

  /** @param number null if the packet is not intact or not RTP. */
  private deliver(direction: Direction, packet: Buffer, number: number | null): void {
    const { delay = 0, jitter = 0 } = this.impairments[direction];
    const later = delay + (jitter === 0 ? 0 : below(this.random, jitter));
    const now = (): void => {
      if (number !== null) this.traffic[direction].intact.push(number);
      try {
        if (direction === 'up') this.far.send(packet, this.server, LOOPBACK);
        else this.near.send(packet, this.client, LOOPBACK);
      } catch {
        // The relay is closed, and the packet is lost.
      }
    };
    if (later === 0) now();
    else setTimeout(now, later);
  }

  private happens(percent: number): boolean {
    return below(this.random, 10_000) < percent * 100;
  }

  /**
   * Returns an RTP packet's number within its direction, whose first packet must arrive; null for others (RFC 7983).
   */
  private number(direction: Direction, packet: Buffer): number | null {
    if (packet.length < 12 || packet[0]! >> 6 !== 2 || (packet[1]! >= 192 && packet[1]! <= 223)) return null;
    const sequence = packet.readUInt16BE(2);
    if (this.firsts[direction] < 0) this.firsts[direction] = sequence;
    return (sequence - this.firsts[direction]) & 0xffff;
  }
}

/** Whether a packet is STUN (RFC 7983, section 7). */
function isStun(packet: Buffer): boolean {
  return packet[0]! < 4;
}

function noTraffic(): Traffic {
  return { sent: 0, lost: 0, duplicated: 0, corrupted: 0, intact: [] };
}
