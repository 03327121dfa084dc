/** One instance's part in a cluster: puts its parts together. Nothing is decided here. */
import type { Config } from '../config.ts';
import type { ClientConnection } from '../connections/client-connection.ts';
import type { ConnectionsParts } from '../connections/connections-parts.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { HostedConversations } from '../conversations/hosted-conversations.ts';
import { IndexPool } from '../conversations/index-pool.ts';
import { RemoteSources } from '../conversations/remote-participant.ts';
import type { Seats } from '../conversations/seats.ts';
import type { UserNumbers } from '../conversations/user-numbers.ts';
import { ThrottleLimits } from '../limits/throttle.ts';
import type { Log } from '../log/log.ts';
import type { Ingress } from '../media/ingress.ts';
import type { Rtcp } from '../rtcp/rtcp.ts';
import type { Cancel, Timers } from '../timers.ts';
import { ClusterFigures } from './cluster-figures.ts';
import type { ClusterLinks } from './cluster-links.ts';
import { Inquiry, type Witness } from './inquiry.ts';
import { type Figures, Instances } from './instances.ts';
import { Janitor } from './janitor.ts';
import { noReadCounts, type ReadCounts } from './messages/read.ts';
import { OperatorsView } from './operators-view.ts';
import { Presence } from './presence/presence.ts';
import { Records } from './records.ts';
import { Relay } from './relay/relay.ts';
import { ClusterSpokesman } from './spokesman.ts';
import { Subjects } from './subjects.ts';
import { type StoredConnections, UserStore } from './user-store.ts';

/** How often clients are told whether the cluster is whole, if that changed; milliseconds. */
const WHOLE_INTERVAL_MS = 250;
/** Longest wait until the records say that this instance's connections have ended, milliseconds. */
const FAREWELL_MS = 2000;

/** What exists before connections and the way of packets. */
export interface ClusterParts {
  readonly config: Config;
  readonly registry: Conversations<ClientConnection>;
  readonly hosted: HostedConversations;
  readonly seats: Seats;
  /** Indexes of this instance's connections. */
  readonly indexes: Pick<IndexPool, 'size' | 'free'>;
  readonly users: UserNumbers;
  readonly rtcp: Rtcp;
  /** The source table, with rows for `MAX_REMOTE_SOURCES` behind those of connections. */
  readonly sources: Int32Array;
  readonly timers: Timers;
  readonly log: Log;
}

/** What exists after them. */
export interface ClusterCompany {
  readonly ingress: Ingress;
  readonly connections: StoredConnections<ClientConnection>;
  /** Describes this instance's connections to operators elsewhere. */
  readonly witness: Witness;
  /** Told when this instance loses touch with the others, and when it finds them again. */
  readonly events: { cluster(whole: boolean): void };
}

export class Cluster {
  readonly instances: Instances;
  readonly store: UserStore<ClientConnection>;
  readonly relay: Relay;
  /** Null without a `WEBHOOK_URL`. */
  readonly spokesman: ClusterSpokesman | null;
  private readonly links: ClusterLinks;
  private readonly parts: ClusterParts;
  private readonly subjects: Subjects;
  private readonly counts: ReadCounts = noReadCounts();
  private readonly records: Records;
  private readonly janitor: Janitor;
  private draining = false;

  constructor(links: ClusterLinks, parts: ClusterParts) {
    const { config, registry, rtcp, sources, timers, log } = parts;
    const { control: bus, self } = links;
    const { counts } = this;
    const now = (): number => performance.now();
    this.links = links;
    this.parts = parts;
    this.subjects = new Subjects(config.CLUSTER);
    const { subjects } = this;
    this.instances = new Instances({ bus, subjects, self, figures: () => this.figures(), counts, timers, log });
    this.records = new Records({
      ...{ link: bus, cluster: config.CLUSTER, replicas: config.NATS_REPLICAS, limit: 2 * config.MAX_MEMBERSHIPS },
      ...{ counts, log, timers },
    });
    const { instances, records } = this;
    const reaches = (): boolean => bus.connected && links.media.connected;
    this.store = new UserStore({ config, records, instances, registry, reaches, log, now });
    this.janitor = new Janitor({ records, instances, registry, users: this.store, timers, now });
    const draining = (): boolean => this.draining;
    const source = config.CLUSTER;
    this.spokesman =
      config.WEBHOOK_URL === '' ? null : new ClusterSpokesman({ source, instances, records, draining, timers });
    const rttMs = (incarnation: string): number | null => instances.rttMs(incarnation);
    const isAlive = (incarnation: string): boolean => instances.isAlive(incarnation);
    this.relay = new Relay({
      ...{ bus: links.media, subjects, incarnation: self.incarnation, maxDelay: config.MAX_DELAY_MS },
      ...{ sources, rtcp, rttMs, isAlive, timers },
    });
  }

