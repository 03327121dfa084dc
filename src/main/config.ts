/** Reads and checks the environment, once at start. docs/configuration.md lists the same variables. */
import { isIP, isIPv4 } from 'node:net';
import * as v from 'valibot';
import { MAX_PACKET_BYTES } from '../rtp/packet.ts';
import { MAX_CONNECTION_INDEX } from '../workers/protocol.ts';
import { MAX_RING_BYTES, MIN_RING_BYTES } from '../workers/ring.ts';
import { usableCores } from './cgroup.ts';
import { integer, list, parsed, powerOfTwo } from './config-values.ts';
import { contradictions } from './contradictions.ts';
import { isAddress } from './ip-address.ts';
import { readNatsUrl } from './nats-url.ts';
import { shownValue } from './secrets.ts';
import { readTurnUrls } from './turn-urls.ts';

/** A bad variable. The message has its name, its value and the allowed values. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}

/**
 * Where RED (RFC 2198) is used: nowhere; from publishers to the server, which rebuilds lost packets; or to listeners as
 * well.
 */
const REDS = ['off', 'uplink', 'both'] as const;
export type RedUse = (typeof REDS)[number];

/** Where to listen; without a `host` on every address of the machine. */
export interface ListenAddress {
  readonly host: string | undefined;
  readonly port: number;
}

function readListen(text: string): ListenAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:\s[\]]*)):(\d{1,5})$/.exec(text);
  if (match === null || Number(match[3]) > 65_535) return undefined;
  const [, v6, name] = match;
  if (v6 !== undefined && isIP(v6) !== 6) return undefined;
  // Four numbers are an address or a typing error, never a name.
  if (name !== undefined && /^[\d.]+$/.test(name) && !isIPv4(name)) return undefined;
  return { host: v6 ?? (name || undefined), port: Number(match[3]) };
}

const listen = parsed('host:port, :port or [v6]:port', readListen);

const listenOrNot = parsed(
  'host:port, :port or [v6]:port, or empty for none',
  (text): ListenAddress | null | undefined => (text === '' ? null : readListen(text)),
);

const ports = parsed(
  'UDP ports as 40000, 40000-40003 or a list of these, each from 1025 to 65535, 64 at most',
  (text) => {
    const all = new Set<number>();
    for (const part of text.split(',')) {
      const match = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part);
      if (match === null) return undefined;
      const first = Number(match[1]);
      const last = Number(match[2] ?? first);
      // libdatachannel treats 1024 and below as "no port given".
      if (first <= 1024 || last > 65_535 || last < first || last - first > 63) return undefined;
      for (let port = first; port <= last; port++) all.add(port);
    }
    return all.size <= 64 ? [...all] : undefined;
  },
);

const address = parsed('an IP address, or empty for all', (text) =>
  text === '' || isIP(text) !== 0 ? text : undefined,
);

const addresses = parsed('IP addresses separated by commas, or empty', (text) => {
  const all = list(text);
  return all.every(isAddress) ? all : undefined;
});

const ICE_SERVER =
  /^(?:stun:|turns?:[^\s:@]+:[^\s:@]+@)(?:\[[\da-f:]+\]|[\w.-]+)(?::\d{1,5})?(?:\?transport=(?:udp|tcp))?$/i;

const iceServers = parsed(
  'stun:host[:port] or turn:user:password@host[:port], separated by commas, or empty',
  (text) => {
    const all = list(text);
    return all.every((one) => ICE_SERVER.test(one)) ? all : undefined;
  },
);

const turnUrls = parsed(
  'at most 8 of turn:host[:port][?transport=udp or tcp] and turns:host[:port], separated by commas, or empty',
  readTurnUrls,
);

const turnSecret = parsed('16 to 256 visible ASCII characters without spaces, or empty', (text) =>
  /^(?:[\x21-\x7e]{16,256})?$/.test(text) ? text : undefined,
);

const secrets = parsed(
  '16 to 256 letters, digits and -._~+/=, or two of these separated by a comma, or empty for none',
  (text) => {
    const all = list(text);
    return all.length <= 2 && all.every((one) => /^[\w.~+/=-]{16,256}$/.test(one)) ? all : undefined;
  },
);

const httpOrigin = parsed(
  'http://host[:port] or https://host[:port], or empty for none',
  (text): string | undefined => {
    if (text === '') return '';
    const url = URL.canParse(text) ? new URL(text) : null;
    const plain = url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
    if (!plain || !['http:', 'https:'].includes(url.protocol)) return undefined;
    // The href would keep an empty query.
    return url.origin + url.pathname.replace(/\/+$/, '');
  },
);

const webhookUrl = parsed('http:// or https://host[:port][/path][?query], or empty for none', (text) => {
  if (text === '') return '';
  const url = URL.canParse(text) ? new URL(text) : null;
  const plain = url !== null && url.username === '' && url.password === '' && url.hash === '';
  return plain && ['http:', 'https:'].includes(url.protocol) ? url.href : undefined;
});

