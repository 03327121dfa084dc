/**
 * A gateway for development and tests, in place of traefik and backend-auth. It believes any name, so it listens on
 * loopback only, unless it is told an address for others. It answers only its own origins and those that it is told.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Certificate } from './certificate.ts';
import { hostOf } from './lan-address.ts';
import { secureFront } from './secure-front.ts';

const CLAIM = 'x-user-claim';
const HOST = '127.0.0.1';
/** Hosts by which a browser may address the gateway on loopback. Any other is a name that somebody has pointed at it. */
const OWN_NAMES: readonly string[] = [HOST, 'localhost', '[::1]'];
const DEFAULT_CLIENT = 'browser';
const NONE: ReadonlySet<string> = new Set();
/** What pages of other origins may do and read (https://fetch.spec.whatwg.org/#http-cors-protocol). */
const CORS_METHODS = 'GET, POST, DELETE';
const CORS_HEADERS = 'authorization, content-type';
const CORS_EXPOSED = 'retry-after, x-request-id';
const CORS_MAX_AGE_S = '600';

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
  /** Origins of pages that may use the gateway besides its own, as `http://localhost:5173`; none by default. */
  origins?: readonly string[];
  /** Path prefix of requests for the server, which the gateway removes; empty by default. */
  prefix?: string;
  /** Lets others in the network in: over HTTPS, at this address as well as on loopback; nobody by default. */
  lan?: { readonly address: string; readonly certificate: Certificate };
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
  const { port: wanted = 0, local, lan } = options;
  const answer = (req: IncomingMessage, res: ServerResponse): void => {
    allow(req, res, options);
    if (isPreflight(req)) preflight(req, res, options);
    else if (!isAllowed(req, options) || !local(req, res)) forward(req, res, routeOf(req, options));
  };
  const server = lan === undefined ? createServer(answer) : createSecureServer(lan.certificate, answer);
  server.on('upgrade', (req, socket, head) => forwardUpgrade(req, socket, head, routeOf(req, options)));
  const plain = createServer((req, res) => redirect(req, res, options));
  const listeners: [Server, string][] =
    lan === undefined ? [[server, HOST]] : [lan.address, HOST].map((host) => [secureFront(server, plain), host]);
  const open = new Set<Duplex>();
  for (const [listener] of listeners) {
    listener.on('connection', (socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
    });
  }
  const close = async (): Promise<void> => {
    const closed = listeners.map(([listener]) => new Promise<void>((resolve) => listener.close(() => resolve())));
    // A server does not close sockets that it has upgraded.
    for (const socket of open) socket.destroy();
    await Promise.all(closed);
  };
  let port = wanted;
  try {
    for (const [listener, host] of listeners) port = await listen(listener, port, host);
  } catch (error) {
    await close();
    throw error;
  }
  return { port, url: `${schemeOf(options)}://${lan === undefined ? HOST : hostOf(lan.address)}:${port}`, close };
}

/** Resolves with the port once the server listens. */
async function listen(server: Server, port: number, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return (server.address() as AddressInfo).port;
}

