/** The UDP ports of all media, and the choice of one for each connection. */
import { IceUdpMuxListener } from 'node-datachannel';
import type { Config } from '../config.ts';
import { PortChoice, type PortLease } from './port-choice.ts';
import { probe } from './probe.ts';
import { SocketDrops } from './socket-buffers.ts';

/** The media ports, which stay open for the life of the process. */
export class MediaPorts {
  private readonly listeners: IceUdpMuxListener[];
  private readonly choice: PortChoice;
  /** What the kernel drops at these ports. */
  readonly drops: SocketDrops;

  private constructor(ports: readonly number[], bind: string) {
    this.listeners = ports.map((port) => new IceUdpMuxListener(port, bind === '' ? undefined : bind));
    this.choice = new PortChoice(ports);
    this.drops = new SocketDrops(ports);
  }

  /** Opens the ports. @throws Error that names a port in use. */
  static async open({ MEDIA_PORTS, MEDIA_BIND }: Pick<Config, 'MEDIA_PORTS' | 'MEDIA_BIND'>): Promise<MediaPorts> {
    for (const port of MEDIA_PORTS) await probe(port, MEDIA_BIND);
    return new MediaPorts(MEDIA_PORTS, MEDIA_BIND);
  }

  /** Takes the best port for a client. @param addresses see {@link PortChoice.take}. */
  take(client: string, addresses: readonly string[]): PortLease {
    return this.choice.take(client, addresses);
  }

  close(): void {
    for (const listener of this.listeners) listener.stop();
  }
}
