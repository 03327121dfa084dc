/** HTTP: routes, claims and the upgrade to a websocket. */
import { type IncomingMessage, METHODS, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Duplex, PassThrough } from 'node:stream';
import FindMyWay from 'find-my-way';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Claim, readClaim } from '../claim.ts';
import type { Config, ListenAddress } from '../config.ts';
import { problemResponse, RequestError } from '../errors.ts';
import { SocketLimit, socketsAllowed } from '../limits/socket-limit.ts';
import type { Log } from '../log/log.ts';
import { type Asked, NO_TELEMETRY, type Telemetry } from '../telemetry.ts';
import { listen } from './listen.ts';
import { LINGER_MS, Listener, type ListenerConfig } from './listener.ts';

/** Longest conversation id, characters after decoding. */
export const MAX_CONVERSATION_ID_LENGTH = 256;
/** How long a client may take to answer a close frame, milliseconds; a silent one would keep its socket. */
const CLOSE_TIMEOUT_MS = 3000;

/**
 * Fragments of a message: a client that splits its offer at all sends a few. And pieces that one frame may come in: TCP's
 * are hardly ever smaller than this.
 */
const MAX_FRAGMENTS = 128;
const MIN_CHUNKS = 64;
const LEAST_CHUNK_BYTES = 64;

type ServerConfig = ListenerConfig & Pick<Config, 'MAX_OFFER_BYTES'>;

/** Whoever sent a request. */
export interface Client {
  /** Whether they hung up, so that nobody reads the response. */
  gone(): boolean;
}

/** What a handler answers: nothing if it is done, a promise if it will be. */
type Done = Promise<void> | undefined;

/** What the routes do; each may throw, or reject with, a RequestError. */
export interface Handlers {
  /** Puts the user into a conversation. */
  join(claim: Claim, conversation: string, client: Client): Done;
  /** Takes the user out of it. */
  leave(claim: Claim, conversation: string, client: Client): Done;
  /** Decides whether a websocket may be opened. @returns what to do with it once it is. */
  connect(claim: Claim): { opened(socket: WebSocket): void; abandoned(): void };
}

type Router = FindMyWay.Instance<FindMyWay.HTTPVersion.V1>;

export class HttpServer {
  private readonly listener: Listener;
  private readonly router: Router;
  private readonly websockets: WebSocketServer;
  private readonly handlers: Handlers;
  private readonly log: Log;
  private readonly telemetry: Pick<Telemetry, 'refused'>;
  private readonly limit = new SocketLimit();

  constructor(
    handlers: Handlers,
    config: ServerConfig,
    log: Log,
    telemetry: Pick<Telemetry, 'refused'> = NO_TELEMETRY,
  ) {
    this.handlers = handlers;
    this.log = log;
    this.telemetry = telemetry;
    this.router = this.buildRouter(config.MAX_HEADER_BYTES);
    this.websockets = new WebSocketServer({
      noServer: true,
      maxPayload: config.MAX_OFFER_BYTES,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MIN_CHUNKS + Math.ceil(config.MAX_OFFER_BYTES / LEAST_CHUNK_BYTES),
      perMessageDeflate: false,
      clientTracking: false,
      // The library's types lag behind it. Signalling bounds pings, and says so; the library would hang up without a word.
      ...({ closeTimeout: CLOSE_TIMEOUT_MS, maxPendingAutoPongs: 0 } as object),
    });
    this.listener = new Listener(config, telemetry, (request, response) => this.handle(request, response));
    this.listener.server.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
  }

  /** Listens; to be called when all else is open. @throws Error that says which address was refused and how to choose another. */
  listen(address: ListenAddress): Promise<AddressInfo> {
    this.limit.watch(this.listener.server, socketsAllowed());
    return listen(this.listener.server, address, 'LISTEN', ':8080');
  }

  /** Stops listening and hangs up idle clients. */
  close(): void {
    this.listener.close();
  }

  /** @param maxParamLength characters of a part of the path; it is told what is too long by itself. */
  private buildRouter(maxParamLength: number): Router {
    const router = FindMyWay({
      maxParamLength,
      defaultRoute: (request, response) => this.unknown(request, response as ServerResponse),
      onBadUrl: (path, _request, response) => this.refuse(response as ServerResponse, badlyEscaped(path)),
    });
    router.on('GET', '/connect', upgradeRequired);
    const membership = (
      act: (claim: Claim, id: string, client: Client) => Done,
    ): FindMyWay.Handler<FindMyWay.HTTPVersion.V1> => {
      return (request, response, params) => {
        const claim = readClaim(request);
        const client = { gone: () => request.socket.destroyed };
        const done = act(claim, conversationId(params['conversationid'] ?? ''), client);
        if (done === undefined) return succeed(response as ServerResponse);
        done
          .then(() => succeed(response as ServerResponse))
          .catch((error: unknown) => this.refuse(response as ServerResponse, error));
      };
    };
    const join = membership((claim, id, client) => this.handlers.join(claim, id, client));
    const leave = membership((claim, id, client) => this.handlers.leave(claim, id, client));
    for (const path of ['/join/:conversationid', '/join/', '/join']) {
      router.on('POST', path, join);
      router.on('DELETE', path, leave);
    }
    return router;
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    // No route takes a body; one that comes is read and thrown away.
    request.resume();
    try {
      this.limit.check(request.socket);
      this.router.lookup(request, response);
    } catch (error) {
      this.refuse(response, error);
    }
  }

