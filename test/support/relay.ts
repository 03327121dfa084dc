/**
 * A bad network between one client and the server: a UDP relay that loses, delays, reorders, duplicates and corrupts, as
 * `tc netem` would, and that changes the address from which the server sees the client, as a NAT may.
 */
import { createSocket, type Socket } from 'node:dgram';
import { below, type Random } from './prng.ts';

/** What the network does to each packet, by chance of its own. */
export interface Weather {
  /** Packets lost, %. */
  readonly loss?: number;
  /** Delay, milliseconds; with jitter, up to so much more, so that packets overtake each other. */
  readonly delay?: number;
  readonly jitter?: number;
  /** Packets that come twice, %. */
  readonly duplicates?: number;
  /** Packets of which one bit is flipped, %. */
  readonly corruption?: number;
}

export type Way = 'up' | 'down';

/** RTP packets of one way, by what became of them. */
export interface Traffic {
  sent: number;
  lost: number;
  duplicated: number;
  corrupted: number;
  /** Those that arrived as they were sent, in the order of their arrival, counted from the first one sent. */
  readonly intact: number[];
}

const HOST = '127.0.0.1';

export class Relay {
  readonly traffic = { up: noTraffic(), down: noTraffic() };
  /** Nothing passes. */
  blackhole = false;
  /** Nothing but STUN passes: ICE finds a way, and DTLS does not come. */
  stunOnly = false;
  private readonly weather: Record<Way, Weather> = { up: {}, down: {} };
  private readonly firsts: Record<Way, number> = { up: -1, down: -1 };
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

  /** @param server its media port, of which it has one only. */
  static async open(random: Random, server: number): Promise<Relay> {
    return new Relay(random, server, await bound(), await bound());
  }

  /** The port that the client is to take for the server's. */
  get port(): number {
    return this.near.address().port;
  }

  /** The weather from now on, both ways or one. */
  set(weather: Weather, ways: readonly Way[] = ['up', 'down']): void {
    for (const way of ways) this.weather[way] = weather;
  }

  /** From now on the server sees the client at another port; what it sends to the old one is lost. */
  async rebind(): Promise<void> {
    const old = this.far;
    this.far = await bound();
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

  private carry(way: Way, packet: Buffer): void {
    if (this.blackhole || (this.stunOnly && !isStun(packet))) return;
    const { loss = 0, duplicates = 0, corruption = 0 } = this.weather[way];
    const number = this.number(way, packet);
    const traffic = this.traffic[way];
    if (number !== null) traffic.sent++;
    if (this.happens(loss)) {
      if (number !== null) traffic.lost++;
      return;
    }
    if (this.happens(duplicates)) {
      if (number !== null) traffic.duplicated++;
      this.deliver(way, Buffer.from(packet), number);
    }
    if (!this.happens(corruption)) return this.deliver(way, packet, number);
    if (number !== null) traffic.corrupted++;
    const bit = below(this.random, packet.length * 8);
    packet[bit >> 3]! ^= 1 << (bit & 7);
    this.deliver(way, packet, null);
  }

  /** @param number null if it does not arrive intact, or is no RTP. */
  private deliver(way: Way, packet: Buffer, number: number | null): void {
    const { delay = 0, jitter = 0 } = this.weather[way];
    const later = delay + (jitter === 0 ? 0 : below(this.random, jitter));
    const now = (): void => {
      if (number !== null) this.traffic[way].intact.push(number);
      try {
        if (way === 'up') this.far.send(packet, this.server, HOST);
        else this.near.send(packet, this.client, HOST);
      } catch {
        // It is closed: so is the network.
      }
    };
    if (later === 0) now();
    else setTimeout(now, later);
  }

  private happens(percent: number): boolean {
    return below(this.random, 10_000) < percent * 100;
  }

  /** An RTP packet's place among those of its way, which must not be lost before the first; null for others (RFC 7983). */
  private number(way: Way, packet: Buffer): number | null {
    if (packet.length < 12 || packet[0]! >> 6 !== 2 || (packet[1]! >= 192 && packet[1]! <= 223)) return null;
    const sequence = packet.readUInt16BE(2);
    if (this.firsts[way] < 0) this.firsts[way] = sequence;
    return (sequence - this.firsts[way]) & 0xffff;
  }
}

/** RFC 7983, section 7. */
function isStun(packet: Buffer): boolean {
  return packet[0]! < 4;
}

function noTraffic(): Traffic {
  return { sent: 0, lost: 0, duplicated: 0, corrupted: 0, intact: [] };
}

function bound(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, HOST, () => {
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}
