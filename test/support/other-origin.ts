/** Serves the API at another origin than the pages', as a proxy with CORS does, in front of the test gateway. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { HOST, type Passed, type ReverseProxy, startReverseProxy } from './reverse-proxy.ts';

export interface OtherOrigin extends ReverseProxy {
  /** HTTP requests except preflights: paths without queries, and cookies. */
  readonly requests: { readonly path: string; readonly cookie: string | undefined }[];
}

/**
 * Passes every request on to a gateway. By default every page may send requests without cookies, as `deploy/` has it.
 *
 * @param cookies lets pages send cookies; the cookie `token` then counts as the token.
 */
export async function startOtherOrigin(gatewayPort: number, { cookies = false } = {}): Promise<OtherOrigin> {
  const requests: OtherOrigin['requests'] = [];
  const pass = ({ url = '', headers }: IncomingMessage): Passed => {
    const { origin: _, ...rest } = headers;
    const token = cookies ? /(?:^|; )token=([^;]+)/.exec(headers.cookie ?? '')?.[1] : undefined;
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return { port: gatewayPort, path: url, headers: { ...rest, ...authorization, host: `${HOST}:${gatewayPort}` } };
  };
  const allowed = ({ headers }: IncomingMessage): OutgoingHttpHeaders =>
    cookies
      ? { 'access-control-allow-origin': headers.origin ?? 'null', 'access-control-allow-credentials': 'true' }
      : { 'access-control-allow-origin': '*' };
  const answer = (req: IncomingMessage, res: ServerResponse): boolean => {
    const { method, url = '', headers } = req;
    if (method !== 'OPTIONS') {
      requests.push({ path: url.split('?', 1)[0]!, cookie: headers.cookie });
      return false;
    }
    const preflight = {
      'access-control-allow-methods': 'GET, POST, DELETE',
      'access-control-allow-headers': 'Authorization',
    };
    res.writeHead(204, { ...allowed(req), ...preflight }).end();
    return true;
  };
  return { ...(await startReverseProxy(pass, allowed, answer)), requests };
}
