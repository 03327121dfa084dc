/**
 * A gateway for development and tests, in place of traefik and backend-auth. It believes any name, so it listens on
 * loopback only and answers only its own origin.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

const CLAIM = 'x-user-claim';
const HOST = '127.0.0.1';
/** Hosts by which a browser may address the gateway. Any other is a name that somebody has pointed at loopback. */
const OWN_NAMES: readonly string[] = [HOST, 'localhost', '[::1]'];
const DEFAULT_CLIENT = 'browser';
const NONE: ReadonlySet<string> = new Set();

export interface Gateway {
  port: number;
  /** Origin of the pages and of the API, without a trailing slash. */
  url: string;
  close(): Promise<void>;
}

export interface GatewayOptions {
  /** The port to listen on; 0, the default, chooses a free one. */
  port?: number;
  /** The server's port on loopback; null while there is no server. */
  upstream: () => number | null;
  /** Tokens that the gateway refuses with 401; none by default. */
  refused?: ReadonlySet<string>;
  /** Path prefix of requests for the server, which the gateway removes; empty by default. */
  prefix?: string;
  /** Answers a request that is not for the server. @returns false if the request is for the server. */
  local: (req: IncomingMessage, res: ServerResponse) => boolean;
}

/**
 * Starts a gateway. It turns `?token=<userid>.<clientid>`, or the same as a bearer token, into the claim header, and
 * passes the request on. `.<clientid>` is optional. The userid is percent-encoded, because a header cannot hold every
 * name.
 *
 * @throws Error with the code `EADDRINUSE` if the port is taken.
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { port: wanted = 0, local } = options;
  const server = createServer((req, res) => {
    if (!isOwn(req) || !local(req, res)) forward(req, res, routeOf(req, options));
  });
  const open = new Set<Duplex>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('upgrade', (req, socket, head) => forwardUpgrade(req, socket, head, routeOf(req, options)));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(wanted, HOST, resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      // The server does not close sockets that it has upgraded.
      for (const socket of open) socket.destroy();
    });
  return { port, url: `http://${HOST}:${port}`, close };
}

/** Refuses a request with a status and a line of text. */
export function refuse(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

/** Returns the request's URL. */
export function urlOf(req: IncomingMessage): URL {
  // The path is appended, not resolved, so that `//evil` does not become the host.
  return new URL(`http://gateway${req.url?.startsWith('/') ? req.url : '/'}`);
}

/** Returns whether the request names this machine as its host and comes from no page of another origin. */
function isOwn({ headers: { host = '', origin } }: IncomingMessage): boolean {
  return OWN_NAMES.includes(host.replace(/:\d+$/, '')) && (origin === undefined || origin === `http://${host}`);
}

/** Returns the claim header for the request's token, or undefined if the token is missing, invalid or refused. */
function claimOf(req: IncomingMessage, refused: ReadonlySet<string>): string | undefined {
  const bearer = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1];
  const token = urlOf(req).searchParams.get('token') ?? bearer ?? '';
  if (refused.has(token)) return undefined;
  const dot = token.lastIndexOf('.');
  const [userid, clientid] = dot < 0 ? [token, DEFAULT_CLIENT] : [token.slice(0, dot), token.slice(dot + 1)];
  if (userid === '' || clientid === '') return undefined;
  try {
    return headerSafe(JSON.stringify({ userid: decodeURIComponent(userid), clientid }));
  } catch {
    return undefined;
  }
}

/** Escapes JSON to ASCII, because a header holds nothing else. */
function headerSafe(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Where to pass a request on to, or why to refuse it. */
type Route =
  | { readonly port: number; readonly path: string; readonly headers: IncomingHttpHeaders; readonly refused?: never }
  | { readonly refused: number; readonly why: string };

function routeOf(req: IncomingMessage, { upstream, prefix = '', refused = NONE }: GatewayOptions): Route {
  if (!isOwn(req)) {
    return { refused: 403, why: 'This gateway is for development. It answers only its own pages, on loopback.' };
  }
  const path = req.url ?? '';
  if (!path.startsWith(`${prefix}/`)) return { refused: 404, why: 'There is nothing here.' };
  const claim = claimOf(req, refused);
  if (claim === undefined) return { refused: 401, why: 'Say who you are with ?token=name.' };
  const port = upstream();
  if (port === null) return { refused: 502, why: 'The server is not running.' };
  // Overwrite a claim that the client sent: only the gateway says who a user is.
  return { port, path: path.slice(prefix.length), headers: { ...req.headers, [CLAIM]: claim } };
}

function forward(req: IncomingMessage, res: ServerResponse, route: Route): void {
  if (route.refused !== undefined) return refuse(res, route.refused, route.why);
  const { port, path, headers } = route;
  const upstream = request({ host: HOST, port, method: req.method, path, headers });
  upstream.on('response', (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
  });
  upstream.on('error', () => (res.headersSent ? res.destroy() : refuse(res, 502, 'The server is not answering.')));
  res.on('close', () => upstream.destroy());
  req.pipe(upstream);
}

/** Repeats the handshake to the server, and then pipes each socket into the other. */
function forwardUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer, route: Route): void {
  socket.on('error', () => socket.destroy());
  if (route.refused !== undefined) {
    socket.end(`HTTP/1.1 ${route.refused} ${STATUS_CODES[route.refused]}\r\nconnection: close\r\n\r\n`);
    return;
  }
  const upstream = connect(route.port, HOST);
  const lines = Object.entries(route.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  upstream.write(`${req.method} ${route.path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  upstream.write(head);
  upstream.pipe(socket).pipe(upstream);
  const drop = (): void => {
    upstream.destroy();
    socket.destroy();
  };
  for (const end of [upstream, socket]) end.on('error', drop).on('close', drop);
}
