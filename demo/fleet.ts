/** The servers of the demo: one, or several instances of a cluster with a NATS of their own. */
import { NatsServer, natsPrograms } from '../test/support/nats.ts';
import type { RunningServer } from '../test/support/server.ts';
import { RestartingServer } from './server.ts';

export class Fleet {
  private readonly servers: readonly RestartingServer[];
  private readonly nats: NatsServer | null;
  /** Which server gets the next request. */
  private turn = 0;

  /**
   * Makes the servers, which have yet to start.
   *
   * @param instances how many: 1 … 8. More than one need nats-server.
   * @param say prints a line on the terminal.
   * @param changed is called with the servers that run, whenever one has started or ended.
   * @param media variables of each server for its media; by default only this machine is to reach it.
   * @throws Error that says what is missing.
   */
  static async of(
    instances: number,
    say: (line: string) => void,
    changed: (running: readonly RunningServer[]) => void,
    media: readonly Readonly<Record<string, string>>[] = [],
  ): Promise<Fleet> {
    if (instances === 1) return new Fleet(1, null, say, changed, media);
    if (natsPrograms().length === 0) {
      throw new Error(
        'several instances need nats-server, which is not installed: apt-get install nats-server, or https://nats.io/download',
      );
    }
    const nats = await NatsServer.start();
    say(`NATS is running: process ${nats.pid}, ${nats.url}`);
    return new Fleet(instances, nats, say, changed, media);
  }

  private constructor(
    instances: number,
    nats: NatsServer | null,
    say: (line: string) => void,
    changed: (running: readonly RunningServer[]) => void,
    media: readonly Readonly<Record<string, string>>[],
  ) {
    this.nats = nats;
    const report = (): void => changed(this.running);
    this.servers = Array.from({ length: instances }, (_, i) => {
      if (nats === null) return new RestartingServer(say, report, 'the server', media[i]);
      const id = `instance-${i + 1}`;
      return new RestartingServer(say, report, id, { NATS_URL: nats.url, INSTANCE_ID: id, ...media[i] });
    });
  }

  get running(): RunningServer[] {
    return this.servers.flatMap(({ running }) => running ?? []);
  }

  /** Whether the servers are instances of a cluster. */
  get clustered(): boolean {
    return this.nats !== null;
  }

  /** URL of an operators' listener; null while no server is running. */
  get adminUrl(): string | null {
    return this.running[0]?.adminUrl ?? null;
  }

  /** Returns the port for the next request: of each server in turn, as a proxy without stickiness has it. */
  nextPort(): number | null {
    const { running } = this;
    return running[this.turn++ % Math.max(1, running.length)]?.port ?? null;
  }

  /** Starts the servers. @throws Error with the log if one does not start. */
  async start(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.start()));
  }

  /** Stops everything for good. */
  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
    await this.nats?.stop();
  }
}
