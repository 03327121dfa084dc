/**
 * Several clients behind one UDP socket, as behind a NAT or a TURN server with few ports: the server sees all of them
 * at one address and port.
 */
import type { Socket } from 'node:dgram';
import { boundSocket, LOOPBACK } from './udp.ts';

/** A client's path to one media port. */
interface Path {
  readonly socket: Socket;
  readonly server: number;
  /** The client's own port, once a packet has come from it; 0 before. */
  client: number;
}

export class SharedSocket {
  private readonly far: Socket;
  private readonly paths: Path[] = [];

  private constructor(far: Socket) {
    this.far = far;
    // Every client of the port gets the packet; ICE ignores the packets for others.
    far.on('message', (packet, { port }) => {
      for (const { socket, server, client } of this.paths) {
        if (server === port && client !== 0) socket.send(packet, client, LOOPBACK);
      }
    });
  }

  static async open(): Promise<SharedSocket> {
    return new SharedSocket(await boundSocket());
  }

  /** Adds a client. @returns the port that it uses instead of each media port. */
  async admit(mediaPorts: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const taken = new Map<number, number>();
    for (const server of mediaPorts) {
      const path: Path = { socket: await boundSocket(), server, client: 0 };
      path.socket.on('message', (packet, { port }) => {
        path.client = port;
        this.far.send(packet, server, LOOPBACK);
      });
      this.paths.push(path);
      taken.set(server, path.socket.address().port);
    }
    return taken;
  }

  close(): void {
    for (const { socket } of this.paths) socket.close();
    this.far.close();
  }
}
