/** The text of `--help`. */
import { type Config, DEFAULTS } from '../config.ts';

/** One line for each variable. docs/configuration.md has more. */
const MEANINGS: Readonly<Record<keyof Config, string>> = {
  LISTEN: 'host and port to listen on',
  ADMIN_LISTEN: 'host and port for operators; empty for none',
  METRICS_LISTEN: 'another host and port for health and metrics alone; empty for none',
  ADMIN_TOKEN_FILE: 'file with the token for what acts (kick, mute); without it loopback alone may act',
  PROXY_SECRET: 'what the proxy has to send as X-Proxy-Secret; empty for nothing',
  MEDIA_PORTS: 'UDP ports for media',
  MEDIA_BIND: 'address that the media ports are bound to; empty for all',
  ANNOUNCED_ADDRESS: 'addresses under which clients reach the media ports, behind NAT or in a container',
  ICE_SERVERS: "STUN and TURN servers for the server's own candidates",
  TURN_URLS: 'TURN servers that clients are told, for networks without UDP; empty for none',
  TURN_SECRET: "secret shared with them (coturn's static-auth-secret)",
  TURN_TTL_S: 'how long their credentials can be used, s',
  WORKERS: 'worker threads',
  MAX_CONNECTIONS: 'connections at a time',
  MAX_CONNECTIONS_PER_USER: 'clients of one user at a time',
  MAX_SETUPS: 'of these, connections that are being set up',
  MAX_SETUPS_PER_USER: 'of one user, waiting for their offer or being set up',
  MAX_WAITING: 'websockets that have not made their offer yet',
  MAX_QUEUED_OFFERS: 'offers that wait for their turn',
  MAX_MEMBERSHIPS: 'users known at a time',
  MAX_CONVERSATIONS: 'conversations at a time',
  MAX_PARTICIPANTS: 'users a conversation may have',
  MAX_JOINS_PER_SECOND: 'joins and leaves of one user',
  MAX_SLOTS: 'receive slots a connection may have',
  PTIME_MS: 'audio that clients are asked to put into a packet, ms',
  RED: 'redundant audio: off, uplink or both',
  MAX_MEDIA_LINES: 'm-lines an offer may have',
  MAX_OFFER_BYTES: 'largest websocket message, bytes',
  MAX_CANDIDATES: 'candidates taken from one client',
  MAX_PACKETS_PER_SECOND: 'packets forwarded of one publisher',
  MAX_KBPS: 'kbit/s forwarded of one publisher',
  MAX_RTP_BYTES: 'largest packet forwarded, bytes',
  MAX_DATA_CHANNELS: 'data channels a client may open',
  MAX_MESSAGES_PER_SECOND: 'messages on data channels that nobody reads',
  MAX_MESSAGE_KBPS: 'kbit/s on these',
  MAX_REQUESTS_PER_SECOND: 'requests on the channel events',
  MAX_HTTP_SOCKETS: 'sockets a listener may have open, besides websockets',
  MAX_HEADER_BYTES: 'header of an HTTP request, bytes',
  REQUEST_TIMEOUT_MS: 'for an HTTP request to arrive, ms',
  KEEP_ALIVE_TIMEOUT_MS: 'how long an HTTP socket may be idle, ms',
  OFFER_TIMEOUT_MS: "from the websocket's opening to the offer, ms",
  CONNECT_TIMEOUT_MS: 'from the offer to the standing peer connection, ms',
  ICE_TIMEOUT_MS: 'from the answer, or the last candidate, until ICE finds a way, ms',
  GATHER_TIMEOUT_MS: "for the server's own candidates, ms",
  MEMBERSHIP_TIMEOUT_MS: "how long a membership outlasts its user's last connection, ms",
  PERMISSIONS_HOST: 'http://host[:port] that is asked whether a user may join; empty: everybody may',
  PERMISSIONS_TIMEOUT_MS: 'for its answer, ms',
  PERMISSIONS_CACHE_MS: 'how long its answer holds, ms',
  PERMISSIONS_RECHECK_MS: 'how often it is asked again about those who are in a conversation, ms; 0: never',
  WEBHOOK_URL: 'where events go: who joins, moves, leaves; empty for nowhere',
  WEBHOOK_SECRET: 'what these are signed with',
  WEBHOOK_TIMEOUT_MS: 'for the answer, ms',
  WEBHOOK_RETRY_MS: 'how long a delivery that fails is tried again, ms',
  WEBHOOK_QUEUE: 'events that wait to be sent',
  DRAIN_TIMEOUT_MS: 'from the signal to the end of conversations that go on, ms',
  SHUTDOWN_TIMEOUT_MS: 'from then to the forced end of the process, ms',
  EVENTS_INTERVAL_MS: 'how often clients are told what has changed, ms',
  MAX_LISTED_PARTICIPANTS: 'connections in a conversation up to which everybody is told of everybody',
  MAX_TAPS: 'readers of conversations at a time, such as recorders',
  MAX_DELAY_MS: 'oldest packet that is still sent, ms',
  OFFLOAD_PERCENT: "load of the main thread from which on the library's threads help",
  OFFLOAD_IDLE_PERCENT: 'idle CPU of the machine without which they do not',
  INGRESS_RING_BYTES: 'shared memory for packets towards a worker',
  EGRESS_RING_BYTES: 'shared memory for packets from a worker',
  NATS_URL: 'servers of NATS, for one conversation over many instances; empty for none',
  NATS_CREDS: 'file with the credentials for NATS',
  NATS_CA: "file with the certificate of the authority that signed NATS's",
  NATS_CERT: 'file with the certificate for NATS',
  NATS_KEY: 'file with its key',
  NATS_REPLICAS: 'servers of NATS that keep the memberships',
  INSTANCE_ID: 'name of this instance; empty for one made at start',
  CLUSTER: 'name before all subjects and buckets of NATS',
  MAX_REMOTE_SOURCES: 'speakers of other instances at a time',
  STATS_INTERVAL_MS: 'how often the figures are logged, ms; 0 for never',
  LOG_LEVEL: 'trace, debug, info, warn, error, fatal or silent',
};

/** Returns the text, without a final line feed. */
export function help(): string {
  const names = Object.keys(MEANINGS) as (keyof Config)[];
  const wide = Math.max(...names.map((name) => name.length));
  const variables = names.map((name) => {
    const otherwise = DEFAULTS[name] === '' ? '' : ` [${DEFAULTS[name]}]`;
    return `  ${name.padEnd(wide)}  ${MEANINGS[name]}${otherwise}`;
  });
  return `backend-webrtc: a voice SFU (WebRTC Selective Forwarding Unit)

Usage: npm start [-- OPTION], or node dist/src/main/main.js [OPTION] once it is built

Without an option the service runs until it gets a signal.

  --check-config  print the configuration and where each value comes from, with
                  warnings; everything that is wrong with it
  --healthcheck   ask the running service at ADMIN_LISTEN, or METRICS_LISTEN without
                  it, whether it is healthy
  --version       print the version; with --verbose also those of Node.js and of the
                  libraries that are built into the native one
  --help          print this

Variables, exported or in .env beside package.json; an exported one wins.
docs/configuration.md says more on each.

${variables.join('\n')}

Signals: SIGTERM, SIGINT, SIGHUP, SIGQUIT and SIGUSR2 shut down: conversations have
DRAIN_TIMEOUT_MS to end. docs/operations.md says what each signal does while that
goes on.

Exit codes: 0 stopped by a signal, or the answer is good; 1 it could not start, went
wrong, or the answer is bad; 2 no such option.`;
}
