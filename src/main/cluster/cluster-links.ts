/** An instance's connections to NATS, and who it is to the others. */
import type { Config } from '../config.ts';
import type { Log } from '../log/log.ts';
import { Cluster, type ClusterParts } from './cluster.ts';
import { type Identity, makeIdentity } from './identity.ts';
import { Link } from './link.ts';
import type { NatsConfig } from './nats-options.ts';

export class ClusterLinks {
  readonly self: Identity;
  /** For heartbeats, memberships and presence. */
  readonly control: Link;
  /** For media alone, so that a cut of it for slowness takes nothing else along. */
  readonly media: Link;

  /** Connects to NATS. @throws Error for operators, if it cannot be reached. */
  static async open(config: NatsConfig & Pick<Config, 'INSTANCE_ID'>, log: Log): Promise<ClusterLinks> {
    const self = makeIdentity(config.INSTANCE_ID);
    const control = await Link.open(config, `${self.id} control`, log);
    try {
      return new ClusterLinks(self, control, await Link.open(config, `${self.id} media`, log));
    } catch (error) {
      await control.close();
      throw error;
    }
  }

  private constructor(self: Identity, control: Link, media: Link) {
    this.self = self;
    this.control = control;
    this.media = media;
  }

  /** Returns this instance's part in the cluster, which has yet to start. */
  cluster(parts: ClusterParts): Cluster {
    return new Cluster(this, parts);
  }

  async close(): Promise<void> {
    await Promise.all([this.control.close(), this.media.close()]);
  }
}
