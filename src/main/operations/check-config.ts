/** `--check-config`: the configuration, where each value comes from, and warnings about odd values. */
import { accessSync, constants } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { usableCores } from '../cgroup.ts';
import { type Config, checkConfig, DEFAULTS, type Environment, type ListenAddress } from '../config.ts';
import { isLoopback, isPrivate } from '../ip-address.ts';
import { isSecret, shownValue } from '../secrets.ts';
import { isOverUdp } from '../turn-urls.ts';
import { readToken } from './admin-token.ts';

/** How long systemd waits by default before it kills a service, milliseconds. Others wait less. */
const USUAL_STOP_MS = 90_000;
/** Variables of a cluster, which count only with `NATS_URL`. */
const CLUSTER = ['NATS_CREDS', 'NATS_CA', 'NATS_CERT', 'NATS_KEY', 'NATS_REPLICAS', 'INSTANCE_ID', 'CLUSTER'] as const;
const FILES = ['NATS_CREDS', 'NATS_CA', 'NATS_CERT', 'NATS_KEY'] as const;
/** A name that differs from a variable's in so many letters or fewer counts as misspelt. */
const NEAR = 2;

export interface ConfigReport {
  /** `NAME=value # origin`, for each good value. */
  readonly lines: readonly string[];
  readonly warnings: readonly string[];
  /** One error for each bad value. */
  readonly errors: readonly string[];
}

/**
 * Checks the configuration.
 *
 * @param environment the exported variables, which take precedence. @param file the variables in `.env`.
 */
export function reportConfig(environment: Environment, file: Environment): ConfigReport {
  const { config, errors } = checkConfig({ ...file, ...environment });
  const lines = Object.keys(DEFAULTS)
    .filter((name) => name in config)
    .map((name) => {
      const from = environment[name] !== undefined ? 'environment' : file[name] !== undefined ? '.env' : 'default';
      const text = (environment[name] ?? file[name] ?? DEFAULTS[name]!).trim().replace(/\s+/g, ' ');
      return `${name}=${shown(name, text)} # ${from}`;
    });
  const whole = errors.length === 0 ? oddities(config as Config, { ...file, ...environment }) : [];
  const wrong = [...errors.map(({ message }) => message), ...unreadable(config), ...badToken(config)];
  return { lines, warnings: [...misspelt(file), ...whole], errors: wrong };
}

/** Returns a value without secrets. Of a list each part has its own. */
function shown(name: string, text: string): string {
  if (isSecret(name) || name === 'WEBHOOK_URL') return shownValue(name, text);
  return text
    .split(',')
    .map((part) => shownValue(name, part))
    .join(',');
}

/** Names the files that cannot be read, and without which the service would not start. */
function unreadable(config: Partial<Config>): string[] {
  return FILES.flatMap((name) => {
    const path = config[name];
    if (!path || !config.NATS_URL) return [];
    try {
      accessSync(path, constants.R_OK);
      return [];
    } catch (error) {
      return [`${name} is a file that cannot be read (${(error as NodeJS.ErrnoException).code}): ${path}`];
    }
  });
}

