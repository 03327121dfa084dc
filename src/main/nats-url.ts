/** Reads `NATS_URL`: where NATS is, and who this instance is to it. */
import { isIP } from 'node:net';

/** Where NATS listens by default. */
const DEFAULT_PORT = 4222;

/** Servers of NATS. They are one cluster, so one user is known to all. */
export interface NatsServers {
  /** `host:port` or `[v6]:port`, without scheme and secrets. */
  readonly servers: readonly string[];
  /** Whether one of the URLs is `tls://`. Then TLS is used with all of them. */
  readonly tls: boolean;
  /** The user and password, the token, or nothing. */
  readonly user: string | null;
  readonly password: string | null;
  readonly token: string | null;
}

const URLS = /^(nats|tls):\/\/(?:([^@/?#]*)@)?(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?\/?$/i;

/** Reads a list of URLs. @returns null for an empty text, undefined if it is malformed. */
export function readNatsUrl(text: string): NatsServers | null | undefined {
  if (text.trim() === '') return null;
  const all = text.split(',').map((one) => readOne(one.trim()));
  if (!all.every((one) => one !== undefined)) return undefined;
  const known = all.filter(({ secret }) => secret !== undefined).map(({ secret }) => secret!);
  // The protocol's client knows one user for all servers.
  if (new Set(known).size > 1) return undefined;
  const who = readSecret(known[0]);
  return who && { servers: all.map(({ server }) => server), tls: all.some(({ tls }) => tls), ...who };
}

function readOne(url: string): { server: string; tls: boolean; secret: string | undefined } | undefined {
  const [, scheme, secret, host, port = String(DEFAULT_PORT)] = URLS.exec(url) ?? [];
  if (scheme === undefined || host === undefined || Number(port) > 65_535 || Number(port) === 0) return undefined;
  if (host.startsWith('[') && isIP(host.slice(1, -1)) !== 6) return undefined;
  if (/^[\d.]+$/.test(host) && isIP(host) !== 4) return undefined;
  return { server: `${host}:${Number(port)}`, tls: scheme.toLowerCase() === 'tls', secret };
}

function readSecret(secret: string | undefined): Pick<NatsServers, 'user' | 'password' | 'token'> | undefined {
  if (secret === undefined) return { user: null, password: null, token: null };
  const [first, second, ...more] = secret.split(':').map(decode);
  if (!first || second === '' || more.length > 0) return undefined;
  if (second === undefined) return secret.includes(':') ? undefined : { user: null, password: null, token: first };
  return { user: first, password: second, token: null };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
