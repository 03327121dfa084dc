/** Puts the parts of the service together. Nothing is decided here. */
import { performance } from 'node:perf_hooks';
import type { Config } from './config.ts';
import type { ClientConnection } from './connections/client-connection.ts';
import { Connections } from './connections/connections.ts';
import { Conversations } from './conversations/conversations.ts';
import { HostedConversations } from './conversations/hosted-conversations.ts';
import { IndexPool } from './conversations/index-pool.ts';
import type { Rights } from './conversations/rights.ts';
import { Seats } from './conversations/seats.ts';
import { UserNumbers } from './conversations/user-numbers.ts';
import { Close, closeReason } from './errors.ts';
import { EventHub } from './events/hub.ts';
import { Hooks } from './hooks/hooks.ts';
import { connectHandler } from './http/connect.ts';
import { IceServers } from './http/ice.ts';
import { routes } from './http/routes.ts';
import { HttpServer } from './http/server.ts';
import type { Log } from './log/log.ts';
import { standardOutput } from './log/output.ts';
import { makeCertificate } from './media/certificate.ts';
import { Ingress, type PacketTap } from './media/ingress.ts';
import type { PeerFactory } from './media/media-peer.ts';
import { MuxWatch } from './media/mux-watch.ts';
import { offloadUnderLoad } from './media/offload.ts';
import { Peer } from './media/peer.ts';
import { MediaPorts } from './media/ports.ts';
import { Rest } from './media/rest.ts';
import { Shards } from './media/shards.ts';
import { warnOfSmallBuffers } from './media/socket-buffers.ts';
import { StallWatch } from './media/stall.ts';
import { WakeGate } from './media/wake-gate.ts';
import { LocalStore } from './memberships/membership-store.ts';
import { Memberships } from './memberships/memberships.ts';
import { Permissions } from './memberships/permissions.ts';
import { startRecheck } from './memberships/recheck.ts';
import { tellCandidates } from './operations/announced-candidates.ts';
import { HealthCheck } from './operations/health.ts';
import { OperatorsListeners } from './operations/listeners.ts';
import { LocalView } from './operations/local-view.ts';
import { Counters } from './operations/metrics/counters.ts';
import { Metrics } from './operations/metrics.ts';
import { Operator } from './operations/operator.ts';
import { endOnSignals } from './operations/shutdown.ts';
import { logStats } from './operations/stats.ts';
import { TapSockets } from './operations/tap-sockets.ts';
import { Rtcp } from './rtcp/rtcp.ts';
import { shutdownSteps } from './shutdown-steps.ts';
import { OfferQueue } from './signalling/offer-queue.ts';
import { Taps } from './taps/taps.ts';
import { timers } from './timers.ts';

/** How often expired memberships are dropped, milliseconds. */
const FORGET_INTERVAL_MS = 1000;

