/** `--healthcheck`: asks the running service, for containers without any other HTTP client. */
import { get } from 'node:http';
import type { ListenAddress } from '../config.ts';

/** How long the answer may take, milliseconds. */
const TIMEOUT_MS = 3000;

/**
 * Asks for `/healthz`.
 *
 * @param address a listener with it, or null if there is none. @param variable where that address comes from.
 * @returns null if the service is healthy, else the reason in one line.
 */
export async function whyUnhealthy(
  address: ListenAddress | null,
  variable: 'ADMIN_LISTEN' | 'METRICS_LISTEN' = 'ADMIN_LISTEN',
): Promise<string | null> {
  if (address === null) return 'ADMIN_LISTEN is empty: set it, because otherwise there is nothing to ask';
  if (address.port === 0) return `${variable} has port 0, which means any free port: set a fixed one`;
  const host = reachableHost(address.host);
  const where = `http://${host.includes(':') ? `[${host}]` : host}:${address.port}/healthz`;
  try {
    const status = await statusOf(host, address.port);
    return status === 200 ? null : `${where} answered ${status}`;
  } catch (error) {
    const { code, name, message } = error as NodeJS.ErrnoException;
    const why = name === 'AbortError' ? `no answer within ${TIMEOUT_MS} ms` : (code ?? message);
    return `${where} cannot be asked (${why}): is the service running, with this ${variable}?`;
  }
}

/** Replaces "every address" by loopback. */
function reachableHost(host: string | undefined): string {
  if (host === undefined || host === '0.0.0.0') return '127.0.0.1';
  return /^[0:]+$/.test(host) ? '::1' : host;
}

/** Returns the status, without waiting for the body. */
function statusOf(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    // One deadline for everything. Node's own timeout option starts again with each byte.
    const request = get({ host, port, path: '/healthz', agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) });
    request.on('response', (response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
    request.on('error', reject);
  });
}