  private unknown(request: IncomingMessage, response: ServerResponse): void {
    const path = pathOf(request);
    if (!isEscapedWell(path)) return this.refuse(response, badlyEscaped(path));
    const allowed = METHODS.filter((method) => this.router.find(method as FindMyWay.HTTPMethod, path) !== null);
    if (allowed.length === 0) {
      return this.refuse(
        response,
        new RequestError('not-found', 'There are GET /connect and POST or DELETE /join/:conversationid.'),
      );
    }
    const detail = `${request.method} is not allowed here; allowed: ${allowed.join(', ')}.`;
    this.refuse(response, new RequestError('method-not-allowed', detail, { Allow: allowed.join(', ') }));
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', (error) => this.log.debug({ err: error }, 'socket error'));
    const wantsWebsocket = (request.headers.upgrade ?? '').toLowerCase() === 'websocket';
    const route = request.method === 'GET' ? this.router.find('GET', request.url ?? '') : null;
    // An offer to speak another protocol, HTTP/2 say, may be ignored: RFC 9110, section 7.8.
    if (!wantsWebsocket || route?.handler !== upgradeRequired)
      return this.handle(request, lastResponse(request, socket));
    let accepted: ReturnType<Handlers['connect']>;
    try {
      this.limit.check(request.socket);
      accepted = this.handlers.connect(readClaim(request));
    } catch (error) {
      return this.refuse(lastResponse(request, socket), error, 'not-established');
    }
    let opened = false;
    const { abandoned } = accepted;
    socket.once('close', () => {
      if (!opened) abandoned();
    });
    this.websockets.handleUpgrade(request, socket, head, (websocket) => {
      opened = true;
      this.listener.release(socket);
      accepted.opened(websocket);
    });
  }

  private refuse(
    response: ServerResponse,
    error: unknown,
    otherwise: 'internal' | 'not-established' = 'internal',
  ): void {
    let known: RequestError;
    if (error instanceof RequestError) {
      known = error;
    } else {
      this.log.error({ err: error }, 'request failed');
      known = new RequestError(otherwise, 'It is not the request; the log of the server says more.');
    }
    this.telemetry.refused(known.kind, otherwise === 'not-established' ? 'connect' : askedFor(response.req));
    const { status, headers, body } = problemResponse(known);
    response.writeHead(status, headers).end(body);
  }
}

function askedFor({ method, url = '' }: IncomingMessage): Asked {
  if (!/^(?:https?:\/\/[^/?]*)?\/join(?:[/?]|$)/i.test(url)) return 'other';
  return method === 'POST' ? 'join' : method === 'DELETE' ? 'leave' : 'other';
}

function succeed(response: ServerResponse): void {
  response.writeHead(200, { 'Content-Length': '0' }).end();
}

/** `GET /connect` without an upgrade. */
function upgradeRequired(request: IncomingMessage): void {
  readClaim(request);
  const headers = { Upgrade: 'websocket', Connection: 'Upgrade' };
  throw new RequestError('upgrade-required', 'Open /connect as a websocket.', headers);
}

/**
 * The response to a request whose socket Node has let go of for an upgrade that does not come. It is written past the
 * responses of requests before it on the same socket, and ends the socket, which no timeout of Node's looks after any more.
 */
function lastResponse(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  const sink = new PassThrough();
  response.assignSocket(sink as unknown as Socket);
  response.on('finish', () => sink.end());
  sink.pipe(socket);
  socket.resume();
  socket.once('finish', () => setTimeout(() => socket.destroy(), LINGER_MS).unref());
  return response;
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0]!;
}

/** @param path without a query. */
export function isEscapedWell(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/** @param url with or without its query, which may hold a token and is not repeated. */
function badlyEscaped(url: string): RequestError {
  const path = url.split('?', 1)[0]!;
  const detail = `The path ${JSON.stringify(path.slice(0, 100))} is badly escaped: percent-encode it as UTF-8.`;
  return new RequestError(path.startsWith('/join') ? 'bad-conversation' : 'bad-request', detail);
}

/** @throws RequestError `bad-conversation` */
function conversationId(id: string): string {
  const bad = (detail: string): RequestError => new RequestError('bad-conversation', detail);
  if (id === '') throw bad('The conversation id is empty: POST /join/:conversationid.');
  if (id.length > MAX_CONVERSATION_ID_LENGTH) {
    throw bad(`The conversation id has ${id.length} characters; ${MAX_CONVERSATION_ID_LENGTH} are allowed.`);
  }
  if (id === '.' || id === '..') {
    throw bad(`The conversation id is ${JSON.stringify(id)}, which browsers and proxies take for a step in the path.`);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(id)) throw bad('The conversation id has control characters.');
  return id;
}
