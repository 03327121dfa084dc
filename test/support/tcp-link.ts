/** A TCP link that a test can cut, stall and mend: a forwarder in front of one port. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

const HOST = '127.0.0.1';

export class TcpLink {
  private readonly server: Server;
  /** Both ends of each connection. */
  private readonly sockets = new Set<Socket>();
  private state: 'whole' | 'stalled' | 'cut' = 'whole';
  /** Connections that were accepted and forwarded so far. */
  connections = 0;

  private constructor(target: number, host: string) {
    this.server = createServer({ allowHalfOpen: false, noDelay: true }, (near) => this.forward(near, target, host));
  }

  /** Opens a link. @param target the port that it leads to. @param host its address, loopback by default. */
  static async open(target: number, host = HOST): Promise<TcpLink> {
    const link = new TcpLink(target, host);
    await new Promise<void>((resolve, reject) => link.server.once('error', reject).listen(0, HOST, resolve));
    return link;
  }

  /** The port to connect to. */
  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Resets all connections, and every new one, until {@link mend}. */
  cut(): void {
    this.state = 'cut';
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  /** Lets nothing through in either direction, and closes nothing, until {@link mend}: what a lost route looks like. */
  stall(): void {
    this.state = 'stalled';
    for (const socket of this.sockets) socket.pause();
  }

  /** Lets everything through again; what a stalled connection holds back arrives now. */
  mend(): void {
    this.state = 'whole';
    for (const socket of this.sockets) socket.resume();
  }

  close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private forward(near: Socket, target: number, host: string): void {
    if (this.state === 'cut') {
      near.resetAndDestroy();
      return;
    }
    this.connections++;
    const far = connect({ port: target, host, noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from);
      from.on('data', (bytes) => {
        if (to.destroyed || to.write(bytes)) return;
        from.pause();
        to.once('drain', () => {
          if (this.state === 'whole') from.resume();
        });
      });
      from.on('error', () => undefined);
      from.once('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
    if (this.state === 'stalled') for (const socket of [near, far]) socket.pause();
  }
}
