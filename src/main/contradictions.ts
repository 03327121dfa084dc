/** Variables that contradict each other. */
import { MAX_CONNECTION_INDEX } from '../workers/protocol.ts';
import type { Config } from './config.ts';

/** Returns an error for each variable that is good by itself and cannot be together with another. */
export function contradictions(config: Partial<Config>): string[] {
  return [...turnContradictions(config), ...webhookContradictions(config), ...natsContradictions(config)];
}

function turnContradictions({ TURN_URLS: urls = [], TURN_SECRET: secret }: Partial<Config>): string[] {
  if (urls.length === 0 || secret !== '') return [];
  return ['TURN_URLS is set and TURN_SECRET is empty; allowed: both or neither'];
}

function webhookContradictions({ WEBHOOK_URL: url, WEBHOOK_SECRET: secrets }: Partial<Config>): string[] {
  if (!url || secrets?.length !== 0) return [];
  return ['WEBHOOK_URL is set and WEBHOOK_SECRET is empty; allowed: both or neither'];
}

function natsContradictions(config: Partial<Config>): string[] {
  const { NATS_URL: nats, NATS_CREDS, NATS_CERT = '', NATS_KEY = '' } = config;
  if (nats === undefined || nats === null) return [];
  const { MAX_CONNECTIONS: connections = 0, MAX_REMOTE_SOURCES: remote = 0 } = config;
  const most = MAX_CONNECTION_INDEX + 1;
  const found: [wrong: boolean, message: string][] = [
    [
      connections + remote > most,
      `MAX_CONNECTIONS and MAX_REMOTE_SOURCES are ${connections + remote} together; allowed: at most ${most}`,
    ],
    [
      Boolean(NATS_CREDS) && (nats.user ?? nats.token) !== null,
      'NATS_CREDS is set and NATS_URL has a user or a token; allowed: one of them',
    ],
    [
      (NATS_CERT === '') !== (NATS_KEY === ''),
      'NATS_CERT and NATS_KEY are a certificate and its key; allowed: both or neither',
    ],
  ];
  return found.filter(([wrong]) => wrong).map(([, message]) => message);
}