const natsUrl = parsed(
  'nats:// or tls:// with [user:password@ or token@]host[:port], one user for all of them, separated by commas, or empty for none',
  readNatsUrl,
);

const filePath = parsed('the path of a file, or empty for none', (text) => (text.includes('\0') ? undefined : text));

const instanceId = parsed('at most 64 letters, digits, -, _ and ., or empty for one made at start', (text) =>
  /^[\w.-]{0,64}$/.test(text) ? text : undefined,
);

const prefix = parsed('1 to 32 letters, digits, - and _', (text) => (/^[\w-]{1,32}$/.test(text) ? text : undefined));

const replicas = parsed('1, 3 or 5', (text) => (['1', '3', '5'].includes(text) ? Number(text) : undefined));

const logLevel = parsed('trace, debug, info, warn, error, fatal or silent', (text) =>
  ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].includes(text) ? text : undefined,
);

const ptime = parsed('20, 40 or 60', (text) => (['20', '40', '60'].includes(text) ? Number(text) : undefined));

const redUse = parsed('off, uplink or both', (text) => REDS.find((use) => use === text));

/** The variables, each with its default as it would be written in `.env`, and how it is read. */
const variables = {
  LISTEN: { otherwise: ':80', schema: listen },
  ADMIN_LISTEN: { otherwise: '127.0.0.1:8081', schema: listenOrNot },
  METRICS_LISTEN: { otherwise: '', schema: listenOrNot },
  ADMIN_TOKEN_FILE: { otherwise: '', schema: filePath },
  PROXY_SECRET: { otherwise: '', schema: secrets },
  MEDIA_PORTS: { otherwise: '40000-40003', schema: ports },
  MEDIA_BIND: { otherwise: '', schema: address },
  ANNOUNCED_ADDRESS: { otherwise: '', schema: addresses },
  ICE_SERVERS: { otherwise: '', schema: iceServers },
  TURN_URLS: { otherwise: '', schema: turnUrls },
  TURN_SECRET: { otherwise: '', schema: turnSecret },
  TURN_TTL_S: { otherwise: '3600', schema: integer(1, 604_800) },
  WORKERS: { otherwise: String(Math.max(1, usableCores() - 1)), schema: integer(1, 64) },
  MAX_CONNECTIONS: { otherwise: '2000', schema: integer(1, MAX_CONNECTION_INDEX + 1) },
  MAX_CONNECTIONS_PER_USER: { otherwise: '8', schema: integer(1, MAX_CONNECTION_INDEX + 1) },
  MAX_SETUPS: { otherwise: '1000', schema: integer(1, MAX_CONNECTION_INDEX + 1) },
  MAX_SETUPS_PER_USER: { otherwise: '4', schema: integer(1, MAX_CONNECTION_INDEX + 1) },
  MAX_WAITING: { otherwise: '2000', schema: integer(1, 65_536) },
  MAX_QUEUED_OFFERS: { otherwise: '500', schema: integer(1, 65_536) },
  MAX_MEMBERSHIPS: { otherwise: '20000', schema: integer(1, 10_000_000) },
  MAX_CONVERSATIONS: { otherwise: '20000', schema: integer(1, 10_000_000) },
  MAX_PARTICIPANTS: { otherwise: '2000', schema: integer(1, 10_000_000) },
  MAX_JOINS_PER_SECOND: { otherwise: '10', schema: integer(1, 1000) },
  MAX_SLOTS: { otherwise: '8', schema: integer(1, 64) },
  RED: { otherwise: 'uplink', schema: redUse },
  PTIME_MS: { otherwise: '20', schema: ptime },
  MAX_MEDIA_LINES: { otherwise: '32', schema: integer(1, 256) },
  MAX_OFFER_BYTES: { otherwise: '65536', schema: integer(1024, 1_048_576) },
  MAX_CANDIDATES: { otherwise: '32', schema: integer(0, 256) },
  MAX_PACKETS_PER_SECOND: { otherwise: '200', schema: integer(10, 10_000) },
  MAX_KBPS: { otherwise: '1280', schema: integer(32, 100_000) },
  MAX_RTP_BYTES: { otherwise: '1500', schema: integer(200, MAX_PACKET_BYTES) },
  MAX_DATA_CHANNELS: { otherwise: '4', schema: integer(1, 64) },
  MAX_MESSAGES_PER_SECOND: { otherwise: '50', schema: integer(1, 10_000) },
  MAX_MESSAGE_KBPS: { otherwise: '256', schema: integer(8, 100_000) },
  MAX_REQUESTS_PER_SECOND: { otherwise: '10', schema: integer(1, 1000) },
  MAX_HTTP_SOCKETS: { otherwise: '2000', schema: integer(1, 65_536) },
  MAX_HEADER_BYTES: { otherwise: '16384', schema: integer(2048, 1_048_576) },
  REQUEST_TIMEOUT_MS: { otherwise: '15000', schema: integer(100, 600_000) },
  KEEP_ALIVE_TIMEOUT_MS: { otherwise: '5000', schema: integer(100, 600_000) },
  OFFER_TIMEOUT_MS: { otherwise: '120000', schema: integer(100, 600_000) },
  CONNECT_TIMEOUT_MS: { otherwise: '20000', schema: integer(100, 600_000) },
  ICE_TIMEOUT_MS: { otherwise: '10000', schema: integer(100, 600_000) },
  GATHER_TIMEOUT_MS: { otherwise: '3000', schema: integer(10, 60_000) },
  MEMBERSHIP_TIMEOUT_MS: { otherwise: '300000', schema: integer(100, 86_400_000) },
  PERMISSIONS_HOST: { otherwise: '', schema: httpOrigin },
  PERMISSIONS_TIMEOUT_MS: { otherwise: '2000', schema: integer(10, 60_000) },
  PERMISSIONS_CACHE_MS: { otherwise: '5000', schema: integer(0, 3_600_000) },
  PERMISSIONS_RECHECK_MS: { otherwise: '0', schema: integer(0, 86_400_000) },
  WEBHOOK_URL: { otherwise: '', schema: webhookUrl },
  WEBHOOK_SECRET: { otherwise: '', schema: secrets },
  WEBHOOK_TIMEOUT_MS: { otherwise: '5000', schema: integer(10, 60_000) },
  WEBHOOK_RETRY_MS: { otherwise: '3600000', schema: integer(0, 86_400_000) },
  WEBHOOK_QUEUE: { otherwise: '10000', schema: integer(1, 1_000_000) },
  DRAIN_TIMEOUT_MS: { otherwise: '60000', schema: integer(0, 86_400_000) },
  SHUTDOWN_TIMEOUT_MS: { otherwise: '10000', schema: integer(100, 600_000) },
  EVENTS_INTERVAL_MS: { otherwise: '250', schema: integer(20, 10_000) },
  MAX_LISTED_PARTICIPANTS: { otherwise: '100', schema: integer(0, 1000) },
  MAX_TAPS: { otherwise: '16', schema: integer(0, 1000) },
  MAX_DELAY_MS: { otherwise: '1000', schema: integer(1, 60_000) },
  OFFLOAD_PERCENT: { otherwise: '85', schema: integer(0, 100) },
  OFFLOAD_IDLE_PERCENT: { otherwise: '50', schema: integer(0, 100_000) },
  INGRESS_RING_BYTES: { otherwise: '1048576', schema: powerOfTwo(MIN_RING_BYTES, MAX_RING_BYTES) },
  EGRESS_RING_BYTES: { otherwise: '4194304', schema: powerOfTwo(MIN_RING_BYTES, MAX_RING_BYTES) },
  NATS_URL: { otherwise: '', schema: natsUrl },
  NATS_CREDS: { otherwise: '', schema: filePath },
  NATS_CA: { otherwise: '', schema: filePath },
  NATS_CERT: { otherwise: '', schema: filePath },
  NATS_KEY: { otherwise: '', schema: filePath },
  NATS_REPLICAS: { otherwise: '1', schema: replicas },
  INSTANCE_ID: { otherwise: '', schema: instanceId },
  CLUSTER: { otherwise: 'sfu', schema: prefix },
  MAX_REMOTE_SOURCES: { otherwise: '1024', schema: integer(1, 60_000) },
  STATS_INTERVAL_MS: { otherwise: '0', schema: integer(0, 86_400_000) },
  LOG_LEVEL: { otherwise: 'info', schema: logLevel },
} as const;

