/** A proxy on loopback that passes requests and websockets on, for tests of what proxies change. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

export const HOST = '127.0.0.1';

/** Where a request goes, and as what. */
export interface Passed {
  readonly port: number;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface ReverseProxy {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts a proxy.
 *
 * @param pass says what becomes of each request. @param add returns headers that an answer gets in addition.
 * @param answer answers a request itself; returns whether it has done so.
 */
export async function startReverseProxy(
  pass: (req: IncomingMessage) => Passed,
  add: (req: IncomingMessage) => OutgoingHttpHeaders = () => ({}),
  answer: (req: IncomingMessage, res: ServerResponse) => boolean = () => false,
): Promise<ReverseProxy> {
  const open = new Set<Duplex>();
  const server = createServer((req, res) => {
    if (answer(req, res)) return;
    const upstream = request({ host: HOST, method: req.method, ...pass(req) });
    upstream.on('response', (response) => {
      res.writeHead(response.statusCode ?? 502, { ...response.headers, ...add(req) });
      response.pipe(res);
    });
    upstream.on('error', () => res.destroy());
    req.pipe(upstream);
  });
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('upgrade', (req, socket, head) => {
    const { port, path, headers } = pass(req);
    const upstream = connect(port, HOST);
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
  return { url: `http://${HOST}:${(server.address() as AddressInfo).port}`, close };
}
