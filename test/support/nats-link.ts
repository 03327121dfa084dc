/** Links to a real NATS, as an instance opens them. */
import { Link } from '../../src/main/cluster/link.ts';
import type { NatsConfig } from '../../src/main/cluster/nats-options.ts';
import { type Environment, readConfig } from '../../src/main/config.ts';
import type { Log } from '../../src/main/log/log.ts';
import { recordLog } from './log-record.ts';

/** @param environment variables beside `NATS_URL`. */
export function natsConfig(url: string, environment: Environment = {}): NatsConfig {
  return readConfig({ ...environment, NATS_URL: url });
}

/** Opens a link. */
export function openLink(url: string, environment: Environment = {}, log: Log = recordLog().log): Promise<Link> {
  return Link.open(natsConfig(url, environment), 'test', log);
}

/** Returns the message that an attempt to open a link fails with. @throws Error if it succeeds. */
export async function refusedLink(url: string, environment: Environment = {}): Promise<string> {
  const link = await openLink(url, environment).catch((error: Error) => error.message);
  if (typeof link === 'string') return link;
  await link.close();
  throw new Error(`${url} was taken`);
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);
