/** Several clients behind one UDP socket, as behind a NAT or a TURN server with few ports: the server sees them all at one address and port. */
import { createSocket, type Socket } from 'node:dgram';

const HOST = '127.0.0.1';

/** A client's way to one media port. */
interface Way {
  readonly socket: Socket;
  readonly server: number;
  /** The client's own port, once something came from it. */
  client: number;
}

export class SharedSocket {
  private readonly far: Socket;
  private readonly ways: Way[] = [];

  private constructor(far: Socket) {
    this.far = far;
    // Whoever it is for takes it; ICE passes over what belongs to others.
    far.on('message', (packet, { port }) => {
      for (const { socket, server, client } of this.ways) {
        if (server === port && client !== 0) socket.send(packet, client, HOST);
      }
    });
  }

  static async open(): Promise<SharedSocket> {
    return new SharedSocket(await bound());
  }

  /** Makes a way for one more client. @returns which port it is to take for which media port. */
  async admit(mediaPorts: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const taken = new Map<number, number>();
    for (const server of mediaPorts) {
      const way: Way = { socket: await bound(), server, client: 0 };
      way.socket.on('message', (packet, { port }) => {
        way.client = port;
        this.far.send(packet, server, HOST);
      });
      this.ways.push(way);
      taken.set(server, way.socket.address().port);
    }
    return taken;
  }

  close(): void {
    for (const { socket } of this.ways) socket.close();
    this.far.close();
  }
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
