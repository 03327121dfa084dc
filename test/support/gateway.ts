import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

/** Where the pages are, seen from the compiled file in `dist/test/support`. */
const PAGES = new URL('../../../test/data/page/', import.meta.url);

const FILES: Record<string, { file: string; type: string }> = {
  '/': { file: 'index.html', type: 'text/html' },
  '/client.js': { file: 'client.js', type: 'text/javascript' },
  '/example': { file: 'example.html', type: 'text/html' },
  '/voice': { file: 'voice-client.html', type: 'text/html' },
  '/voice-client-page.js': { file: 'voice-client-page.js', type: 'text/javascript' },
};

const CLAIM = 'x-user-claim';

export interface Gateway {
  port: number;
  /** Port of the server that requests are passed on to; may be another one later. */
  upstream: number;
  /** Tokens that are refused, with 401. */
  refused: Set<string>;
  /** Origin of the pages and of the API, without a trailing slash. */
  url: string;
  close(): Promise<void>;
}

type Upstream = Pick<Gateway, 'upstream' | 'refused'>;

/**
 * Stands in for traefik and backend-auth: turns `?token=<userid>.<clientid>`, or the same as a bearer token, into the
 * claim header, and passes the request on. It also serves the test pages, so that they share the API's origin.
 *
 * @param scripts served beside them, by path.
 */
export async function startGateway(
  upstreamPort: number,
  scripts: Readonly<Record<string, Uint8Array>> = {},
): Promise<Gateway> {
  const files = new Map(
    Object.entries(FILES).map(([path, { file, type }]) => [path, { body: readFileSync(new URL(file, PAGES)), type }]),
  );
  for (const [path, body] of Object.entries(scripts))
    files.set(path, { body: Buffer.from(body), type: 'text/javascript' });
  const server = createServer((req, res) => {
    const file = files.get(pathOf(req));
    if (file && req.method === 'GET') res.setHeader('content-type', `${file.type}; charset=utf-8`).end(file.body);
    else forward(req, res, gateway);
  });
  const open = new Set<Duplex>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('upgrade', (req, socket, head) => forwardUpgrade(req, socket, head, gateway));
  const gateway: Upstream = { upstream: upstreamPort, refused: new Set() };
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      // An upgraded socket is no longer the server's to close.
      for (const socket of open) socket.destroy();
    });
  return Object.assign(gateway, { port, url: `http://127.0.0.1:${port}`, close });
}

function pathOf(req: IncomingMessage): string {
  return urlOf(req).pathname;
}

function urlOf(req: IncomingMessage): URL {
  return new URL(req.url ?? '/', 'http://gateway');
}

/** The claim that the request's token stands for, or undefined without a well-formed token that is not refused. */
function claimOf(req: IncomingMessage, refused: ReadonlySet<string>): string | undefined {
  const bearer = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1];
  const token = urlOf(req).searchParams.get('token') ?? bearer;
  if (refused.has(token ?? '')) return undefined;
  const [, userid, clientid] = /^([^.]+)\.([^.]+)$/.exec(token ?? '') ?? [];
  return userid && clientid ? JSON.stringify({ userid, clientid }) : undefined;
}

/** The request's headers, with a claim that only the gateway can have written. */
function headersFor(req: IncomingMessage, claim: string): IncomingHttpHeaders {
  return { ...req.headers, [CLAIM]: claim };
}

function forward(req: IncomingMessage, res: ServerResponse, { upstream: port, refused }: Upstream): void {
  const claim = claimOf(req, refused);
  if (!claim) {
    res.writeHead(401).end();
    return;
  }
  const { method, url: path } = req;
  const upstream = request({ host: '127.0.0.1', port, method, path, headers: headersFor(req, claim) });
  upstream.on('response', (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
  });
  upstream.on('error', () => (res.headersSent ? res.destroy() : res.writeHead(502).end()));
  res.on('close', () => upstream.destroy());
  req.pipe(upstream);
}

/** Repeats the handshake towards the server and then joins the two sockets byte by byte. */
function forwardUpgrade(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  { upstream: port, refused }: Upstream,
): void {
  const claim = claimOf(req, refused);
  if (!claim) {
    socket.end('HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n');
    return;
  }
  const upstream = connect(port, '127.0.0.1');
  const lines = Object.entries(headersFor(req, claim)).map(([name, value]) => `${name}: ${value}\r\n`);
  upstream.write(`${req.method} ${req.url} HTTP/1.1\r\n${lines.join('')}\r\n`);
  upstream.write(head);
  upstream.pipe(socket).pipe(upstream);
  const drop = (): void => {
    upstream.destroy();
    socket.destroy();
  };
  for (const end of [upstream, socket]) end.on('error', drop).on('close', drop);
}
