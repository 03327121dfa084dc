/** Wiring: configuration, workers, media ports, registry, HTTP; and the way down. Nothing is decided here. */
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import type { Claim } from './claim.ts';
import { runCommand } from './cli.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import type { ClientConnection } from './connections/client-connection.ts';
import { Connections } from './connections/connections.ts';
import { Conversations } from './conversations/conversations.ts';
import { IndexPool } from './conversations/index-pool.ts';
import { Seats } from './conversations/seats.ts';
import { readEnvFile } from './env-file.ts';
import { EventHub } from './events/hub.ts';
import { routes, type Upgrade } from './http/routes.ts';
import { HttpServer } from './http/server.ts';
import { createLog, type Log } from './log/log.ts';
import { standardOutput } from './log/output.ts';
import { Ingress } from './media/ingress.ts';
import { MuxWatch } from './media/mux-watch.ts';
import { offloadUnderLoad } from './media/offload.ts';
import { peersClosed } from './media/peer.ts';
import { MediaPorts } from './media/ports.ts';
import { Shards } from './media/shards.ts';
import { StallWatch } from './media/stall.ts';
import { Memberships } from './memberships/memberships.ts';
import { Permissions } from './memberships/permissions.ts';
import { AdminServer } from './operations/admin.ts';
import { tellCandidates } from './operations/announced-candidates.ts';
import { type Drained, drained } from './operations/drain.ts';
import { HealthCheck } from './operations/health.ts';
import { Counters } from './operations/metrics/counters.ts';
import { Metrics } from './operations/metrics.ts';
import { Operator } from './operations/operator.ts';
import { operatorRoutes } from './operations/routes.ts';
import { endOnSignals } from './operations/shutdown.ts';
import { logStats } from './operations/stats.ts';
import { Signalling } from './signalling/signalling.ts';
import { timers } from './timers.ts';
import { visible } from './visible.ts';

/** `.env` in the package's root; variables that are already set win. */
const ENV_FILE = fileURLToPath(new URL('../../../.env', import.meta.url));
/** How often memberships without a connection are looked through, milliseconds. */
const FORGET_INTERVAL_MS = 1000;
/** How long the library may take to say goodbye to everybody, milliseconds. */
const GOODBYE_TIMEOUT_MS = 1000;

const exitCode = await runCommand(process.argv.slice(2), ENV_FILE);
if (exitCode !== null) process.exit(exitCode);

let config: Config;
try {
  // For all of the process: libraries and Node itself may have variables there.
  Object.assign(process.env, { ...readEnvFile(ENV_FILE), ...process.env });
  config = readConfig(process.env);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.error(visible(error.message));
  process.exit(1);
}
const log = createLog(config.LOG_LEVEL);
try {
  await start(config, log);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  if (log.isLevelEnabled('fatal')) log.fatal(message);
  else console.error(visible(message));
  process.exit(1);
}

async function start(config: Config, log: Log): Promise<void> {
  const receivers: (ClientConnection | undefined)[] = new Array(config.MAX_CONNECTIONS).fill(undefined);
  const ports = await MediaPorts.open(config);
  const seats: Seats = new Seats(() => shards.leastLoaded());
  const shards = new Shards(config, receivers, seats, log, (error) => {
    log.fatal({ err: error }, 'a worker cannot be kept going; ending the process');
    process.exit(1);
  });
  await shards.whenReady();
  const registryLimits = {
    users: config.MAX_MEMBERSHIPS,
    conversations: config.MAX_CONVERSATIONS,
    participants: config.MAX_PARTICIPANTS,
  };
  const conversations = new Conversations<ClientConnection>(registryLimits, config.MEMBERSHIP_TIMEOUT_MS);
  const events = new EventHub(config, shards);
  const { slots, sources } = shards;
  const indexes = new IndexPool(config.MAX_CONNECTIONS, sources);
  const telemetry = new Counters();
  const stall = new StallWatch(config.MAX_DELAY_MS);
  stall.start();
  const tapFailed = (err: unknown): void => log.error({ err }, 'a packet tap failed and was detached');
  const ingress = new Ingress({ maxBytes: config.MAX_RTP_BYTES, stall, taps: [], tapFailed });
  const tables = { slots, sources, receivers, indexes, ingress };
  const connections = new Connections({ config, conversations, seats, ports, events, ...tables, log, telemetry });
  const muxWatch = new MuxWatch((holder, newcomer) => connections.ghosts.taken(holder, newcomer));
  if (!muxWatch.start()) log.warn('the media library cannot be listened to: ghosts stay for half a minute');
  connections.rtcp.start();

  const permissions = config.PERMISSIONS_HOST === '' ? null : new Permissions(config, log, telemetry);
  const memberships = new Memberships({ config, registry: conversations, connections, permissions, log, telemetry });
  const connect = (claim: Claim): Upgrade => {
    memberships.checkConnect(claim.userid);
    const connection = connections.reserve(claim);
    return {
      opened: (socket) => new Signalling(socket, connection, connections, config, log, telemetry),
      abandoned: () => connections.end(connection, 'signalling', 'no websocket came of the request', 'abandoned'),
    };
  };
  const server = new HttpServer(routes({ memberships, connect }), config, log, telemetry);
  const forgetting = setInterval(() => conversations.forget(performance.now()), FORGET_INTERVAL_MS);
  const telling = setInterval(() => events.tick(), config.EVENTS_INTERVAL_MS);
  const limits = { threshold: config.OFFLOAD_PERCENT / 100, idleCores: config.OFFLOAD_IDLE_PERCENT / 100 };
  offloadUnderLoad(receivers, limits, log);
  if (config.STATS_INTERVAL_MS > 0)
    logStats({ connections, conversations, events, shards: shards.all }, config.STATS_INTERVAL_MS, log);
  const looked = { connections, conversations, events, shards, receivers, logOutput: standardOutput, memberships };
  const metrics = new Metrics(config, telemetry, looked);
  const health = new HealthCheck(shards.all, timers);
  const operations = new Operator({ config, conversations, connections, memberships, health, sources, metrics });
  const admin =
    config.ADMIN_LISTEN === null ? null : new AdminServer(operatorRoutes(operations), config, log, telemetry);

  endOnSignals(
    {
      async drain(aborted) {
        memberships.beginDrain();
        connections.endUnestablished('draining', 'the server is shutting down');
        events.drain(config.DRAIN_TIMEOUT_MS);
        const look = (): Drained => ({ connections: connections.count, talking: seats.talking });
        const why = await drained(look, config.DRAIN_TIMEOUT_MS, aborted);
        log.info({ why, connections: connections.count }, 'drained');
      },
      async close(why) {
        memberships.beginDrain();
        clearInterval(forgetting);
        clearInterval(telling);
        await connections.endAll('draining', why);
        server.close();
        health.stop();
        metrics.stop();
        await shards.stop();
        await peersClosed(GOODBYE_TIMEOUT_MS);
        muxWatch.stop();
        ports.close();
        admin?.close();
      },
    },
    { drain: config.DRAIN_TIMEOUT_MS, close: config.SHUTDOWN_TIMEOUT_MS },
    log,
  );

  const adminAddress = config.ADMIN_LISTEN === null ? null : await admin!.listen(config.ADMIN_LISTEN);
  const { address, port } = await server.listen(config.LISTEN);
  log.info(
    { address, port, admin: adminAddress, mediaPorts: config.MEDIA_PORTS, workers: config.WORKERS },
    'listening',
  );
  tellCandidates(config, ports, log);
}