/** Starts the service. Rejects with an error for operators if it cannot start. */
export async function start(config: Config, log: Log): Promise<void> {
  const receivers: (ClientConnection | undefined)[] = new Array(config.MAX_CONNECTIONS).fill(undefined);
  // Only a cluster needs the code that talks to NATS.
  const nats = config.NATS_URL === null ? null : await import('./cluster/cluster-links.ts');
  const links = nats === null ? null : await nats.ClusterLinks.open(config, log);
  const ports = await MediaPorts.open(config);
  await warnOfSmallBuffers(log);
  const hosted = new HostedConversations();
  const workerFailed = (err: Error): void => {
    log.fatal({ err }, 'a worker cannot be kept going; ending the process');
    process.exit(1);
  };
  const sourceRows = config.MAX_CONNECTIONS + (links === null ? 0 : config.MAX_REMOTE_SOURCES);
  const shards = new Shards(config, receivers, hosted, log, workerFailed, sourceRows);
  await shards.whenReady();
  const { MAX_MEMBERSHIPS: users, MAX_CONVERSATIONS, MAX_PARTICIPANTS: participants } = config;
  const limits = { users, conversations: MAX_CONVERSATIONS, participants };
  const numbers = new UserNumbers();
  const conversations = new Conversations<ClientConnection>(limits, config.MEMBERSHIP_TIMEOUT_MS, numbers);
  const seats = new Seats(() => shards.leastLoaded(), hosted);
  const { slots, sources } = shards;
  const rightsIn = (userid: string, id: string): Rights | null => conversations.rightsIn(userid, id);
  const events = new EventHub(config, { slots, sources, rightsIn });
  const indexes = new IndexPool(config.MAX_CONNECTIONS, sources);
  const telemetry = new Counters();
  const stall = new StallWatch(config.MAX_DELAY_MS);
  stall.start(() => indexes.free < indexes.size);
  const rtcp = new Rtcp({ receivers, slots, slotsPerConnection: config.MAX_SLOTS, sources, telemetry });
  const registry = conversations;
  const cluster =
    links?.cluster({ config, registry, hosted, seats, indexes, users: numbers, rtcp, sources, timers, log }) ?? null;
  const relayTap = cluster === null ? [] : [cluster.relay.tap];
  const tapFailed = (err: unknown, tap: PacketTap): void => {
    log.error({ err }, 'a packet tap failed and was detached');
    if (cluster !== null && tap === cluster.relay.tap) cluster.relay.detached = true;
    else if (tap === taps) taps.failed(Close.internal.code, closeReason('internal'));
  };
  const gate = new WakeGate(sources);
  const rest = new Rest({ bell: shards.restBell, shards: shards.all, connections: () => indexes.size - indexes.free });
  const taken = (): void => rest.note();
  const ingress = new Ingress({ maxBytes: config.MAX_RTP_BYTES, stall, gate, taps: relayTap, taken, tapFailed });
  const listed = config.MAX_LISTED_PARTICIPANTS;
  const taps = new Taps({ conversations, ingress, seats, sources, rightsIn, listed, timers });
  const peerConfig = { ...config, certificate: makeCertificate() };
  const openPeer: PeerFactory = (client, addresses, fingerprints, events) =>
    new Peer(peerConfig, ports.take(client, addresses), events, fingerprints);
  const tables = { slots, sources, receivers, indexes, ingress };
  const connections = new Connections({
    config,
    conversations,
    seats,
    openPeer,
    events,
    rtcp,
    ...tables,
    ...(cluster === null ? {} : cluster.followers),
    log,
    telemetry,
  });
  const muxWatch = new MuxWatch(
    (holder, newcomer) => connections.ghosts.taken(holder, newcomer),
    () => log.warn('a client cannot connect: it seems to be Chromium over TURN by TCP or TLS, and needs TURN over UDP'),
  );
  if (!muxWatch.start()) log.warn('the media library cannot be listened to: ghosts stay for half a minute');
  connections.start();

  const permissions = config.PERMISSIONS_HOST === '' ? null : new Permissions(config, log, telemetry);
  const now = (): number => performance.now();
  const store = cluster?.store ?? new LocalStore({ config, registry, connections, now });
  const memberships = new Memberships({ config, registry, store, permissions, log, telemetry });
  const connected = (): Iterable<ClientConnection> => connections.everyEstablished();
  const recheck = startRecheck(config, permissions, { connected, registry, memberships, timers, log });
  const offers = new OfferQueue<ClientConnection>(config, telemetry);
  const connect = connectHandler({ memberships, connections, offers, config, log, telemetry });
  const rows = routes({ memberships, connect, offers, ice: new IceServers(config) });
  const server = new HttpServer(rows, config, log, telemetry);
  const stopTimers = [
    timers.every(FORGET_INTERVAL_MS, () => conversations.forget(performance.now(), Date.now())),
    events.start(config.EVENTS_INTERVAL_MS, timers),
    recheck,
  ];
  offloadUnderLoad(receivers, config, log);
  logStats({ connections, conversations, events, sockets: ports.drops, shards: shards.all }, config, log);

  const read = {
    connections,
    offers,
    conversations,
    events,
    sockets: ports.drops,
    shards,
    receivers,
    logOutput: standardOutput,
    memberships,
    taps,
  };
  const local = new LocalView({ conversations, connections, sources });
  const joined = (await cluster?.start({ ingress, connections, witness: local, events })) ?? null;
  const hooks = config.WEBHOOK_URL === '' ? null : new Hooks(config, log, timers, cluster?.spokesman ?? null);
  conversations.observer = hooks;
  const metrics = new Metrics(config, telemetry, { ...read, hooks, cluster: joined?.figures ?? null });
  const health = new HealthCheck(shards.all, timers);
  const view = { local, cluster: joined?.view ?? null };
  const operator = new Operator({ config, conversations, connections, memberships, health, ...view, metrics });
  const tapSockets = new TapSockets(taps, config, log, hooks);
  const admin = new OperatorsListeners(operator, tapSockets, config, log, telemetry);

  const parts = {
    memberships,
    connections,
    conversations,
    hooks,
    events,
    hosted,
    server,
    admin,
    taps: tapSockets,
    health,
    metrics,
    shards,
    muxWatch,
    ports,
  };
  const leaving = cluster === null || joined === null ? null : { drain: () => cluster.drain(), close: joined.close };
  const steps = shutdownSteps({ ...parts, cluster: leaving, stopTimers, config, log });
  endOnSignals(steps, { drain: config.DRAIN_TIMEOUT_MS, close: config.SHUTDOWN_TIMEOUT_MS }, log);

  const forOperators = await admin.listen();
  const { address, port } = await server.listen(config.LISTEN);
  const { MEDIA_PORTS: mediaPorts, WORKERS: workers } = config;
  log.info({ address, port, ...forOperators, mediaPorts, workers }, 'listening');
  tellCandidates(config, ports, log);
}
