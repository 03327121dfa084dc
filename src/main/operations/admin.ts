/**
 * The operators' HTTP servers: one for health, metrics, conversations and commands, and perhaps another one for health and
 * metrics alone. They have their own addresses, which no proxy may expose.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { ListenAddress } from '../config.ts';
import { RequestError } from '../errors.ts';
import { type Answer, send, sendProblem } from '../http/answer.ts';
import { lastResponse } from '../http/last-response.ts';
import { listen } from '../http/listen.ts';
import { Listener, type ListenerConfig } from '../http/listener.ts';
import { type Params, RouteTable } from '../http/route-table.ts';
import type { Log } from '../log/log.ts';
import { requestIdOf } from '../request-id.ts';
import type { Telemetry } from '../telemetry.ts';
import type { OperatorAccess } from './admin-token.ts';
import { acts, checkQuery, type OperatorRoute } from './routes.ts';
import type { Serve } from './tap-sockets.ts';

/** Longest message of a websocket's client, bytes: there is nothing to say. */
const MAX_MESSAGE_BYTES = 1024;
/** No registry gives out names below these (RFC 6761, RFC 6762; ICANN reserves .internal for private use). */
const PRIVATE = /\.(?:localhost|local|internal)$/;

export class AdminServer {
  private readonly listener: Listener;
  private readonly routes: RouteTable<OperatorRoute>;
  private readonly access: OperatorAccess | null;
  private readonly websockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    clientTracking: false,
  });
  private readonly log: Log;
  private readonly telemetry: Pick<Telemetry, 'refused'>;

  /** @param access decides who may act; null where no route acts. */
  constructor(
    routes: readonly OperatorRoute[],
    access: OperatorAccess | null,
    config: ListenerConfig,
    log: Log,
    telemetry: Pick<Telemetry, 'refused'>,
  ) {
    this.access = access;
    this.log = log;
    this.telemetry = telemetry;
    this.routes = new RouteTable(routes, config.MAX_HEADER_BYTES);
    this.listener = new Listener(config, telemetry, (request, response) => {
      request.resume();
      this.respond(request, response);
    });
    this.listener.server.on('upgrade', (request, socket, head) => {
      socket.on('error', (error) => this.log.debug({ err: error }, 'socket error'));
      this.upgrade(request, socket, head);
    });
  }

  /**
   * Starts to listen.
   *
   * @param variable the variable that the address comes from.
   * @throws Error that names a refused address and says how to choose another.
   */
  async listen(address: ListenAddress, variable: 'ADMIN_LISTEN' | 'METRICS_LISTEN'): Promise<AddressInfo> {
    const bound = await listen(this.listener.server, address, variable, '127.0.0.1:8082');
    this.access?.listening(bound.address);
    return bound;
  }

  close(): void {
    this.listener.close();
  }

  private respond(request: IncomingMessage, response: ServerResponse): void {
    this.answer(request).then(
      (answer) => send(response, answer),
      (error: unknown) => this.refuse(request, response, error),
    );
  }

  private refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const message = 'request of an operator failed';
    const { kind } = sendProblem(response, error, 'internal', this.log, message, requestIdOf(request));
    if (kind === 'bad-token') this.telemetry.refused(kind, 'other');
  }

  private async answer(request: IncomingMessage): Promise<Answer> {
    const { row, params } = this.permitted(request);
    return row.answer(params, queryOf(request));
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    let serve: Serve | undefined;
    try {
      const { row, params } = this.permitted(request);
      const wantsWebsocket = (request.headers.upgrade ?? '').toLowerCase() === 'websocket';
      serve = wantsWebsocket ? row.upgrade?.(params, queryOf(request)) : undefined;
    } catch (error) {
      return this.refuse(request, lastResponse(request, socket), error);
    }
    // A server may ignore an offer of another protocol: RFC 9110, section 7.8.
    if (serve === undefined) return this.respond(request, lastResponse(request, socket));
    const granted = serve;
    this.websockets.handleUpgrade(request, socket, head, (websocket) => {
      this.listener.release(socket);
      granted(websocket);
    });
  }

  private permitted(request: IncomingMessage): { row: OperatorRoute; params: Params } {
    refuseWebPages(request);
    const found = this.routes.find(request.method === 'HEAD' ? 'GET' : request.method, request.url);
    if (acts(found.row)) {
      this.access?.check(request);
      checkQuery(found.row, queryOf(request));
    }
    return found;
  }
}

function queryOf({ url = '' }: IncomingMessage): URLSearchParams {
  return new URLSearchParams(url.split('?', 2)[1] ?? '');
}

/**
 * Refuses web pages: a page in the browser of somebody who can reach this address is no operator. Browsers send
 * `Origin` with each POST, and with requests to other sites. They send none with a GET to the page's own site, and a
 * page can make this address its own site if its name resolves to it (DNS rebinding). `Host` is that name then.
 *
 * @throws RequestError `forbidden`
 */
function refuseWebPages({ headers: { origin, host } }: IncomingMessage): void {
  if (origin !== undefined) {
    throw new RequestError('forbidden', 'Requests of web pages, with an Origin header, are not answered here.');
  }
  if (host !== undefined && !isLocalName(host)) {
    const next = 'ask by its IP address, or by a name without a dot or below .localhost, .local or .internal';
    throw new RequestError('forbidden', `This listener answers to no name that a web page could have: ${next}.`);
  }
}

/**
 * Whether the name in a `Host` header is an IP address or a name of the local network. Nobody elsewhere can decide what
 * such a name resolves to.
 *
 * @param host `name`, `name:port` or `[v6]:port`.
 */
function isLocalName(host: string): boolean {
  const v6 = /^\[([^\]]+)\](?::\d*)?$/.exec(host)?.[1];
  if (v6 !== undefined) return isIP(v6.split('%', 1)[0]!) === 6;
  // A complete name may end with a dot.
  const name = host.replace(/:\d*$/, '').toLowerCase().replace(/\.$/, '');
  return isIP(name) === 4 || !name.includes('.') || PRIVATE.test(name);
}