/** Refuses a request with a status and a line of text. */
export function refuse(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

/** Refuses a request for the API as the server does, with a problem document (RFC 9457), so that clients show it. */
function refuseWithProblem(res: ServerResponse, status: number, detail: string): void {
  const problem = { title: STATUS_CODES[status], status, detail };
  res.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
}

/** Returns the request's URL. */
export function urlOf(req: IncomingMessage): URL {
  // The path is appended, not resolved, so that `//evil` does not become the host.
  return new URL(`http://gateway${req.url?.startsWith('/') ? req.url : '/'}`);
}

function schemeOf({ lan }: GatewayOptions): string {
  return lan === undefined ? 'http' : 'https';
}

/** Returns whether the request's Host is a name of this machine, not one that somebody else has pointed at it. */
function isOwnHost(host: string, { lan }: GatewayOptions): boolean {
  const name = host.replace(/:\d+$/, '');
  return OWN_NAMES.includes(name) || (lan !== undefined && name === hostOf(lan.address));
}

/**
 * Returns whether the request names this machine as its host, and comes from a page that may use the gateway.
 *
 * @param origin of the page, where it is known.
 */
function isAllowed({ headers }: IncomingMessage, options: GatewayOptions, origin = headers.origin): boolean {
  const { host = '' } = headers;
  const own = `${schemeOf(options)}://${host}`;
  return (
    isOwnHost(host, options) && (origin === undefined || origin === own || options.origins?.includes(origin) === true)
  );
}

/**
 * Returns the origin of the page that sends a request for the API. With a GET to what it takes for its own origin, a
 * browser sends no `Origin`. Behind a proxy that rewrites Host, the websocket would be refused, and the request by which
 * the client asks for the reason would not.
 */
function pageOf({ headers: { origin, referer = '' } }: IncomingMessage): string | undefined {
  return origin ?? (URL.canParse(referer) ? new URL(referer).origin : undefined);
}

/** Explains to a developer why the gateway answers with 403. */
function whyForbidden(req: IncomingMessage, options: GatewayOptions, origin = req.headers.origin): string {
  const { host = '' } = req.headers;
  const { lan } = options;
  const where = lan === undefined ? 'on loopback' : `at ${hostOf(lan.address)} and on loopback`;
  const rule = `This gateway is for development. It answers only its own pages, ${where}.`;
  if (!isOwnHost(host, options)) {
    const names = lan === undefined ? 'localhost or 127.0.0.1' : hostOf(lan.address);
    return `${rule} The request's Host is ${host}: address the gateway as ${names}.`;
  }
  return (
    `${rule} The request's Origin is ${origin} and its Host ${host}: start the gateway with --origin ${origin}, ` +
    'or let your proxy pass Host on as it is.'
  );
}

/** Leads a browser that speaks plain HTTP to the same place over HTTPS. */
function redirect(req: IncomingMessage, res: ServerResponse, options: GatewayOptions): void {
  const { host = '' } = req.headers;
  if (!isOwnHost(host, options)) return refuse(res, 403, whyForbidden(req, options));
  const { pathname, search } = urlOf(req);
  res.setHeader('location', `https://${host}${pathname}${search}`);
  refuse(res, 307, 'Browsers give the microphone to pages over HTTPS only: begin the address with https://');
}

/** Lets a page of an allowed origin read the answer, and any page why it is refused. */
function allow(req: IncomingMessage, res: ServerResponse, options: GatewayOptions): void {
  const { origin } = req.headers;
  if (origin === undefined || (isAllowed(req, options) && !options.origins?.includes(origin))) return;
  res.setHeader('access-control-allow-origin', origin);
  res.setHeader('access-control-expose-headers', CORS_EXPOSED);
  res.setHeader('vary', 'origin');
}

function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

/** Answers a browser that asks whether a page may send a request. */
function preflight(req: IncomingMessage, res: ServerResponse, options: GatewayOptions): void {
  if (!isAllowed(req, options)) return refuseWithProblem(res, 403, whyForbidden(req, options));
  const allowed = {
    'access-control-allow-methods': CORS_METHODS,
    'access-control-allow-headers': CORS_HEADERS,
    'access-control-max-age': CORS_MAX_AGE_S,
  };
  res.writeHead(204, allowed).end();
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

function routeOf(req: IncomingMessage, options: GatewayOptions): Route {
  const { upstream, prefix = '', refused = NONE } = options;
  const page = pageOf(req);
  if (!isAllowed(req, options, page)) return { refused: 403, why: whyForbidden(req, options, page) };
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
  if (route.refused !== undefined) return refuseWithProblem(res, route.refused, route.why);
  const { port, path, headers } = route;
  const upstream = request({ host: HOST, port, method: req.method, path, headers });
  upstream.on('response', (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
  });
  upstream.on('error', () =>
    res.headersSent ? res.destroy() : refuseWithProblem(res, 502, 'The server is not answering.'),
  );
  res.on('close', () => upstream.destroy());
  req.pipe(upstream);
}

/** Repeats the handshake to the server, and then pipes each socket into the other. */
function forwardUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer, route: Route): void {
  socket.on('error', () => socket.destroy());
  if (route.refused !== undefined) {
    const head = `HTTP/1.1 ${route.refused} ${STATUS_CODES[route.refused]}\r\n`;
    socket.end(`${head}content-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n${route.why}\n`);
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
