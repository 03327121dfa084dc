/** The secret by which the proxy shows that a request came through it: `X-Proxy-Secret`. */
import type { IncomingMessage } from 'node:http';
import type { Config } from '../config.ts';
import { RequestError } from '../errors.ts';
import { sameSecret } from '../secrets.ts';

const HEADER = 'x-proxy-secret';

/**
 * Checks that a request came through the proxy. Without a secret every request passes.
 *
 * @throws RequestError `forbidden`
 */
export function checkProxySecret(
  { headersDistinct }: Pick<IncomingMessage, 'headersDistinct'>,
  { PROXY_SECRET: secrets }: Pick<Config, 'PROXY_SECRET'>,
): void {
  if (secrets.length === 0) return;
  const values = headersDistinct[HEADER] ?? [];
  const [value] = values;
  // All of them are compared, so that the time does not tell which one was near.
  const fitting = value === undefined ? [] : secrets.filter((secret) => sameSecret(secret, value));
  if (values.length === 1 && fitting.length > 0) return;
  const what = values.length === 0 ? 'is missing' : values.length > 1 ? `is there ${values.length} times` : 'is wrong';
  const next = 'requests come through the proxy, which sets it to PROXY_SECRET';
  throw new RequestError('forbidden', `X-Proxy-Secret ${what}: ${next}.`);
}
