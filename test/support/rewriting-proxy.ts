/** A proxy of a development server that gives the pages and the API one origin, and tells the API another Host. */
import { createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

const HOST = '127.0.0.1';

export interface RewritingProxy {
  /** Origin of pages and API. */
  readonly url: string;
  close(): Promise<void>;
}

/** Starts a proxy on loopback. @param pages @param api ports; the API gets what begins with /webrtc/. */
export async function startRewritingProxy(pages: number, api: number): Promise<RewritingProxy> {
  const open = new Set<Duplex>();
  const passed = ({ url = '/', method = 'GET', headers }: IncomingMessage) => {
    const isApi = url.startsWith('/webrtc/');
    const port = isApi ? api : pages;
    const { origin: _, ...others } = headers;
    // The tests' own pages come from a gateway too, which would refuse to serve another origin.
    const sent = isApi ? headers : others;
    return { host: HOST, port, method, path: url, headers: { ...sent, host: `localhost:${port}` } };
  };
  const server = createServer((req, res) => {
    const upstream = request(passed(req));
    upstream.on('response', (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
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
    const { port, path, headers } = passed(req);
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