  /** What connections tell the cluster, and ask it. */
  get followers(): Pick<ConnectionsParts, 'observer' | 'elsewhere'> {
    return { observer: this.store, elsewhere: (userid) => this.store.elsewhere(userid) };
  }

  /**
   * Joins the others: claims the id, reads all memberships, and begins to tell and to hear who is where.
   *
   * @throws Error for operators, if another instance has the id or NATS permits too little.
   */
  async start(company: ClusterCompany): Promise<RunningCluster> {
    const { links, parts, subjects, counts, instances, records, relay } = this;
    await instances.start();
    await records.start();
    const { control: bus, media } = links;
    const { config, seats, users, sources: table, timers } = parts;
    const remote = new RemoteSources({
      indexes: new IndexPool(config.MAX_REMOTE_SOURCES, table, config.MAX_CONNECTIONS),
      seats,
      ingress: company.ingress,
      throttleLimits: ThrottleLimits.of(config),
    });
    const self = links.self.incarnation;
    const presence = new Presence({
      room: { size: config.MAX_MEMBERSHIPS * config.MAX_CONNECTIONS_PER_USER, taken: 0 },
      subjects,
      self,
      bus,
      instances,
      seats,
      sources: remote,
      table,
      users,
      relay,
      counts,
      timers,
    });
    instances.watch({ gone: ({ incarnation }) => relay.gone(incarnation) });
    presence.start();
    this.store.start(company.connections);
    this.janitor.start();
    this.spokesman?.start();
    const inquiry = new Inquiry({ bus, subjects, instances, witness: company.witness, counts });
    const view = new OperatorsView({
      control: bus,
      media,
      relay,
      instances,
      figures: () => this.figures(),
      records,
      inquiry,
      timers,
    });
    const figures = new ClusterFigures({
      links,
      view,
      instances,
      records,
      counts,
      relay,
      remote,
      hosted: parts.hosted,
    });
    const watch = this.watchWhole(view, company.events);
    const close = async (): Promise<void> => {
      watch();
      this.spokesman?.close();
      await this.store.close(FAREWELL_MS);
      await this.janitor.close();
      presence.close();
      relay.end();
      inquiry.close();
      view.close();
      records.close();
      await instances.close();
      await links.close();
    };
    return { view, figures, close };
  }

  /** Tells the others that this instance takes no newcomers any more. */
  drain(): void {
    this.draining = true;
    this.spokesman?.drain();
    this.instances.announce();
  }

  private figures(): Figures {
    const { hosted, indexes } = this.parts;
    const { in: into, out, drops } = this.relay.counts;
    return {
      draining: this.draining,
      connections: indexes.size - indexes.free,
      conversations: hosted.count,
      relayedIn: into.packets,
      relayedOut: out.packets,
      dropped: Object.values(drops).reduce((sum, count) => sum + count, 0),
      ...(this.spokesman?.ready ? { speaks: true } : {}),
    };
  }

  private watchWhole(view: OperatorsView, events: ClusterCompany['events']): Cancel {
    const { timers, log } = this.parts;
    let known: string | null = null;
    return timers.every(WHOLE_INTERVAL_MS, () => {
      const { problem } = view;
      if (problem === known) return;
      if (problem !== null) log.error({ problem }, 'this instance has lost touch with the others of its cluster');
      else log.info('this instance is in touch with the others of its cluster again');
      if ((problem === null) !== (known === null)) events.cluster(problem === null);
      known = problem;
    });
  }
}

/** A cluster that this instance takes part in. */
export interface RunningCluster {
  /** What operators see of it. */
  readonly view: OperatorsView;
  readonly figures: ClusterFigures;
  /** Leaves the cluster, after all connections have ended. */
  close(): Promise<void>;
}
