/** How to connect to NATS, and what to tell operators if that fails. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import {
  type Authenticator,
  credsAuthenticator,
  errors,
  type NodeConnectionOptions,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import type { Config } from '../config.ts';
import type { NatsServers } from '../nats-url.ts';

export type NatsConfig = Pick<Config, 'NATS_URL' | 'NATS_CREDS' | 'NATS_CA' | 'NATS_CERT' | 'NATS_KEY' | 'CLUSTER'>;

/** How often NATS is asked for a sign of life, milliseconds. */
const PING_INTERVAL_MS = 1000;
/** Unanswered pings after which the connection is dead: with the interval before the first, 2 to 3 seconds. */
const MAX_UNANSWERED = 2;
/** Longest wait for a server that does not answer a connection, milliseconds. */
const CONNECT_TIMEOUT_MS = 3000;
/** Shortest and longest pause before the next try, milliseconds. The difference keeps instances from coming at once. */
const MIN_RETRY_MS = 250;
const MAX_RETRY_MS = 1000;

/** Returns what the subjects of inboxes begin with: answers to requests come to them. */
export function inboxesOf({ CLUSTER }: Pick<NatsConfig, 'CLUSTER'>): string {
  return `${CLUSTER}.inbox`;
}

/** @throws Error for operators, if a file cannot be read. */
export function natsOptions(config: NatsConfig, name: string): NodeConnectionOptions {
  const { NATS_URL: nats, NATS_CA: caFile, NATS_CERT: certFile, NATS_KEY: keyFile } = config;
  if (nats === null) throw new Error('NATS_URL is empty');
  const files = Object.entries({ caFile, certFile, keyFile }).filter(([, path]) => path !== '');
  for (const variable of ['NATS_CA', 'NATS_CERT', 'NATS_KEY'] as const) {
    if (config[variable] !== '') readNamed(variable, config[variable]);
  }
  // The client passes all of them to TLS.
  const tls: object = { ...Object.fromEntries(files), checkServerIdentity: identityCheck(nats) };
  return {
    servers: [...nats.servers],
    name,
    noEcho: true,
    authenticator: authenticator(config),
    ...(nats.tls || files.length > 0 ? { tls } : {}),
    inboxPrefix: inboxesOf(config),
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: MAX_UNANSWERED,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: () => MIN_RETRY_MS + Math.random() * (MAX_RETRY_MS - MIN_RETRY_MS),
    // The traces cost more than the requests.
    noAsyncTraces: true,
  };
}

/** Returns the message for operators about a first connection that failed. It has no secrets. */
export function whyNotConnected(config: NatsConfig, error: unknown): string {
  const where = config.NATS_URL?.servers.join(', ');
  const { message, code } = (error instanceof Error ? error : new Error(String(error))) as NodeJS.ErrnoException;
  if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
    return `NATS at ${where} refused ${identity(config)} (${message.toLowerCase()}): check ${identityVariable(config)}`;
  }
  if (/certificate|^ERR_(TLS|SSL)|SELF_SIGNED|^UNABLE_TO|_CERT_/i.test(`${code ?? ''}`) || /'tls'/.test(message)) {
    return `no encrypted connection to NATS at ${where} (${message}): check NATS_URL, NATS_CA, NATS_CERT and NATS_KEY`;
  }
  // With TLS 1.3 the client is let in before its certificate is looked for, and then hears nothing.
  const certificate = config.NATS_CERT === '' && message === 'timeout' ? ' without NATS_CERT' : '';
  return `NATS cannot be reached at ${where}${certificate} (${message}): check NATS_URL, and whether NATS is running there`;
}

/**
 * Returns the check of a server's certificate. The client gives TLS no name for a server whose address is configured,
 * and TLS then takes certificates of `localhost`. Instead, such a certificate has to have one of these addresses.
 */
function identityCheck({ servers }: NatsServers): typeof checkServerIdentity {
  const hosts = servers.map((server) => server.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''));
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  return (name, certificate) => {
    if (name !== 'localhost' || hosts.includes(name)) return checkServerIdentity(name, certificate);
    const results = addresses.map((address) => checkServerIdentity(address, certificate));
    return results.some((error) => error === undefined) ? undefined : results[0];
  };
}

function identity({ NATS_URL: nats, NATS_CREDS }: NatsConfig): string {
  if (NATS_CREDS !== '') return 'the credentials';
  if (nats?.user) return `the user ${nats.user}, or the password`;
  return nats?.token ? 'the token' : 'a connection without user';
}

function identityVariable({ NATS_CREDS }: NatsConfig): string {
  return NATS_CREDS === '' ? 'NATS_URL' : 'NATS_CREDS';
}

function authenticator({ NATS_URL: nats, NATS_CREDS }: NatsConfig): Authenticator {
  if (NATS_CREDS !== '') return credentials(NATS_CREDS);
  if (nats?.token) return tokenAuthenticator(nats.token);
  if (nats?.user) return usernamePasswordAuthenticator(nats.user, nats.password ?? '');
  return () => undefined;
}

/** Reads the file anew at each connection, because credentials expire. If it is bad then, the last good ones stay. */
function credentials(path: string): Authenticator {
  let good: Authenticator | null = null;
  const read = (nonce?: string): ReturnType<Authenticator> => {
    const next = credsAuthenticator(readNamed('NATS_CREDS', path));
    const answer = next(nonce);
    good = next;
    return answer;
  };
  try {
    // Without a challenge nothing is signed, but the file is parsed.
    read('');
  } catch (error) {
    const { message } = error as Error;
    throw message.startsWith('NATS_CREDS') ? error : new Error(`NATS_CREDS is no file of credentials (${message})`);
  }
  return (nonce) => {
    try {
      return read(nonce);
    } catch {
      return good!(nonce);
    }
  };
}

function readNamed(variable: string, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`${variable} is a file that cannot be read (${(error as NodeJS.ErrnoException).code}): ${path}`);
  }
}