type Variables = typeof variables;

/** The checked configuration, by variable. */
export type Config = { readonly [Name in keyof Variables]: v.InferOutput<Variables[Name]['schema']> };

/** The default of each variable, as text. */
export const DEFAULTS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(variables).map(([name, { otherwise }]) => [name, otherwise]),
);

/** Values by variable, usually `process.env` after `.env` was loaded. Variables without a value have their default. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the configuration.
 *
 * @throws ConfigError for the first bad value.
 */
export function readConfig(environment: Environment): Config {
  const { config, errors } = checkConfig(environment);
  if (errors.length > 0) throw errors[0]!;
  return config as Config;
}

/** Reads the configuration. @returns the good values, and an error for each bad one. */
export function checkConfig(environment: Environment): { config: Partial<Config>; errors: ConfigError[] } {
  const errors: ConfigError[] = [];
  const good: [string, unknown][] = [];
  for (const [name, { otherwise, schema }] of Object.entries(variables)) {
    const text = environment[name] ?? otherwise;
    const result = v.safeParse(schema as v.GenericSchema<string, unknown>, text);
    if (result.success) good.push([name, result.output]);
    else {
      const allowed = result.issues[0].message;
      errors.push(new ConfigError(`${name} is ${JSON.stringify(shownValue(name, text))}; allowed: ${allowed}`));
    }
  }
  const config: Partial<Config> = Object.fromEntries(good);
  const wrong = contradictions(config).map((message) => new ConfigError(message));
  return { config, errors: [...errors, ...wrong] };
}
