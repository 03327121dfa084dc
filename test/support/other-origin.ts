/** Serves the API at another origin than the pages', as a proxy with CORS does, in front of the test gateway. */
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

const HOST = '127.0.0.1';

export interface OtherOrigin {
  readonly url: string;
  /** HTTP requests except preflights: paths without queries, and cookies. */
  readonly requests: { readonly path: string; readonly cookie: string | undefined }[];
  close(): Promise<void>;
}

/**
 * Passes every request on to a gateway. By default every page may send requests without cookies, as `deploy/` has it.
 *
 * @param cookies lets pages send cookies; the cookie `token` then counts as the token.
 */
export async function startOtherOrigin(gatewayPort: number, { cookies = false } = {}): Promise<OtherOrigin> {
  const requests: OtherOrigin['requests'] = [];
  const open = new Set<Duplex>();
  const forwarded = (url: string, headers: IncomingHttpHeaders): { path: string; headers: IncomingHttpHeaders } => {
    const { origin: _, ...rest } = headers;
    const token = cookies ? /(?:^|; )token=([^;]+)/.exec(headers.cookie ?? '')?.[1] : undefined;
    const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return { path: url, headers: { ...rest, ...authorization, host: `${HOST}:${gatewayPort}` } };
  };
  const server = createServer((req, res) => {
    const { method, url = '', headers } = req;
    const allowed = cookies
      ? { 'access-control-allow-origin': headers.origin ?? 'null', 'access-control-allow-credentials': 'true' }
      : { 'access-control-allow-origin': '*' };
    if (method === 'OPTIONS') {
      const preflight = {
        'access-control-allow-methods': 'GET, POST, DELETE',
        'access-control-allow-headers': 'Authorization',
      };
      res.writeHead(204, { ...allowed, ...preflight }).end();
      return;
    }
    requests.push({ path: url.split('?', 1)[0]!, cookie: headers.cookie });
    const upstream = request({ host: HOST, port: gatewayPort, method, ...forwarded(url, headers) });
    upstream.on('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...allowed });
      answer.pipe(res);
    });
    upstream.on('error', () => res.destroy());
    req.pipe(upstream);
  });
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('upgrade', (req, socket, head) => {
    const { path, headers } = forwarded(req.url ?? '', req.headers);
    const upstream = connect(gatewayPort, HOST);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    upstream.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    upstream.write(head);
    upstream.pipe(socket).pipe(upstream);
    const drop = (): void => {
      upstream.destroy();
      socket.destroy();
    };
    for (const end of [upstream, socket]) end.on('error', drop).on('close', drop);
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of open) socket.destroy();
    });
  return { url: `http://${HOST}:${(server.address() as AddressInfo).port}`, requests, close };
}
