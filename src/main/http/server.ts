/** The public HTTP server: it reads claims, serves a table of routes, and upgrades requests to websockets. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { readClaim } from '../claim.ts';
import type { Config, ListenAddress } from '../config.ts';
import { RequestError } from '../errors.ts';
import { SocketLimit, socketsAllowed } from '../limits/socket-limit.ts';
import { Turns } from '../limits/turns.ts';
import type { Log } from '../log/log.ts';
import { requestIdOf } from '../request-id.ts';
import { NO_TELEMETRY, type Telemetry } from '../telemetry.ts';
import { EMPTY, send, sendProblem } from './answer.ts';
import { lastResponse } from './last-response.ts';
import { listen } from './listen.ts';
import { Listener, type ListenerConfig } from './listener.ts';
import { pathOf } from './paths.ts';
import { checkProxySecret } from './proxy-secret.ts';
import { RouteTable } from './route-table.ts';
import type { AnsweringRoute, Route, Upgrade } from './routes.ts';

/** How long a client may take to answer a close frame, milliseconds. A silent client would keep its socket. */
const CLOSE_TIMEOUT_MS = 3000;

/**
 * Most fragments of a message; clients that split their offer send a few. And most chunks of a frame, from the least
 * size that TCP segments usually have.
 */
const MAX_FRAGMENTS = 128;
const MIN_CHUNKS = 64;
const LEAST_CHUNK_BYTES = 64;

type ServerConfig = ListenerConfig & Pick<Config, 'MAX_OFFER_BYTES' | 'PROXY_SECRET'>;

export class HttpServer {
  private readonly listener: Listener;
  private readonly routes: RouteTable<Route>;
  private readonly websockets: WebSocketServer;
  private readonly config: ServerConfig;
  private readonly log: Log;
  private readonly telemetry: Pick<Telemetry, 'refused'>;
  private readonly limit = new SocketLimit();
  private readonly turns: Turns;

  constructor(
    routes: readonly Route[],
    config: ServerConfig,
    log: Log,
    telemetry: Pick<Telemetry, 'refused'> = NO_TELEMETRY,
  ) {
    this.config = config;
    this.log = log;
    this.telemetry = telemetry;
    this.routes = new RouteTable(routes, config.MAX_HEADER_BYTES);
    this.websockets = new WebSocketServer({
      noServer: true,
      maxPayload: config.MAX_OFFER_BYTES,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MIN_CHUNKS + Math.ceil(config.MAX_OFFER_BYTES / LEAST_CHUNK_BYTES),
      perMessageDeflate: false,
      clientTracking: false,
      // The types lack both. Signalling bounds pings and tells the client; the library would close without a reason.
      ...({ closeTimeout: CLOSE_TIMEOUT_MS, maxPendingAutoPongs: 0 } as object),
    });
    this.turns = new Turns(config.MAX_HTTP_SOCKETS);
    this.listener = new Listener(config, telemetry, (request, response) =>
      this.turns.take(() => this.handle(request, response)),
    );
    this.listener.server.on('upgrade', (request, socket, head) => {
      socket.on('error', (error) => this.log.debug({ err: error }, 'socket error'));
      this.turns.take(() => {
        // Nothing would tell later that the client has gone meanwhile.
        if (!socket.destroyed) this.upgrade(request, socket, head);
      });
    });
  }

  /** Starts to listen. Call it last: it counts the descriptors left. @throws Error that names a refused address. */
  listen(address: ListenAddress): Promise<AddressInfo> {
    this.limit.watch(this.listener.server, socketsAllowed());
    return listen(this.listener.server, address, 'LISTEN', ':8080');
  }

  /** Stops listening and hangs up idle clients. */
  close(): void {
    this.listener.close();
  }

  private handle(request: IncomingMessage, response: ServerResponse): void {
    // No route uses the body, but it has to be read.
    request.resume();
    const id = requestIdOf(request);
    try {
      this.limit.check(request.socket);
      const answer = this.answer(request, id);
      if (!(answer instanceof Promise)) return send(response, answer ?? EMPTY);
      answer.then((late) => send(response, late ?? EMPTY)).catch((error: unknown) => this.refuse(response, error, id));
    } catch (error) {
      this.refuse(response, error, id);
    }
  }

  private answer(request: IncomingMessage, id: string): ReturnType<AnsweringRoute['answer']> {
    checkProxySecret(request, this.config);
    const { row, params } = this.routes.find(request.method, request.url);
    const claim = readClaim(request);
    if ('answer' in row) return row.answer({ id, claim, params, gone: () => request.socket.destroyed });
    row.check();
    const headers = { Upgrade: 'websocket', Connection: 'Upgrade' };
    throw new RequestError('upgrade-required', `Open ${row.path} as a websocket.`, headers);
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const wantsWebsocket = (request.headers.upgrade ?? '').toLowerCase() === 'websocket';
    const row = wantsWebsocket ? this.routes.match(request.method, request.url)?.row : undefined;
    // A server may ignore an offer of another protocol, such as HTTP/2: RFC 9110, section 7.8.
    if (row === undefined || !('upgrade' in row)) return this.handle(request, lastResponse(request, socket));
    let accepted: Upgrade;
    const id = requestIdOf(request);
    try {
      this.limit.check(request.socket);
      checkProxySecret(request, this.config);
      accepted = row.upgrade(readClaim(request), id);
    } catch (error) {
      const response = lastResponse(request, socket);
      const { kind } = sendProblem(response, error, 'not-established', this.log, 'request failed', id);
      return this.telemetry.refused(kind, 'connect');
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

  private refuse(response: ServerResponse, error: unknown, id: string): void {
    const { kind } = sendProblem(response, error, 'internal', this.log, 'request failed', id);
    const row = this.routes.nearest(pathOf(response.req.url), response.req.method);
    this.telemetry.refused(kind, row !== undefined && 'answer' in row ? (row.asked ?? 'other') : 'other');
  }
}