function badToken({ ADMIN_TOKEN_FILE: path, ADMIN_LISTEN: admin }: Partial<Config>): string[] {
  if (!path || !admin) return [];
  try {
    readToken(path);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

/** Warns about names in `.env` that are almost a variable's. Other names may be for other programs. */
function misspelt(file: Environment): string[] {
  const known = Object.keys(DEFAULTS);
  return Object.keys(file).flatMap((name) => {
    if (known.includes(name)) return [];
    const meant = known.find((other) => distance(name.toUpperCase().replaceAll('-', '_'), other) <= NEAR);
    return meant === undefined ? [] : [`${name} in .env is not a variable of this service; did you mean ${meant}?`];
  });
}

/** Tells what is odd about where the service listens. */
function listeningOddities(config: Config): [odd: boolean, warning: string][] {
  const { LISTEN, ADMIN_LISTEN: admin, METRICS_LISTEN: metrics, ADMIN_TOKEN_FILE, PROXY_SECRET } = config;
  const same = (one: string, other: string): string =>
    `${one} and ${other} are the same port; one of them will be refused`;
  return [
    [
      !isLoopback(LISTEN.host) && PROXY_SECRET.length === 0,
      'LISTEN is not a loopback address and PROXY_SECRET is empty: whoever reaches it past the proxy can pose as any user',
    ],
    [admin !== null && overlap(LISTEN, admin), same('LISTEN', 'ADMIN_LISTEN')],
    [metrics !== null && overlap(LISTEN, metrics), same('LISTEN', 'METRICS_LISTEN')],
    [admin !== null && metrics !== null && overlap(admin, metrics), same('ADMIN_LISTEN', 'METRICS_LISTEN')],
    [
      admin !== null && !isLoopback(admin.host) && ADMIN_TOKEN_FILE === '',
      'ADMIN_LISTEN is not a loopback address and ADMIN_TOKEN_FILE is empty: nobody can kick and mute, and whoever reaches it sees who talks with whom',
    ],
    [
      admin === null && metrics === null,
      'ADMIN_LISTEN is empty, and METRICS_LISTEN, too: there are no health checks and no metrics',
    ],
    [admin === null && ADMIN_TOKEN_FILE !== '', 'ADMIN_LISTEN is empty, so ADMIN_TOKEN_FILE has no effect'],
  ];
}

/** Warns about values that are good by themselves but implausible together. */
function oddities(config: Config, set: Environment): string[] {
  const { MAX_CONNECTIONS, MAX_MEMBERSHIPS } = config;
  const found: [odd: boolean, warning: string][] = [
    ...listeningOddities(config),
    [
      config.ANNOUNCED_ADDRESS.length === 0 &&
        config.ICE_SERVERS.length === 0 &&
        hosts(config.MEDIA_BIND).every(isPrivate),
      'ANNOUNCED_ADDRESS is empty and all addresses of this machine for media are private: only clients in the same network can connect',
    ],
    [
      config.DRAIN_TIMEOUT_MS + config.SHUTDOWN_TIMEOUT_MS > USUAL_STOP_MS,
      `DRAIN_TIMEOUT_MS and SHUTDOWN_TIMEOUT_MS together are more than ${USUAL_STOP_MS / 1000} s: a supervisor must wait as long before it kills the service`,
    ],
    [
      config.EGRESS_RING_BYTES < config.INGRESS_RING_BYTES,
      'EGRESS_RING_BYTES is less than INGRESS_RING_BYTES: a conversation sends more than it receives, and packets will be dropped',
    ],
    [
      config.GATHER_TIMEOUT_MS >= config.CONNECT_TIMEOUT_MS,
      'GATHER_TIMEOUT_MS is not less than CONNECT_TIMEOUT_MS: the answer may come too late to connect',
    ],
    [
      config.MAX_SLOTS > config.MAX_MEDIA_LINES,
      'MAX_SLOTS is more than MAX_MEDIA_LINES: each slot is an m-line, so no offer can have as many',
    ],
    [
      MAX_MEMBERSHIPS < MAX_CONNECTIONS,
      'MAX_MEMBERSHIPS is less than MAX_CONNECTIONS: users will be refused while connections are free',
    ],
    [
      config.WORKERS > usableCores(),
      `WORKERS is more than this process has cores (${usableCores()}), by the machine, its affinity or its container's quota: workers will share cores`,
    ],
    [
      config.PERMISSIONS_HOST === '' &&
        ['PERMISSIONS_TIMEOUT_MS', 'PERMISSIONS_CACHE_MS', 'PERMISSIONS_RECHECK_MS'].some((name) => name in set),
      'PERMISSIONS_HOST is empty, so the other PERMISSIONS variables have no effect: everybody with a claim may join',
    ],
    [
      config.TURN_URLS.length > 0 && !config.TURN_URLS.some(isOverUdp),
      'TURN_URLS has no server over UDP: Chromium and its like cannot connect over TCP or TLS; add turn:host:443?transport=udp',
    ],
    [
      config.TURN_URLS.length > 0 && config.TURN_TTL_S * 1000 < config.CONNECT_TIMEOUT_MS,
      'TURN_TTL_S is less than CONNECT_TIMEOUT_MS: credentials may expire before they are used',
    ],
    [
      config.TURN_URLS.length === 0 && ['TURN_SECRET', 'TURN_TTL_S'].some((name) => name in set),
      'TURN_URLS is empty, so TURN_SECRET and TURN_TTL_S have no effect: clients are told no TURN server',
    ],
    [
      config.WEBHOOK_URL === '' &&
        Object.keys(set).some((name) => name !== 'WEBHOOK_URL' && name in DEFAULTS && name.startsWith('WEBHOOK_')),
      'WEBHOOK_URL is empty, so the other WEBHOOK variables have no effect: events go nowhere',
    ],
    [
      config.NATS_URL === null && [...CLUSTER, 'MAX_REMOTE_SOURCES'].some((name) => name in set),
      `NATS_URL is empty, so ${CLUSTER.join(', ')} and MAX_REMOTE_SOURCES have no effect: this instance is alone`,
    ],
    [
      config.NATS_URL !== null && config.NATS_URL.servers.length < config.NATS_REPLICAS,
      'NATS_REPLICAS is more than NATS_URL has servers: name at least as many, so that an instance can start while one is down',
    ],
  ];
  return found.filter(([odd]) => odd).map(([, warning]) => warning);
}

function overlap(one: ListenAddress, other: ListenAddress): boolean {
  const anywhere = (host: string | undefined): boolean => host === undefined || /^[0:.]+$/.test(host);
  const meet = anywhere(one.host) || anywhere(other.host) || one.host === other.host;
  return one.port === other.port && one.port !== 0 && meet;
}

/** Returns the addresses of this machine that candidates can have, without zones. */
function hosts(bind: string): string[] {
  if (bind !== '' && bind !== '0.0.0.0' && bind !== '::') return [bind];
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address.split('%')[0]!));
}

/** Returns how many letters have to be added, removed or replaced to turn one word into the other (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1];
    for (const [j, wanted] of [...other].entries()) {
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (letter === wanted ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1)!;
}
